"""Checks of a loss's parameters; a message says which, what was given and what is allowed."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

_LARGEST = sys.float_info.max


def number(name: str, value: object, *, low: float = -math.inf, high: float = math.inf) -> float:
    """A finite number from `low` to `high`.

    Raises:
        ValueError: it is not.
    """
    given = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not given or not max(low, -_LARGEST) <= value <= min(high, _LARGEST):  # type: ignore[operator]
        bounds = "" if low == -math.inf else f" from {low:g}"
        bounds += "" if high == math.inf else f" to {high:g}"
        raise ValueError(f"{name} is {value!r}, but must be a number{bounds}")
    return float(value)  # type: ignore[arg-type]


def whole(name: str, value: object, *, low: int) -> int:
    """A whole number from `low`.

    Raises:
        ValueError: it is not.
    """
    given = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not given or not low <= value <= _LARGEST or value != int(value):  # type: ignore[operator,call-overload]
        raise ValueError(f"{name} is {value!r}, but must be a whole number from {low}")
    return int(value)  # type: ignore[call-overload,no-any-return]


def share(name: str, value: object) -> float:
    """A number above 0, at most 1.

    Raises:
        ValueError: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1:
        raise ValueError(f"{name} is {value!r}, but must be null or a number above 0, at most 1")
    return float(value)


def choice(name: str, value: object, allowed: Sequence[str]) -> str:
    """One of some words.

    Raises:
        ValueError: it is none of them.
    """
    if not isinstance(value, str) or value not in allowed:
        raise ValueError(f"{name} is {value!r}, but must be {' or '.join(allowed)}")
    return value


def flag(name: str, value: object) -> bool:
    """True or false.

    Raises:
        ValueError: it is neither.
    """
    if not isinstance(value, bool):
        raise ValueError(f"{name} is {value!r}, but must be true or false")
    return value

"""Code that is the user's own: losses and backbones that are named as ``module:attribute``."""

from __future__ import annotations

import hashlib
import importlib.util
import sysconfig
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from lbray.errors import InputError

_NOT_OWN = (
    "site-packages",
    sysconfig.get_path("stdlib"),
    str(Path(__file__).parent),
    "<frozen",
)
"""What is in the file names of code that is not the user's own."""


def load(name: str) -> Any:
    """What a ``module:attribute`` names.

    Raises:
        Exception: whatever comes of importing the module.
    """
    module, attribute = name.split(":", 1)
    return getattr(importlib.import_module(module), attribute)


@cache
def digest(name: str) -> str | None:
    """Sixteen digits that tell one state of the file of a ``module:attribute`` from another; None
    if it is in none. The module itself is not imported.

    Raises:
        Exception: there is no such module.
    """
    module = name.partition(":")[0]
    spec = importlib.util.find_spec(module)
    if spec is None:
        raise ModuleNotFoundError(f"No module named '{module}'")
    if not spec.has_location or spec.origin is None:
        return None
    return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()[:16]


@contextmanager
def blamed(sentence: str) -> Iterator[None]:
    """Whatever goes wrong within, as an `InputError`: this sentence, and the `reason`.

    An `InputError` is one already.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as problem:
        raise InputError(f"{sentence}: {reason(problem)}.") from None


def where() -> str:
    """Where `load` looks, to be told when it found nothing."""
    return f"{Path.cwd()}, where lbray was started, or in the packages that are installed"


def reason(problem: BaseException) -> str:
    """What went wrong, in one line for people: the kind of error, what it says, and where in the
    user's own code it came about, if it did there."""
    text = " ".join(str(problem).split()) or "no message"
    return f"{type(problem).__name__}: {text}{_place(problem)}"


def _place(problem: BaseException) -> str:
    frames = traceback.extract_tb(problem.__traceback__)
    own = [f for f in frames if not any(part in f.filename for part in _NOT_OWN)]
    return f" ({own[-1].filename}:{own[-1].lineno}, in {own[-1].name})" if own else ""

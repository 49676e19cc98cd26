"""What there is to say about a loss, from its docstrings."""

from __future__ import annotations

import inspect
import sys
from dataclasses import dataclass
from typing import Any

from lbray.docstrings import sections
from lbray.losses.registry import default_warmup_epochs, fillable, made_by, parameters, required


@dataclass(frozen=True)
class Parameter:
    """A parameter of a loss.

    Attributes:
        default: None where there is none too.
        required: there is no default.
        filled_in: data and backbone decide it, unless it is given.
        note: what the docstring says of it, in one line.
    """

    default: Any
    required: bool
    filled_in: bool
    note: str


@dataclass(frozen=True)
class Description:
    """A loss for people.

    Attributes:
        name: as `lbray.losses.build` takes it.
        title: what it is called and where it is from, in one line.
        text: the rest of its docstring: what it does, its equation, what to know of it.
        parameters: by name.
        default_warmup_epochs: see `lbray.losses.default_warmup_epochs`.
    """

    name: str
    title: str
    text: str
    parameters: dict[str, Parameter]
    default_warmup_epochs: int


def describe(name: str) -> Description:
    """What a loss's docstrings and signature say.

    Raises:
        InputError: there is no such loss.
    """
    maker = made_by(name)
    text, parts = sections(_own_docstring(maker))
    arguments = parts.get("Args", {})
    if maker.__module__.startswith("lbray.losses."):  # a module each, whose docstring is the title
        title = inspect.getdoc(sys.modules[maker.__module__]) or ""
    else:
        title, _, text = text.partition("\n")
    needed, filled = required(name), fillable(name)
    return Description(
        name=name,
        title=title.partition("\n")[0].strip(),
        text=text.strip(),
        parameters={
            parameter: Parameter(
                default, parameter in needed, parameter in filled, arguments.get(parameter, "")
            )
            for parameter, default in parameters(name).items()
        },
        default_warmup_epochs=default_warmup_epochs(name),
    )


def _own_docstring(maker: object) -> str:
    """Not a base's, nor that of `torch.nn.Module`, as `inspect.getdoc` would give."""
    return inspect.cleandoc(getattr(maker, "__dict__", {}).get("__doc__") or maker.__doc__ or "")

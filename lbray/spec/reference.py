"""The reference of an experiment's settings as Markdown, from the types and their docstrings."""

from __future__ import annotations

import inspect
import json
import types
from collections.abc import Iterable, Sequence
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from lbray import backbones, data, losses
from lbray.docstrings import sections
from lbray.spec.cell import BASELINE, DEFAULT_STEP, OF_THE_BASELINE, PAPER_BACKBONES, Cell

_TYPES = {
    bool: "true or false",
    int: "whole number",
    float: "number",
    str: "text",
    type(None): "null",
}


def markdown() -> str:
    """Three sections: every setting of a cell, every backbone, every loss with its parameters."""
    meanings = sections(inspect.getdoc(Cell) or "")[1]["Attributes"]
    settings = [
        (
            f"`{field.alias or name}`",
            _type(field.annotation),
            _default(field.alias or name, field),
            _allowed(name, field),
            meanings[name],
            _in_the_id(field.alias or name),
        )
        for name, field in Cell.model_fields.items()
    ]
    heading = ("setting", "type", "default", "may be", "what it is", "in the id")
    return "\n\n".join(
        [
            "## Settings",
            _table(heading, settings),
            "## Backbones",
            *map(_backbone, backbones.own_names()),
            "## Losses",
            *map(_loss, losses.names()),
        ]
    )


def _type(annotation: Any) -> str:
    kind = get_origin(annotation)
    if kind in (Union, types.UnionType):
        return " or ".join(map(_type, get_args(annotation)))
    if kind is Literal:
        return "choice"
    return "mapping" if kind is dict else _TYPES[annotation]


def _default(name: str, field: FieldInfo) -> str:
    filled_in = {
        "backbone": "; ".join(f"{_code([own])} for `{of}`" for of, own in PAPER_BACKBONES.items()),
        "loss": _code([BASELINE]),
        "loss_params": "the loss's own",
        "lambda": "0 for the baseline, else none",
        "warmup_epochs": "the loss's own, at most a fifth of `max_epochs`",
        "lambda_step": f"{DEFAULT_STEP:g} with `lambda_schedule: step`, else null",
    }
    if name in filled_in:
        return filled_in[name]
    return "none, must be given" if field.is_required() else _code([_yaml(field.default)])


def _allowed(name: str, field: FieldInfo) -> str:
    names = {
        "dataset": [*data.names(), "folder:PATH"],
        "backbone": [*backbones.own_names(), "MODULE:ATTRIBUTE"],
        "loss": [BASELINE, *losses.names(), "pml:CLASS", "MODULE:ATTRIBUTE"],
    }
    if name not in names:
        return field.description or ""
    more = "; a classifier of torchvision" if name == "backbone" else ""
    return f"{field.description}: {_code(names[name])}{more}"


def _in_the_id(name: str) -> str:
    return "yes; fixed in the baseline" if name in {*OF_THE_BASELINE} - {"loss"} else "yes"


def _backbone(name: str) -> str:
    return f"### `{name}`\n\n{_unquoted(backbones.description(name))}"


def _loss(name: str) -> str:
    loss = losses.describe(name)
    rows = [
        (f"`{parameter}`", _code([_yaml(about.default)]), about.note)
        for parameter, about in loss.parameters.items()
    ]
    warmup = f" `warmup_epochs` is {loss.default_warmup_epochs} unless it is set."
    return "\n\n".join(
        [
            f"### `{name}`",
            loss.title + (warmup if loss.default_warmup_epochs else ""),
            _unquoted(loss.text),
            _table(("parameter", "default", "what it is"), rows),
        ]
    )


def _unquoted(text: str) -> str:
    """A docstring's text as Markdown."""
    return text.replace("``", "`")


def _yaml(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words)


def _table(heading: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(_unquoted(f"| {' | '.join(cells)} |") for cells in lines)

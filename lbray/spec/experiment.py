"""An experiment: a YAML file that declares blocks of settings, each a grid of cells.

name: my_experiment
description: one line for people
settings:                 # shared by every block
  dataset: fashion_mnist
  seed: [0, 1, 2]         # a list is an axis of the grid
blocks:
  - loss: baseline
  - loss: [magnet, {name: latent_boost, pca_threshold: null}]
    lambda: [0.25, 0.5, 0.75]
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from lbray.errors import InputError
from lbray.spec.cell import Cell
from lbray.spec.yaml_loader import ExperimentLoader

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_KEYS = ("name", "description", "settings", "blocks")
_MOST_VALUES = 100_000
"""In a file; by aliases a small one could stand for one that fits into no memory."""


class Experiment(BaseModel):
    """A named, declared set of cells.

    Attributes:
        name: letters, digits, ``_``, ``.`` and ``-``; names the experiment's record in the store.
        description: one line for people.
        blocks: per block, a mapping from setting to its values; shared settings are merged in.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: str = ""
    blocks: tuple[dict[str, Any], ...]

    def cells(self) -> list[Cell]:
        """Every cell of every block, in the order written; equal cells are one.

        Raises:
            InputError: an axis is empty or repeats a value, or a setting is not allowed.
        """
        merged: dict[str, Cell] = {}
        for number, block in enumerate(self.blocks, start=1):
            try:
                for settings in _expand(block):
                    cell = Cell.from_mapping(settings)
                    merged.setdefault(cell.id, cell)
            except InputError as problem:
                raise InputError(f"{self.name}: block {number}: {problem}") from None
        return list(merged.values())


def load(path: str | Path, overrides: Mapping[str, Any] | None = None) -> Experiment:
    """Read an experiment.

    Args:
        path: a YAML file.
        overrides: settings that replace those of every block, as ``--set`` gives them; ``name``
            renames the experiment.

    Raises:
        InputError: the file cannot be read, is not an experiment, or declares no valid grid.
    """
    path = Path(path)
    declared = _read(path)
    for key in declared:
        if key not in _KEYS:
            hint = " (settings of cells stand under 'settings')" if key in _fields() else ""
            raise InputError(f"{path}: {InputError.unknown('key', key, _KEYS)}{hint}")
    overrides = dict(overrides or {})
    name = overrides.pop("name", declared.get("name", path.stem))
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InputError(
            f"{path}: name is {name!r}, but must be up to 64 letters, digits, '_', '.' or '-', "
            "beginning with a letter or digit."
        )
    description = declared.get("description", "")
    if not isinstance(description, str):
        raise InputError(f"{path}: description is {description!r}, but must be text.")
    shared = {} if declared.get("settings") is None else declared["settings"]
    blocks = declared.get("blocks")
    if not isinstance(shared, dict):
        raise InputError(f"{path}: settings is {shared!r}, but must be a mapping of settings.")
    if not isinstance(blocks, list) or not blocks:
        raise InputError(f"{path}: blocks is {blocks!r}, but must be a list of at least one block.")
    for number, block in enumerate(blocks, start=1):
        if not isinstance(block, dict):
            raise InputError(
                f"{path}: block {number} is {block!r}, but must map settings to values."
            )
    experiment = Experiment(
        name=name,
        description=description,
        blocks=tuple(shared | block | overrides for block in blocks),
    )
    experiment.cells()
    return experiment


def single(settings: Mapping[str, Any]) -> Cell:
    """The cell of settings as they stand in a block, each with one value.

    Raises:
        InputError: a setting has several values, or is not allowed.
    """
    combinations = list(_expand(settings))
    if len(combinations) > 1:
        several = next(name for name in settings if len(_values(name, settings[name])) > 1)
        raise InputError(
            f"{several} is {settings[several]!r}, but must have one value here; "
            "'lbray sweep' runs grids."
        )
    return Cell.from_mapping(combinations[0])


def _fields() -> tuple[str, ...]:
    return tuple(name for name in Cell.field_names() if name != "loss_params")


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        reason = getattr(problem, "strerror", None) or "it is not UTF-8 text"
        raise InputError(f"cannot read the experiment {path}: {reason}.") from None
    try:
        declared = yaml.load(text, Loader=ExperimentLoader)  # a SafeLoader: no tags, no objects
    except (yaml.YAMLError, ValueError) as problem:  # a value that its tag or its form belies
        raise InputError(f"{path} is not valid YAML: {_where_and_why(problem)}.") from None
    except RecursionError:
        raise InputError(f"{path} is not valid YAML: it is nested too deeply.") from None
    if _has_more_values(declared, _MOST_VALUES):
        raise InputError(
            f"{path} holds more than {_MOST_VALUES:,} values, which is the most; declare axes as "
            "lists, or write several files."
        )
    if not isinstance(declared, dict):
        held = "is empty" if declared is None else f"holds {declared!r}"
        raise InputError(f"{path} must map 'blocks' to a list, but {held}.")
    return declared


def _has_more_values(value: Any, most: int) -> bool:
    """Whether there are more values in a value than so many, each counted as often as it is had."""
    waiting = [value]
    for _ in range(most):
        if not waiting:
            return False
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += [*value.keys(), *value.values()]
        elif isinstance(value, (list, tuple, set)):
            waiting += value
    return bool(waiting)


def _where_and_why(problem: yaml.YAMLError | ValueError) -> str:
    mark = getattr(problem, "problem_mark", None)
    if not isinstance(problem, yaml.MarkedYAMLError) or mark is None:
        return " ".join(str(problem).split())
    why = ", ".join(filter(None, (problem.context, problem.problem)))
    return f"line {mark.line + 1}, column {mark.column + 1}: {why}"


def _expand(block: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The product of a block's axes, as flat settings."""
    axes: dict[str, list[Any]] = {}
    for name, value in block.items():
        if name not in _fields():
            hint = " (a loss's parameters stand with its name: loss: {name: …, margin: 0.2})"
            raise InputError(f"{InputError.unknown('setting', name, _fields())}{hint}")
        axes[name] = _values(name, value)
    if "loss" not in axes and any(axes.get("lambda", [])):
        raise InputError(
            f"lambda is {block['lambda']!r}, but no loss is named that it could weigh; name one, "
            "or leave lambda out for the baseline."
        )
    for combination in itertools.product(*axes.values()):
        settings = dict(zip(axes, combination, strict=True))
        yield settings | settings.pop("loss") if "loss" in settings else settings


def _values(name: str, value: Any) -> list[Any]:
    """The values of a setting along its axis; those of ``loss`` with their parameters."""
    values = _axis(name, value)
    return [v for each in values for v in _loss_variants(each)] if name == "loss" else values


def _axis(name: str, value: Any) -> list[Any]:
    """The values along one axis: a list as it is, anything else as the only value."""
    if not isinstance(value, list):
        return [value]
    if not value:
        raise InputError(
            f"{name} is an empty list, so the grid has no cells; give one value or more."
        )
    for position, each in enumerate(value):
        if each in value[:position]:
            raise InputError(
                f"{name}: {each!r} stands twice in {value}; each value may stand once."
            )
    return value


def _loss_variants(loss: Any) -> Iterator[dict[str, Any]]:
    """A loss as written: by name, or as a mapping with ``name`` and parameters, maybe axes."""
    if not isinstance(loss, dict):
        yield {"loss": loss}
        return
    if "name" not in loss:
        raise InputError(
            f"loss is {loss!r}, but a loss with parameters needs its 'name' among them."
        )
    for key in loss:
        if not isinstance(key, str):
            raise InputError(
                f"loss is {loss!r}, in which {key!r} stands where a parameter's name must be."
            )
    params = {key: _axis(f"loss.{key}", value) for key, value in loss.items() if key != "name"}
    for combination in itertools.product(*params.values()):
        yield {"loss": loss["name"], "loss_params": dict(zip(params, combination, strict=True))}

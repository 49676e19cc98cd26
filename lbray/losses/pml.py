"""Losses of pytorch-metric-learning (PML) by class name; the package is optional."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

from torch import nn

from lbray.errors import InputError
from lbray.losses.parameters import flag, number

PREFIX = "pml:"
PACKAGE = "pytorch-metric-learning"

_NOT_USABLE = {
    "BaseMetricLossFunction",  # abstract
    "GenericPairLoss",  # abstract
    "ManifoldLoss",  # refuses labels
    "VICRegLoss",  # refuses labels
}
_OBJECTS = {
    "collect_stats",
    "distance",
    "embedding_reg_weight",
    "embedding_regularizer",
    "mat_based_loss",
    "reducer",
    "weight_init_func",
    "weight_reg_weight",
    "weight_regularizer",
}
"""Parameters that take Python objects, or matter only with one; they keep PML's defaults."""


def factory(class_name: str) -> Callable[..., nn.Module]:
    """What builds a PML loss; its signature has the class's parameters and those of its bases.

    Raises:
        InputError: the package is not installed, or has no such loss of latents and labels.
    """
    usable = _classes()
    if class_name not in usable:
        raise InputError.unknown("loss of pytorch-metric-learning", class_name, usable)
    made_by, known = usable[class_name], _parameters(usable[class_name])

    def build(**params: Any) -> nn.Module:
        for name, value in params.items():
            _check(name, value, known[name].default)
        return made_by(**params)

    build.__doc__, build.__module__ = vars(made_by).get("__doc__"), made_by.__module__
    build.__signature__ = inspect.Signature(list(known.values()))  # type: ignore[attr-defined]
    return build


@cache
def _classes() -> dict[str, type[nn.Module]]:
    try:
        package = importlib.import_module("pytorch_metric_learning.losses")
    except ImportError:
        raise InputError(
            "loss begins with 'pml:', but pytorch-metric-learning is not installed; "
            "pip install 'lbray[pml]' brings it."
        ) from None
    return {
        name: each
        for name, each in vars(package).items()
        if isinstance(each, type)
        and issubclass(each, nn.Module)
        and issubclass(each, package.BaseMetricLossFunction)
        and name not in _NOT_USABLE
    }


def _parameters(made_by: type[nn.Module]) -> dict[str, inspect.Parameter]:
    """The parameters of a class and, as far as ``**kwargs`` hands them on, of its bases."""
    found: dict[str, inspect.Parameter] = {}
    for base in made_by.__mro__:
        if "__init__" not in vars(base):
            continue
        own = list(inspect.signature(base.__init__).parameters.values())[1:]  # type: ignore[misc]
        for parameter in own:
            named = parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
            if named and parameter.name not in _OBJECTS:
                keyword = parameter.replace(kind=parameter.KEYWORD_ONLY)
                found.setdefault(parameter.name, keyword)
        if not any(parameter.kind == parameter.VAR_KEYWORD for parameter in own):
            break
    return found


def _check(name: str, value: object, default: object) -> None:
    """See that a value is of its default's kind: PML takes anything, and fails in training."""
    if isinstance(default, bool):
        flag(name, value)
    elif isinstance(default, (int, float)):
        number(name, value, low=0 if "margin" in name and default >= 0 else -float("inf"))

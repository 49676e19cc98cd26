"""Ray Tune's schedulers that end or change poor trials: for exploring, never for a table.

What they do depends on what else ran beside it, so a cell that they had a hand in is marked as
pruned, is left out of tables, and is trained to its end by a sweep without a scheduler.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ray import tune
from ray.tune.schedulers import (
    ASHAScheduler,
    MedianStoppingRule,
    PopulationBasedTraining,
    TrialScheduler,
)

from lbray.errors import InputError
from lbray.spec import Cell
from lbray.sweep.population import LAMBDA, perturbation_interval

_RANKING = {"time_attr": "epochs", "metric": "val/acc", "mode": "max"}


def _asha(max_epochs: int) -> TrialScheduler:
    grace = max(1, max_epochs // 10)
    return ASHAScheduler(
        max_t=max_epochs,
        grace_period=grace,
        reduction_factor=3,
        stop_last_trials=False,  # who gets that far ends as without a scheduler
        **_RANKING,
    )


def _median(max_epochs: int) -> TrialScheduler:
    grace = max(1, max_epochs // 10)
    return MedianStoppingRule(grace_period=grace, min_samples_required=3, **_RANKING)


def _pbt(max_epochs: int) -> TrialScheduler:
    interval = perturbation_interval(max_epochs)
    return PopulationBasedTraining(
        perturbation_interval=interval,
        hyperparam_mutations={LAMBDA: tune.uniform(0.0, 1.0)},
        custom_explore_fn=_within_bounds,
        **_RANKING,
    )


def _within_bounds(config: dict[str, Any]) -> dict[str, Any]:
    return {**config, LAMBDA: min(1.0, max(0.0, config[LAMBDA]))}


PBT = "pbt"
_SCHEDULERS: dict[str, Callable[[int], TrialScheduler]] = {
    "asha": _asha,
    "median": _median,
    PBT: _pbt,
}

SCHEDULERS = tuple(_SCHEDULERS)


def scheduler(name: str, cells: Sequence[Cell], executor: str = "actor") -> TrialScheduler:
    """A scheduler that ranks cells by validation accuracy at equal epochs.

    ``asha`` keeps the better third at epochs 0.1, 0.3 and 0.9 times `max_epochs` (Li et al.
    2020); ``median`` ends what is below the median of the others' means (Golovin et al. 2017);
    ``pbt`` moves λ while it trains, see `lbray.sweep.population`.

    Args:
        name: one of `SCHEDULERS`.
        cells: those it will rank.
        executor: who runs them.

    Raises:
        InputError: the name is unknown, or the cells cannot be compared: they are in lanes, of
            several datasets, or not in actors; or, for ``pbt``, of several losses or backbones, or
            without a λ to move.
    """
    if name not in _SCHEDULERS:
        raise InputError.unknown("scheduler", name, SCHEDULERS)
    if executor != "actor":
        raise InputError(
            f"--scheduler is {name}, which ends single processes, but --executor is {executor}; "
            "it must be actor then, with a process per cell."
        )
    _check_alike(cells, name, "dataset", "ranks cells by accuracy")
    if name == PBT:
        _check_population(cells)
    return _SCHEDULERS[name](max((cell.max_epochs for cell in cells), default=1))


def _check_alike(cells: Sequence[Cell], name: str, field: str, does: str) -> None:
    values = sorted({str(getattr(cell, field)) for cell in cells})
    if len(values) > 1:
        several = f"{field}es" if field.endswith("s") else f"{field}s"
        raise InputError(
            f"--scheduler is {name}, which {does}, but the cells are of {len(values)} {several} "
            f"({', '.join(values)}); sweep one at a time, with --set {field}=NAME."
        )


def _check_population(cells: Sequence[Cell]) -> None:
    if any(cell.lambda_schedule == "learned" for cell in cells):
        raise InputError(
            f"--scheduler is {PBT}, which moves λ, but lambda_schedule is learned, by which the "
            "cells do that themselves; it must be another."
        )
    baselines = sum(cell.is_baseline for cell in cells)
    if baselines:
        raise InputError(
            f"--scheduler is {PBT}, which moves λ, but {baselines} of the cells are baselines, "
            "which have none; leave them out of the experiment."
        )
    for field in ("backbone", "loss"):
        _check_alike(cells, PBT, field, "copies what one cell has learned to another")

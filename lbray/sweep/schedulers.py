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
            several datasets or, for ``pbt``, of several backbones, without a λ to move, or not in
            actors.
    """
    if name not in _SCHEDULERS:
        raise InputError.unknown("scheduler", name, SCHEDULERS)
    if executor == "fused":
        raise InputError(
            f"--scheduler is {name}, which ends single cells, but --executor is fused, whose "
            "processes train several together; it must be actor then."
        )
    _check_alike(cells, name, "dataset", "ranks cells by accuracy")
    if name == PBT:
        _check_population(cells, executor)
    return _SCHEDULERS[name](max(cell.max_epochs for cell in cells))


def _check_alike(cells: Sequence[Cell], name: str, field: str, does: str) -> None:
    values = sorted({str(getattr(cell, field)) for cell in cells})
    if len(values) > 1:
        raise InputError(
            f"--scheduler is {name}, which {does}, but the cells are of {len(values)} {field}s "
            f"({', '.join(values)}); sweep one at a time, with --set {field}=NAME."
        )


def _check_population(cells: Sequence[Cell], executor: str) -> None:
    if executor != "actor":
        raise InputError(
            f"--scheduler is {PBT}, which needs a process per cell, but --executor is {executor}; "
            "it must be actor then, with one worker per cell."
        )
    _check_alike(cells, PBT, "backbone", "copies weights from cell to cell")
    baselines = sum(cell.is_baseline for cell in cells)
    if baselines:
        raise InputError(
            f"--scheduler is {PBT}, which moves λ, but {baselines} of the cells are baselines, "
            "which have none; leave them out of the experiment."
        )

"""Ray Tune's schedulers that end poor trials early: for exploring, never for a table.

What they end depends on what else ran beside it, so a cell that was ended is marked as pruned, is
left out of tables, and is continued to its end by a sweep without a scheduler.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ray.tune.schedulers import ASHAScheduler, MedianStoppingRule, TrialScheduler

from lbray.errors import InputError
from lbray.spec import Cell

_RANKING = {"time_attr": "epochs", "metric": "val/acc", "mode": "max"}


def _asha(max_epochs: int) -> TrialScheduler:
    grace = max(1, max_epochs // 10)
    return ASHAScheduler(max_t=max_epochs, grace_period=grace, reduction_factor=3, **_RANKING)


def _median(max_epochs: int) -> TrialScheduler:
    grace = max(1, max_epochs // 10)
    return MedianStoppingRule(grace_period=grace, min_samples_required=3, **_RANKING)


_SCHEDULERS: dict[str, Callable[[int], TrialScheduler]] = {"asha": _asha, "median": _median}

SCHEDULERS = tuple(_SCHEDULERS)


def scheduler(name: str, cells: Sequence[Cell]) -> TrialScheduler:
    """A scheduler that ranks cells by validation accuracy at equal epochs.

    ``asha`` keeps the better third at epochs 0.1, 0.3 and 0.9 times `max_epochs` (Li et al.
    2020); ``median`` ends what is below the median of the others' means (Golovin et al. 2017).

    Args:
        name: one of `SCHEDULERS`.
        cells: those it will rank.

    Raises:
        InputError: the name is unknown, or the cells are of several datasets.
    """
    if name not in _SCHEDULERS:
        raise InputError.unknown("scheduler", name, SCHEDULERS)
    datasets = sorted({cell.dataset for cell in cells})
    if len(datasets) > 1:
        raise InputError(
            f"--scheduler is {name}, which ranks cells by accuracy, but the cells are of "
            f"{len(datasets)} datasets ({', '.join(datasets)}); sweep one at a time, with "
            "--set dataset=NAME."
        )
    return _SCHEDULERS[name](max(cell.max_epochs for cell in cells))

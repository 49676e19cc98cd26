"""What a sweep will take, from what cells like its own took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean
from typing import Any, NamedTuple

from lbray.planning.placement import Placement
from lbray.planning.plan import Plan
from lbray.spec import Cell

_SAME_WORK = ("dataset", "backbone", "batch_size", "precision", "train_size", "test_size")
"""Cells that agree in these, and in the loss, take about the same time for an epoch."""
_Work = tuple[object, ...]


@dataclass(frozen=True)
class Estimate:
    """What the missing cells will take on one device each.

    Attributes:
        seconds: of all cells together, if each runs all the epochs that are expected.
        per_cell: the mean of them; None if there is nothing to run.
        kinds: how many kinds of cells there are: such as agree in dataset, backbone, sizes,
            precision and loss.
        stored: for how many of them finished cells tell the rate.
        by_baselines: for how many of these only baselines do, so that it will rather be more.
    """

    seconds: float
    per_cell: float | None
    kinds: int
    stored: int
    by_baselines: int


def estimate(
    plan: Plan,
    placement: Placement,
    measure: Callable[[Cell], float] | None,
    *,
    abroad: bool = False,
) -> Estimate | None:
    """Sum up what the missing cells will take.

    Finished cells tell the seconds of an epoch, and how many epochs come before early stopping:
    those of the same loss, else those of other distance losses on the same images and network. Else
    the rate is measured, once for all losses, and `max_epochs` counts; or, where it cannot be,
    baselines tell it.

    Args:
        plan: the cells, and the results that there are.
        placement: who will run them; finished cells of a CPU tell nothing of a GPU, nor of another
            number of threads.
        measure: the seconds of one epoch of a cell on one device of this machine; None where it
            has no such device.
        abroad: where no cell of a kind was trained on such a device, those of GPUs tell the rate:
            so the sweep of a cluster is priced on a laptop.

    Returns:
        The estimate; None where a kind of cells would have to be measured and cannot.
    """
    near = _told(plan, placement)
    far = _told(plan, replace(placement, device="cuda")) if abroad else {}
    seconds, kinds, stored, by_baselines = 0.0, 0, 0, 0
    for work, cells in _by_work(plan.missing).items():
        alike = near.get(work) or far.get(work, [])
        of_distances = [told for told in alike if not told.cell.is_baseline]
        measured: float | None = None
        for loss, epochs in _epochs_by_loss(cells).items():
            kinds += 1
            best = [told for told in alike if told.cell.loss == loss] or of_distances
            if best:
                stored += 1
                per_epoch = _per_epoch(best)
            elif measure is not None:
                measured = per_epoch = measured or measure(_slowest(cells))
            elif alike:
                stored, by_baselines = stored + 1, by_baselines + 1
                per_epoch = _per_epoch(alike)
            else:
                return None
            seconds += per_epoch * epochs
    per_cell = seconds / len(plan.missing) if plan.missing else None
    return Estimate(seconds, per_cell, kinds, stored, by_baselines)


class _Told(NamedTuple):
    """A finished cell, the epochs that it ran and the seconds that they took."""

    cell: Cell
    epochs: float
    seconds: float


def _told(plan: Plan, placement: Placement) -> dict[_Work, list[_Told]]:
    """What finished cells tell of such a placement: those that had one device to themselves, a GPU
    or as many cores as those that are to run will have."""
    told: dict[_Work, list[_Told]] = {}
    for cell in plan.done:
        result = plan.results[cell.id]
        epochs, seconds = (result.metrics.get(name) for name in ("epochs/stopped", "time/train_s"))
        if epochs and seconds and _alike(result.provenance, placement):
            told.setdefault(_work(cell), []).append(_Told(cell, epochs, seconds))
    return told


def _alike(how: Mapping[str, Any], placement: Placement) -> bool:
    alone = how.get("workers", 1) == how.get("lanes", 1) == 1
    on_cpu = how.get("device", placement.device) == "cpu"
    same_cores = how.get("threads", placement.threads) == placement.threads
    return alone and on_cpu == (placement.device == "cpu") and (same_cores or not on_cpu)


def _work(cell: Cell) -> _Work:
    return tuple(getattr(cell, name) for name in _SAME_WORK)


def _by_work(cells: Iterable[Cell]) -> dict[_Work, list[Cell]]:
    grouped: dict[_Work, list[Cell]] = {}
    for cell in cells:
        grouped.setdefault(_work(cell), []).append(cell)
    return grouped


def _epochs_by_loss(cells: Iterable[Cell]) -> Counter[str]:
    """How many epochs the cells of each loss may run, all together."""
    epochs: Counter[str] = Counter()
    for cell in cells:
        epochs[cell.loss] += cell.max_epochs
    return epochs


def _slowest(cells: Sequence[Cell]) -> Cell:
    """A cell with a distance loss, if there is one."""
    return next((cell for cell in cells if not cell.is_baseline), cells[0])


def _per_epoch(told: Sequence[_Told]) -> float:
    """Seconds per epoch that a cell may run, of which early stopping leaves a part."""
    return mean(each.seconds / each.epochs for each in told) * mean(
        each.epochs / each.cell.max_epochs for each in told
    )

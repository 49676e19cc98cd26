"""What a sweep will take, from what cells like its own took."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import mean

from lbray.planning.placement import Placement
from lbray.planning.plan import Plan
from lbray.spec import Cell
from lbray.store import Result

_SAME_WORK = ("dataset", "backbone", "batch_size", "precision", "train_size", "test_size")
"""Cells that agree in these, and in the loss, take about the same time for an epoch."""


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
    kinds: dict[tuple[object, ...], list[Cell]] = {}
    for cell in plan.missing:
        kinds.setdefault((*_work(cell), cell.loss), []).append(cell)
    near = [cell for cell in plan.done if _tells(plan.results[cell.id], placement)]
    on_gpus = replace(placement, device="cuda")
    far = [cell for cell in plan.done if abroad and _tells(plan.results[cell.id], on_gpus)]
    measured: dict[tuple[object, ...], float] = {}
    seconds, stored, by_baselines = 0.0, 0, 0
    for (*of_work, loss), cells in kinds.items():
        work = tuple(of_work)
        alike = _of(work, near) or _of(work, far)
        same = [cell for cell in alike if cell.loss == loss]
        best = same or [cell for cell in alike if not cell.is_baseline]
        if best:
            stored += 1
            per_epoch, share = _rate(best, plan)
        elif measure is not None:
            if work not in measured:
                measured[work] = measure(_slowest(work, plan.missing))
            per_epoch, share = measured[work], 1.0
        elif alike:
            stored, by_baselines = stored + 1, by_baselines + 1
            per_epoch, share = _rate(alike, plan)
        else:
            return None
        seconds += sum(per_epoch * share * cell.max_epochs for cell in cells)
    per_cell = seconds / len(plan.missing) if plan.missing else None
    return Estimate(seconds, per_cell, len(kinds), stored, by_baselines)


def _work(cell: Cell) -> tuple[object, ...]:
    return tuple(getattr(cell, name) for name in _SAME_WORK)


def _of(work: tuple[object, ...], cells: Sequence[Cell]) -> list[Cell]:
    return [cell for cell in cells if _work(cell) == work]


def _slowest(work: tuple[object, ...], cells: Sequence[Cell]) -> Cell:
    """A cell with a distance loss, if there is one."""
    same = _of(work, cells)
    return next((cell for cell in same if not cell.is_baseline), same[0])


def _tells(result: Result, placement: Placement) -> bool:
    """Whether a cell had one device to itself: a GPU, or as many cores, as those that are to run
    will have."""
    how, metrics = result.provenance, result.metrics
    alone = how.get("workers", 1) == how.get("lanes", 1) == 1
    on_cpu = how.get("device", placement.device) == "cpu"
    alike = on_cpu == (placement.device == "cpu") and (
        not on_cpu or how.get("threads", placement.threads) == placement.threads
    )
    return bool(alone and alike and metrics.get("epochs/stopped") and metrics.get("time/train_s"))


def _rate(cells: Sequence[Cell], plan: Plan) -> tuple[float, float]:
    """Seconds per epoch, and the share of `max_epochs` that were run."""
    rates, shares = [], []
    for cell in cells:
        metrics = plan.results[cell.id].metrics
        epochs, seconds = metrics["epochs/stopped"] or 1, metrics["time/train_s"] or 0.0
        rates.append(seconds / epochs)
        shares.append(epochs / cell.max_epochs)
    return mean(rates), mean(shares)

"""What a sweep will take, from what cells like its own took."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean

from lbray.planning.plan import Plan
from lbray.spec import Cell

_SAME_WORK = ("dataset", "backbone", "batch_size", "precision", "train_size", "test_size")
"""Cells that agree in these take about the same time for an epoch."""


@dataclass(frozen=True)
class Estimate:
    """What the missing cells will take on one device each.

    Attributes:
        seconds: of all cells together, if each runs all the epochs that are expected.
        per_cell: the mean of them; None if there is nothing to run.
        kinds: how many kinds of cells there are, each with a rate of its own.
        stored: for how many of them finished cells tell the rate.
    """

    seconds: float
    per_cell: float | None
    kinds: int
    stored: int


def estimate(plan: Plan, measure: Callable[[Cell], float] | None) -> Estimate | None:
    """Sum up what the missing cells will take.

    A finished cell of the same dataset, backbone and batch tells the seconds of an epoch, and how
    many epochs come before early stopping; else the rate is measured, and `max_epochs` counts.

    Args:
        plan: the cells, and the results that there are.
        measure: the seconds of one epoch of a cell on one device of this machine; None where it
            has no such device.

    Returns:
        The estimate; None where a kind of cells would have to be measured and cannot.
    """
    kinds: dict[tuple[object, ...], list[Cell]] = {}
    for cell in plan.missing:
        kinds.setdefault(_kind(cell), []).append(cell)
    seconds, stored = 0.0, 0
    for kind, cells in kinds.items():
        finished = [cell for cell in plan.done if _kind(cell) == kind]
        per_epoch, share = _stored(finished, plan)
        if per_epoch is None:
            if measure is None:
                return None
            slowest = next((cell for cell in cells if not cell.is_baseline), cells[0])
            per_epoch, share = measure(slowest), 1.0
        else:
            stored += 1
        seconds += sum(per_epoch * share * cell.max_epochs for cell in cells)
    per_cell = seconds / len(plan.missing) if plan.missing else None
    return Estimate(seconds, per_cell, len(kinds), stored)


def _kind(cell: Cell) -> tuple[object, ...]:
    return tuple(getattr(cell, name) for name in _SAME_WORK)


def _stored(cells: Sequence[Cell], plan: Plan) -> tuple[float | None, float]:
    """Seconds per epoch, and the share of `max_epochs` that were run; None if nothing tells."""
    rates, shares = [], []
    for cell in cells:
        result = plan.results[cell.id]
        epochs, seconds = (result.metrics.get(k) for k in ("epochs/stopped", "time/train_s"))
        alone = all(result.provenance.get(kind, 1) == 1 for kind in ("workers", "lanes"))
        if epochs and seconds and alone:
            rates.append(seconds / epochs)
            shares.append(epochs / cell.max_epochs)
    return (mean(rates), mean(shares)) if rates else (None, 1.0)

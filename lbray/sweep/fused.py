"""Executor ``fused``: a process that trains several cells together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ray import tune

from lbray.spec import Cell
from lbray.sweep.cores import settle
from lbray.sweep.trial import ONE_BY_ONE, Task, cells_of, claimed, told
from lbray.training import run_cells


def train(config: Mapping[str, Any], task: Task, groups: Sequence[str]) -> None:
    """A Tune trainable: train the cells of the trial in lanes, in their order.

    Those that a process died under come first, one by one, so that it shows whose fault that was.
    """
    reporter = _Tune()
    unended = []
    for cell in cells_of(config, groups):
        if task.store.final_result(cell.id):
            reporter.ended(cell)
        else:
            unended.append(cell)
    cells = claimed(unended, task)
    placement = task.placement
    settle(placement)
    apart = config.get(ONE_BY_ONE, ())
    suspected = [cell for cell in cells if cell.id in apart]
    others = [cell for cell in cells if cell.id not in apart]
    for these, lanes in ((suspected, 1), (others, placement.lanes)):
        run_cells(
            these,
            task.store,
            lanes=lanes,
            data_root=task.root,
            device=placement.device,
            reporter=reporter,
            claims=task.claims,
        )


class _Tune:
    """Passes each epoch and each end on to Tune."""

    def epoch(self, cell: Cell, metrics: Mapping[str, Any]) -> bool:
        tune.report(told(cell, metrics))
        return False

    def ended(self, cell: Cell) -> None:
        tune.report({"cell": cell.id, "ended": True})

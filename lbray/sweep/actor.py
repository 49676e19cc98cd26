"""Executor ``actor``: a process of its own for each cell, which then takes the next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ray import tune

from lbray.spec import Cell
from lbray.sweep.cores import settle
from lbray.sweep.trial import Task, cells_of, claimed, told
from lbray.training import run_cell


def train(config: Mapping[str, Any], task: Task, groups: Sequence[str]) -> None:
    """A Tune trainable: train the one cell of the trial."""
    (cell,) = cells_of(config, groups)
    if not claimed([cell], task):
        return
    placement = task.placement
    settle(placement)
    run_cell(
        cell,
        task.store,
        data_root=task.root,
        device=placement.device,
        executor="actor",
        reporter=_Tune(cell),
        claims=task.claims,
    )


class _Tune:
    """Passes each epoch on to Tune, which may end the trial there."""

    def __init__(self, cell: Cell) -> None:
        self._cell = cell

    def epoch(self, metrics: Mapping[str, Any]) -> bool:
        tune.report(told(self._cell, metrics))
        return False

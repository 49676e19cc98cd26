"""How a sweep stands: what is running, what came out, how long it will take."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lbray.planning import Plan
from lbray.spec import Cell
from lbray.store import Result


@dataclass
class Board:
    """The state of a running sweep, kept by the driver.

    Attributes:
        total: cells of the experiment.
        at_once: cells that can run at the same time.
        done: how many have a result, from earlier sweeps too.
        failed: how many failed.
        running: cells that are being trained, with their last epoch's metrics.
        best: per loss, the best validation accuracy so far and the cell that has it.
    """

    total: int
    at_once: int
    done: int = 0
    failed: int = 0
    running: dict[str, tuple[Cell, dict[str, Any]]] = field(default_factory=dict)
    best: dict[str, tuple[float, Cell]] = field(default_factory=dict)
    _seconds: list[float] = field(default_factory=list)
    _started: dict[str, float] = field(default_factory=dict)
    _clock: Callable[[], float] = time.monotonic

    @classmethod
    def of(cls, plan: Plan, at_once: int) -> Board:
        """The board of a sweep that is about to begin."""
        board = cls(total=len(plan.cells), at_once=at_once)
        for cell in plan.done:
            board._count(cell, plan.results[cell.id])
        board.failed = len(plan.failed)
        return board

    def start(self, cell: Cell) -> None:
        """A cell began, or continues."""
        self.running[cell.id] = (cell, {})
        self._started.setdefault(cell.id, self._clock())

    def epoch(self, cell: Cell, metrics: dict[str, Any]) -> None:
        """A cell finished an epoch."""
        self.running[cell.id] = (cell, metrics)

    def finish(self, cell: Cell, result: Result) -> float:
        """A cell has its result; returns the seconds since it began here."""
        self.running.pop(cell.id, None)
        seconds = self._clock() - self._started.pop(cell.id, self._clock())
        if result.done:
            self._seconds.append(seconds)
            self._count(cell, result)
        else:
            self.failed += 1
        return seconds

    def seconds_left(self) -> float | None:
        """An estimate from the cells that are finished, or from epochs before the first is; None
        before the first epoch. Early stopping makes it an upper bound as a rule."""
        waiting = self.total - self.done - self.failed - len(self.running)
        epochs = [(cell, m) for cell, m in self.running.values() if m]
        if self._seconds:
            per_cell = sum(self._seconds) / len(self._seconds)
        elif epochs:
            per_cell = max(m["time/epoch_s"] * cell.max_epochs for cell, m in epochs)
        else:
            return None
        under_way = sum(
            max(0.0, per_cell - (self._clock() - self._started[cell_id]))
            for cell_id in self.running
        )
        return (waiting * per_cell + under_way) / self.at_once

    def _count(self, cell: Cell, result: Result) -> None:
        self.done += 1
        accuracy = result.metrics.get("val/acc")
        if accuracy is not None and accuracy > self.best.get(cell.loss_label, (-1.0, cell))[0]:
            self.best[cell.loss_label] = (accuracy, cell)

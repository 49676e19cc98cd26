"""What happens in a sweep: each event is stored, put on the board and shown, in this one place."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from lbray.monitor import Board, Display
from lbray.monitor.board import Best
from lbray.planning import Placement, Plan
from lbray.spec import Cell
from lbray.store import EventLog, Result

_EPOCHS_EVERY_S = 2.0
_SHOWN = ("train/loss", "val/acc", "time/epoch_s")


class Journal:
    """Writes the events of one sweep, from which `Board` can be told again by anyone.

    Args:
        log: where the events go.
        board: follows the events.
        display: shows them.
        sweep: the sweep's id, which all its events have.
    """

    def __init__(self, log: EventLog, board: Board, display: Display, sweep: str) -> None:
        self._log = log
        self._sweep = sweep
        self._board = board
        self._display = display
        self._began: dict[str, float] = {}
        self._told: dict[str, float] = {}

    def sweep_started(self, plan: Plan, placement: Placement, others: Sequence[str]) -> None:
        """What there is to do, what is there already, who does it, and which other sweeps live."""
        results = plan.results
        best: dict[str, Best] = {}
        for cell in plan.done:
            accuracy = results[cell.id].metrics.get("val/acc") or 0.0
            known = best.get(cell.loss_label)
            if known is None or accuracy > known.accuracy:
                best[cell.loss_label] = Best(accuracy, cell.lam, cell.seed)
        self._record(
            "sweep_started",
            executor=placement.executor,
            at_once=placement.cells_at_once,
            others=list(others),
            cells=[cell.id for cell in plan.cells],
            done={cell.id: None for cell in plan.done},
            failed={cell.id: results[cell.id].reason for cell in plan.failed},
            pruned={cell.id: results[cell.id].reason for cell in plan.pruned},
            best={loss: asdict(each) for loss, each in best.items()},
        )

    def sweep_ended(self, interrupted: bool) -> None:
        """No cell of this sweep runs any more."""
        self._record("sweep_interrupted" if interrupted else "sweep_finished")
        self._log.flush()

    def cell_started(self, cell: Cell) -> None:
        """A cell began, or continues."""
        self._began.setdefault(cell.id, time.monotonic())
        self._record("cell_started", **_who(cell), max_epochs=cell.max_epochs)

    def epoch(self, cell: Cell, metrics: Mapping[str, Any]) -> None:
        """A cell finished an epoch; of several in a few seconds, the first is told."""
        now = time.monotonic()
        if now - self._told.get(cell.id, -_EPOCHS_EVERY_S) < _EPOCHS_EVERY_S:
            return
        self._told[cell.id] = now
        shown = {name: metrics[name] for name in _SHOWN}
        self._record(
            "epoch",
            **_who(cell),
            max_epochs=cell.max_epochs,
            epochs=metrics["epoch"] + 1,
            metrics=shown,
        )

    def cell_held(self, cell: Cell, holder: str) -> None:
        """Another sweep is running a cell."""
        self._began.pop(cell.id, None)
        self._record("cell_held", **_who(cell), holder=holder)

    def cell_ended(self, cell: Cell, result: Result) -> None:
        """A cell has its result."""
        seconds = time.monotonic() - self._began.pop(cell.id, time.monotonic())
        self._told.pop(cell.id, None)
        self._record(
            f"cell_{result.status}",
            **_who(cell),
            seconds=seconds,
            reason=result.reason,
            metrics=result.metrics,
        )

    def _record(self, kind: str, **details: Any) -> None:
        event = self._log.append(kind, sweep=self._sweep, **details)
        self._board.apply(event)
        self._display.show(event)


def _who(cell: Cell) -> dict[str, Any]:
    return {
        "cell": cell.id,
        "label": cell.label,
        "loss": cell.loss_label,
        "lambda": cell.lam,
        "seed": cell.seed,
    }

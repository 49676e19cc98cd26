"""The board for people: live in a terminal, plain lines anywhere else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lbray.monitor.board import OUTCOMES, Board


class Display:
    """Shows a board while a ``with`` block runs.

    Args:
        board: what to show.
        console: where to.
    """

    def __init__(self, board: Board, console: Console) -> None:
        self._board = board
        self._console = console
        self._live = Live(console=console, transient=True, auto_refresh=False)

    def __enter__(self) -> Display:
        if self._console.is_terminal:
            self._live.start()
            self.refresh()
        return self

    def __exit__(self, *_: object) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def show(self, event: Mapping[str, Any]) -> None:
        """The board after an event, where it can be shown in place; a line for a cell that ended
        or that another sweep holds."""
        line = self._line(event)
        if line is not None:
            self._console.print(line, highlight=False, markup=False, soft_wrap=True)
        self.refresh()

    def refresh(self) -> None:
        """Show the board as it is now, where it can be shown in place."""
        if self._console.is_terminal:
            tables = [table for table in (self._running(), self._best()) if table.row_count]
            self._live.update(Group(Text(headline(self._board)), *tables), refresh=True)

    def _line(self, event: Mapping[str, Any]) -> str | None:
        kind = event["event"].removeprefix("cell_")
        if kind == "held":
            outcome = f"is being run by another sweep ({event['holder']})"
        elif kind == "done":
            metrics = event["metrics"]
            outcome = (
                f"best validation {metrics['val/acc'] or 0:.2%} at epoch "
                f"{metrics['epochs/best']:.0f} of {metrics['epochs/stopped']:.0f}, "
                f"{duration(event['seconds'])}"
            )
        elif kind in OUTCOMES:
            outcome = f"{kind.upper()}: {event['reason']}"
        else:
            return None
        count = f"[{self._board.finished}/{len(self._board.cells)}]"
        left = "" if self._console.is_terminal else f"; {_left(self._board)}"
        return f"{count} {event['label']}: {outcome}{left}"

    def _running(self) -> Table:
        table = Table("running", "epoch", "loss", "validation", box=None, header_style="dim")
        for run in self._board.running.values():
            if run.metrics:
                table.add_row(
                    run.label,
                    f"{run.epochs}/{run.max_epochs}",
                    f"{run.metrics['train/loss']:.4g}",
                    f"{run.metrics['val/acc']:.2%}",
                )
            else:
                table.add_row(run.label, "starting", "", "")
        return table

    def _best(self) -> Table:
        table = Table("best so far", "λ", "seed", "validation", box=None, header_style="dim")
        for loss, best in sorted(self._board.best.items()):
            table.add_row(loss, f"{best.lam:g}", str(best.seed), f"{best.accuracy:.2%}")
        return table


def headline(board: Board) -> str:
    """How a sweep stands, in a line."""
    counts = {status: len(cells) for status, cells in board.outcomes.items()}
    parts = [f"{counts['done']} of {len(board.cells)} cells done", f"{len(board.running)} running"]
    parts += [f"{counts[status]} {status}" for status in ("failed", "pruned") if counts[status]]
    end = _left(board) if board.state == "running" else board.state
    return f"{', '.join(parts)}; {end}"


def duration(seconds: float) -> str:
    """Seconds as people say them."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _left(board: Board) -> str:
    seconds = board.seconds_left()
    if seconds is None:
        return "time left unknown yet"
    return f"about {duration(seconds)} left" if seconds >= 1 else "nearly done"

"""The board for people: live in a terminal, plain lines anywhere else. All of it on stderr."""

from __future__ import annotations

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from lbray.spec import Cell
from lbray.store import Result
from lbray.sweep.board import Board


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

    def refresh(self) -> None:
        """Show the board as it is now, where it can be shown in place."""
        if self._console.is_terminal:
            tables = [table for table in (self._running(), self._best()) if table.row_count]
            self._live.update(Group(Text(self._headline()), *tables), refresh=True)

    def finished(self, cell: Cell, result: Result, seconds: float) -> None:
        """One line for a cell that has its result."""
        count = f"[{self._board.done + self._board.failed}/{self._board.total}]"
        if result.done:
            outcome = (
                f"validation {result.metrics['val/acc'] or 0:.2%} at epoch "
                f"{result.metrics['epochs/best']:.0f} of {result.metrics['epochs/stopped']:.0f}, "
                f"{_duration(seconds)}"
            )
        else:
            outcome = f"FAILED: {result.reason}"
        left = "" if self._console.is_terminal else f"; {self._left()}"
        self._console.print(
            f"{count} {cell.label}: {outcome}{left}", highlight=False, markup=False, soft_wrap=True
        )
        self.refresh()

    def _headline(self) -> str:
        board = self._board
        return (
            f"{board.done} of {board.total} cells done, {len(board.running)} running, "
            f"{board.failed} failed; {self._left()}"
        )

    def _left(self) -> str:
        seconds = self._board.seconds_left()
        return "time left unknown yet" if seconds is None else f"about {_duration(seconds)} left"

    def _running(self) -> Table:
        table = Table("running", "epoch", "loss", "validation", box=None, header_style="dim")
        for cell, metrics in self._board.running.values():
            if metrics:
                table.add_row(
                    cell.label,
                    f"{metrics['epoch'] + 1}/{cell.max_epochs}",
                    f"{metrics['train/loss']:.4g}",
                    f"{metrics['val/acc']:.2%}",
                )
            else:
                table.add_row(cell.label, "starting", "", "")
        return table

    def _best(self) -> Table:
        table = Table("best so far", "λ", "seed", "validation", box=None, header_style="dim")
        for loss, (accuracy, cell) in sorted(self._board.best.items()):
            table.add_row(loss, f"{cell.lam:g}", str(cell.seed), f"{accuracy:.2%}")
        return table


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"

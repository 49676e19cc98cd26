"""What a sweep has to do, and what is there already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lbray.spec import Cell
from lbray.store import Result, Store


@dataclass(frozen=True)
class Plan:
    """An experiment's cells by what a sweep will do with them.

    Attributes:
        missing: cells without a result; they are to run.
        done: cells with a result, which stay as they are.
        failed: cells that are recorded as failed, which stay so unless they are to be retried.
        results: the results of `done` and `failed`, by id.
    """

    missing: tuple[Cell, ...]
    done: tuple[Cell, ...]
    failed: tuple[Cell, ...]
    results: dict[str, Result]

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All cells of the experiment."""
        return self.missing + self.done + self.failed


def plan(cells: Sequence[Cell], store: Store, *, retry_failed: bool = False) -> Plan:
    """Sort cells by what the store holds of them.

    A result that cannot be read counts as none: its cell runs again.
    """
    found = {cell.id: store.result(cell.id) for cell in cells}
    results = {
        cell_id: result
        for cell_id, result in found.items()
        if result is not None and (result.done or not retry_failed)
    }
    return Plan(
        missing=tuple(cell for cell in cells if cell.id not in results),
        done=tuple(cell for cell in cells if cell.id in results and results[cell.id].done),
        failed=tuple(cell for cell in cells if cell.id in results and not results[cell.id].done),
        results=results,
    )

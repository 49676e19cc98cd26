"""What a sweep has to do, and what is there already."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lbray import losses
from lbray.spec import Cell
from lbray.store import Result, Store


@dataclass(frozen=True)
class Plan:
    """An experiment's cells by what a sweep will do with them.

    Attributes:
        missing: cells without a result; they are to run.
        done: cells with a result, which stay as they are.
        failed: cells that are recorded as failed, which stay so unless they are to be retried.
        pruned: cells that a scheduler ended, which stay so if this sweep has one too.
        results: the results of all but `missing`, by id.
        outdated: those of `done` whose loss is in a file that has changed since. They count as
            done: an id holds the loss's name and parameters, not its code.
    """

    missing: tuple[Cell, ...]
    done: tuple[Cell, ...]
    failed: tuple[Cell, ...]
    pruned: tuple[Cell, ...]
    results: dict[str, Result]
    outdated: tuple[Cell, ...] = ()

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All cells of the experiment."""
        return self.missing + self.done + self.failed + self.pruned


def plan(
    cells: Sequence[Cell], store: Store, *, retry_failed: bool = False, keep_pruned: bool = False
) -> Plan:
    """Sort cells by what the store holds of them.

    A result that cannot be read counts as none: its cell runs again. So does a failure of a loss
    whose file has changed since.

    Args:
        cells: the experiment's.
        store: where results are.
        retry_failed: failed cells are to run again.
        keep_pruned: pruned cells are not to be continued.
    """
    final = ["done"]
    if not retry_failed:
        final.append("failed")
    if keep_pruned:
        final.append("pruned")
    results = {}
    for cell in cells:
        result = store.result(cell.id)
        if result is None or result.status not in final:
            continue
        if result.status == "failed" and _is_outdated(cell, result):
            continue
        results[cell.id] = result

    def of(status: str) -> tuple[Cell, ...]:
        return tuple(c for c in cells if c.id in results and results[c.id].status == status)

    missing = tuple(cell for cell in cells if cell.id not in results)
    outdated = tuple(cell for cell in of("done") if _is_outdated(cell, results[cell.id]))
    return Plan(missing, of("done"), of("failed"), of("pruned"), results, outdated)


def reopen_failed(cells: Sequence[Cell], store: Store) -> None:
    """Forget the failures of cells that are to be tried again."""
    for cell in cells:
        result = store.result(cell.id)
        if result is not None and result.status == "failed":
            store.cell(cell.id).reopen()


def _is_outdated(cell: Cell, result: Result) -> bool:
    trained_with = result.provenance.get("loss_code")
    return trained_with is not None and trained_with != losses.code_digest(cell.loss)

"""What a sweep has to do, and what is there already."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from lbray import backbones, losses
from lbray.spec import Cell
from lbray.store import Result, Store


@dataclass(frozen=True)
class Plan:
    """An experiment's cells by what a sweep will do with them.

    Attributes:
        cells: all of the experiment, in its order.
        missing: cells without a result; they are to run.
        done: cells with a result, which stay as they are.
        failed: cells that are recorded as failed, which stay so unless they are to be retried.
        pruned: cells that a scheduler ended, which stay so if this sweep has one too.
        results: the results of all but `missing`, by id.
        outdated: by id those of `done` whose loss or backbone is in a file that has changed since,
            with its name. They count as done: an id holds names and parameters, not code.
        retried: ids of those of `missing` that are recorded as failed.
    """

    cells: tuple[Cell, ...]
    missing: tuple[Cell, ...]
    done: tuple[Cell, ...]
    failed: tuple[Cell, ...]
    pruned: tuple[Cell, ...]
    results: dict[str, Result]
    outdated: dict[str, list[str]]
    retried: frozenset[str]

    def first(self, count: int | None) -> Plan:
        """The same with so many of the missing cells alone; with all of them if None."""
        return replace(self, missing=self.missing[:count])


def plan(
    cells: Sequence[Cell], store: Store, *, retry_failed: bool = False, keep_pruned: bool = False
) -> Plan:
    """Sort cells by what the store holds of them.

    A result that cannot be read counts as none: its cell runs again. So does a failure of a loss
    or backbone whose file has changed since.

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
    results, retried = {}, set()
    for cell, result in zip(cells, store.results([cell.id for cell in cells]), strict=True):
        if result is None:
            continue
        failed = result.status == "failed"
        if result.status in final and not (failed and _changed(cell, result)):
            results[cell.id] = result
        elif failed:
            retried.add(cell.id)

    def of(status: str) -> tuple[Cell, ...]:
        return tuple(c for c in cells if c.id in results and results[c.id].status == status)

    missing = tuple(cell for cell in cells if cell.id not in results)
    changed = {cell.id: _changed(cell, results[cell.id]) for cell in of("done")}
    outdated = {cell: names for cell, names in changed.items() if names}
    return Plan(
        tuple(cells),
        missing,
        of("done"),
        of("failed"),
        of("pruned"),
        results,
        outdated,
        frozenset(retried),
    )


def reopen(cells: Iterable[Cell], plan: Plan, store: Store) -> None:
    """Forget the failures of cells that a plan has to be tried again, as far as they are failures
    still."""
    for cell in cells:
        result = store.result(cell.id) if cell.id in plan.retried else None
        if result is not None and result.status == "failed":
            store.cell(cell.id).reopen()


def _changed(cell: Cell, result: Result) -> list[str]:
    """The loss or the backbone, where it is in a file that is not as it was in training."""
    digests = {
        cell.loss: (result.provenance.get("loss_code"), losses.code_digest),
        cell.backbone: (result.provenance.get("backbone_code"), backbones.code_digest),
    }
    return [
        name
        for name, (trained_with, digest) in digests.items()
        if trained_with is not None and trained_with != digest(name)
    ]

from __future__ import annotations

from small_cells import small_cell

from lbray.planning import plan, reopen
from lbray.store import Result, Store

CELLS = [small_cell(seed=seed) for seed in range(4)]


def end(store: Store, number: int, status: str) -> None:
    cell = CELLS[number]
    store.cell(cell.id).begin(cell)
    store.cell(cell.id).finish(Result(id=cell.id, status=status))


def test_cells_keep_the_order_of_the_experiment_whatever_has_ended(store: Store):
    end(store, 0, "done")
    end(store, 1, "failed")
    end(store, 2, "pruned")
    found = plan(CELLS, store)
    assert found.cells == tuple(CELLS)
    assert [cell.seed for cell in found.missing] == [2, 3]


def test_only_failures_that_were_seen_are_forgotten(store: Store):
    end(store, 0, "failed")
    seen = plan(CELLS, store, retry_failed=True)
    assert seen.missing == tuple(CELLS)
    end(store, 1, "failed")  # by another sweep, meanwhile
    reopen(seen.missing, seen, store)
    assert store.result(CELLS[0].id) is None
    assert store.result(CELLS[1].id).status == "failed"


def test_what_another_sweep_has_retried_meanwhile_is_not_forgotten(store: Store):
    end(store, 0, "failed")
    seen = plan(CELLS, store, retry_failed=True)
    end(store, 0, "done")
    reopen(seen.missing, seen, store)
    assert store.result(CELLS[0].id).status == "done"

from __future__ import annotations

from small_cells import small_cell

from lbray.planning import estimate, plan
from lbray.store import Result, Store


def finish(store: Store, cell, epochs: int, seconds: float, workers: int = 1) -> None:
    metrics = {"val/acc": 0.5, "epochs/stopped": epochs, "time/train_s": seconds}
    provenance = {"workers": workers}
    store.cell(cell.id).finish(
        Result(id=cell.id, status="done", metrics=metrics, provenance=provenance)
    )


def test_without_finished_cells_every_kind_is_measured_once_and_all_epochs_count(store: Store):
    cells = [small_cell(seed=seed, max_epochs=10) for seed in range(4)]
    cells += [small_cell(seed=seed, max_epochs=10, batch_size=64) for seed in range(2)]
    asked = []

    def measure(cell) -> float:
        asked.append(cell)
        return 2.0 if cell.batch_size == 128 else 3.0

    found = estimate(plan(cells, store), measure)
    assert (found.seconds, found.per_cell) == (4 * 20 + 2 * 30, (4 * 20 + 2 * 30) / 6)
    assert (found.kinds, found.stored, len(asked)) == (2, 0, 2)


def test_finished_cells_tell_the_rate_and_the_epochs_before_early_stopping(store: Store):
    cells = [small_cell(seed=seed, max_epochs=10) for seed in range(4)]
    finish(store, cells[0], epochs=5, seconds=10.0)
    finish(store, cells[1], epochs=10, seconds=40.0)
    found = estimate(plan(cells, store), lambda cell: 1 / 0)
    assert found.per_cell == 3.0 * 7.5
    assert (found.kinds, found.stored) == (1, 1)


def test_what_a_group_took_says_nothing_of_one_device(store: Store):
    cells = [small_cell(seed=seed, max_epochs=10) for seed in range(2)]
    finish(store, cells[0], epochs=10, seconds=1.0, workers=2)
    assert estimate(plan(cells, store), lambda cell: 5.0).per_cell == 50.0


def test_with_nothing_to_run_there_is_nothing_to_estimate(store: Store):
    assert estimate(plan([], store), lambda cell: 1.0).per_cell is None


def test_where_nothing_can_be_measured_only_finished_cells_tell(store: Store):
    cells = [small_cell(seed=seed, max_epochs=10) for seed in range(3)]
    assert estimate(plan(cells, store), None) is None
    finish(store, cells[0], epochs=10, seconds=20.0)
    assert estimate(plan(cells, store), None).per_cell == 20.0

from __future__ import annotations

import pytest
from small_cells import small_cell

from lbray.planning import Placement, estimate, plan
from lbray.store import Result, Store

ON_CPU = Placement("actor", "cpu", 2)


def finish(store: Store, cell, epochs: int, seconds: float, **provenance: object) -> None:
    metrics = {"val/acc": 0.5, "epochs/stopped": epochs, "time/train_s": seconds}
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

    found = estimate(plan(cells, store), ON_CPU, measure)
    assert (found.seconds, found.per_cell) == (4 * 20 + 2 * 30, (4 * 20 + 2 * 30) / 6)
    assert (found.kinds, found.stored, len(asked)) == (2, 0, 2)


def test_finished_cells_tell_the_rate_and_the_epochs_before_early_stopping(store: Store):
    cells = [small_cell(seed=seed, max_epochs=10) for seed in range(4)]
    finish(store, cells[0], epochs=5, seconds=10.0)
    finish(store, cells[1], epochs=10, seconds=40.0)
    found = estimate(plan(cells, store), ON_CPU, lambda cell: 1 / 0)
    assert found.per_cell == 3.0 * 7.5
    assert (found.kinds, found.stored) == (1, 1)


def test_what_a_group_took_says_nothing_of_one_device(store: Store):
    cells = [small_cell(seed=seed, max_epochs=10) for seed in range(2)]
    finish(store, cells[0], epochs=10, seconds=1.0, workers=2)
    assert estimate(plan(cells, store), ON_CPU, lambda cell: 5.0).per_cell == 50.0


def test_with_nothing_to_run_there_is_nothing_to_estimate(store: Store):
    assert estimate(plan([], store), ON_CPU, lambda cell: 1.0).per_cell is None


def test_where_nothing_can_be_measured_only_finished_cells_tell(store: Store):
    cells = [small_cell(seed=seed, max_epochs=10) for seed in range(3)]
    assert estimate(plan(cells, store), ON_CPU, None) is None
    finish(store, cells[0], epochs=10, seconds=20.0)
    assert estimate(plan(cells, store), ON_CPU, None).per_cell == 20.0


@pytest.mark.parametrize(
    ("how", "tells"),
    [
        ({"device": "cpu", "threads": 1}, True),
        ({"device": "cpu", "threads": 2}, False),
        ({"device": "NVIDIA H100", "threads": 1}, False),
        ({"lanes": 8}, False),
    ],
)
def test_only_cells_with_a_device_to_themselves_tell(store: Store, how: dict, tells: bool):
    cells = [small_cell(seed=seed, max_epochs=10) for seed in range(2)]
    finish(store, cells[0], epochs=10, seconds=10.0, **how)
    found = estimate(plan(cells, store), ON_CPU, lambda cell: 3.0)
    assert (found.per_cell, found.stored) == ((10.0, 1) if tells else (30.0, 0))


def test_a_cluster_is_priced_on_a_laptop_by_its_gpus_alone(store: Store):
    cells = [small_cell(seed=seed, max_epochs=10) for seed in range(3)]
    finish(store, cells[0], epochs=10, seconds=1.0, device="NVIDIA H100")
    assert estimate(plan(cells, store), ON_CPU, None) is None
    assert estimate(plan(cells, store), ON_CPU, None, abroad=True).per_cell == 1.0
    finish(store, cells[1], epochs=10, seconds=300.0, device="cpu")
    assert estimate(plan(cells, store), ON_CPU, None, abroad=True).per_cell == 300.0


def test_a_cpu_tells_nothing_of_a_gpu(store: Store):
    cells = [small_cell(seed=seed, max_epochs=10) for seed in range(2)]
    finish(store, cells[0], epochs=10, seconds=10.0, device="cpu", threads=1)
    on_gpu = Placement("actor", "cuda", 2, gpus=1.0)
    assert estimate(plan(cells, store), on_gpu, None) is None


def test_baselines_do_not_tell_what_a_loss_costs_where_that_can_be_measured(store: Store):
    cells = [small_cell(seed=seed, max_epochs=10) for seed in range(2)]
    cells += [
        small_cell(loss=loss, seed=0, max_epochs=10, **{"lambda": 0.5})
        for loss in ("magnet", "latent_boost")
    ]
    finish(store, cells[0], epochs=10, seconds=10.0)
    asked = []
    found = estimate(plan(cells, store), ON_CPU, lambda cell: asked.append(cell.loss) or 2.0)
    assert (found.seconds, found.kinds, found.stored) == (10.0 + 20.0 + 20.0, 3, 1)
    assert asked == ["magnet"], "once for all losses"
    found = estimate(plan(cells, store), ON_CPU, None)
    assert (found.seconds, found.stored, found.by_baselines) == (30.0, 3, 2), "rather more"
    finish(store, cells[2], epochs=10, seconds=15.0)
    found = estimate(plan(cells, store), ON_CPU, lambda cell: 1 / 0)
    assert (found.seconds, found.stored) == (10.0 + 15.0, 2), "of another loss, but of a loss"

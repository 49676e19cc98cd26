"""Workers of a group that die while they share the batches of a cell."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from sweeps import Driver, Watched, assert_nothing_left, experiment, numbers, run

from lbray.planning import Placement
from lbray.store import Store

pytestmark = pytest.mark.faults

GRID = """
settings: {dataset: digits, max_epochs: 25, patience: 25, seed: 0}
blocks:
  - {loss: baseline}
  - {loss: magnet, lambda: 0.5}
"""


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    folder = tmp_path_factory.mktemp("undisturbed")
    declared, store = experiment(folder, GRID), Store(str(folder / "store"))
    run(declared, store, Placement("ddp", "cpu", 1, workers_per_cell=2, cells_per_group=2))
    return numbers(store, declared)


@pytest.mark.parametrize("victim", ["a worker that leads", "another worker"])
def test_a_worker_of_a_group_is_killed(tmp_path: Path, undisturbed, victim: str):
    declared, store = experiment(tmp_path, GRID), Store(str(tmp_path / "results"))
    watched = Watched(declared, store)
    driver = Driver("sweep", "grid.yaml", "--workers-per-cell", "2", cwd=tmp_path)
    watched.wait_for_epochs(5, driver)
    workers = driver.descendants("RayTrainWorker")
    assert len(workers) == 2
    watched.remember()
    os.kill(workers[0 if victim == "a worker that leads" else 1], signal.SIGKILL)
    code, _, messages = driver.ended()
    assert code == 0, messages
    watched.assert_kept()
    assert numbers(store, declared) == undisturbed
    assert_nothing_left(driver, store)

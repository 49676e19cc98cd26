"""Nodes of a cluster that are lost, and others that join."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster
from sweeps import Driver, Watched, assert_nothing_left, experiment, numbers, run

from lbray.planning import Placement
from lbray.store import Store
from lbray.sweep.deaths import RETRIES
from lbray.training import run_cell

pytestmark = pytest.mark.faults

GRID = """
settings: {dataset: digits, max_epochs: 25, patience: 25}
blocks:
  - {loss: baseline, seed: [0, 1]}
  - {loss: magnet, lambda: 0.5, seed: [0, 1]}
"""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A head that runs no cells, and no node yet."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    yield cluster
    cluster.shutdown()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, object]]:
    """What a sweep comes to with so many workers per cell."""
    folder = tmp_path_factory.mktemp("undisturbed")
    declared, alone, shared = experiment(folder, GRID), *(Store(str(folder / n)) for n in "12")
    for cell in declared.cells():
        run_cell(cell, alone)
    run(declared, shared, Placement("ddp", "cpu", 1, workers_per_cell=2, cells_per_group=4))
    return {1: numbers(alone, declared), 2: numbers(shared, declared)}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_node_is_lost_and_another_joins(
    undisturbed, tmp_path: Path, cluster: Cluster, workers: int
):
    declared, store = experiment(tmp_path, GRID), Store(str(tmp_path / "results"))
    lost = cluster.add_node(num_cpus=2)
    watched = Watched(declared, store)
    words = ("--address", cluster.address, "--workers-per-cell", str(workers))
    driver = Driver("sweep", "grid.yaml", *words, cwd=tmp_path)
    watched.wait_for_epochs(5, driver)
    watched.remember()
    cluster.remove_node(lost, allow_graceful=False)
    cluster.add_node(num_cpus=2)
    code, _, messages = driver.ended()
    assert code == 0, messages
    watched.assert_kept()
    assert numbers(store, declared) == undisturbed[workers]
    assert_nothing_left(driver, store)


def test_however_many_nodes_are_lost_no_cell_has_failed(tmp_path: Path, cluster: Cluster):
    text = "{settings: {dataset: digits, max_epochs: 60, seed: 0}, blocks: [{loss: baseline}]}"
    declared, store = experiment(tmp_path, text), Store(str(tmp_path / "results"))
    node = cluster.add_node(num_cpus=1)
    watched = Watched(declared, store)
    words = ("--address", cluster.address, "--actors", "1")
    driver = Driver("sweep", "grid.yaml", *words, cwd=tmp_path)
    for lost in range(1, RETRIES + 3):
        watched.wait_for_epochs(3 * lost, driver)
        watched.remember()
        cluster.remove_node(node, allow_graceful=False)
        node = cluster.add_node(num_cpus=1)
    code, _, messages = driver.ended()
    assert code == 0, messages
    watched.assert_kept()
    assert_nothing_left(driver, store)

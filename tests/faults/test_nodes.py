"""Nodes of a cluster that are lost, and others that join."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from ray.cluster_utils import Cluster
from sweeps import Driver, Watched, assert_nothing_left, experiment, numbers

from lbray.spec import Experiment
from lbray.store import Store
from lbray.sweep.deaths import RETRIES

pytestmark = pytest.mark.faults


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A head that runs no cells, and no node yet."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    yield cluster
    cluster.shutdown()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_node_is_lost_and_another_joins(
    declared: Experiment,
    results: Store,
    undisturbed,
    undisturbed_in_groups,
    tmp_path: Path,
    cluster: Cluster,
    workers: int,
):
    lost = cluster.add_node(num_cpus=2)
    watched = Watched(declared, results)
    words = ("--address", cluster.address, "--workers-per-cell", str(workers))
    driver = Driver("sweep", "grid.yaml", *words, cwd=tmp_path)
    watched.wait_for_epochs(5, driver)
    watched.remember()
    cluster.remove_node(lost, allow_graceful=False)
    cluster.add_node(num_cpus=2)
    code, _, messages = driver.ended()
    assert code == 0, messages
    watched.assert_kept()
    expected = undisturbed if workers == 1 else undisturbed_in_groups
    assert numbers(results, declared) == expected
    assert_nothing_left(driver, results)


def test_however_many_nodes_are_lost_no_cell_has_failed(
    results: Store, tmp_path: Path, cluster: Cluster
):
    text = "{settings: {dataset: digits, max_epochs: 60, seed: 0}, blocks: [{loss: baseline}]}"
    declared = experiment(tmp_path, text)
    node = cluster.add_node(num_cpus=1)
    watched = Watched(declared, results)
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
    assert_nothing_left(driver, results)

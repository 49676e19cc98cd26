"""Nodes of a cluster that are lost, and others that join."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
import ray
from ray.cluster_utils import Cluster
from sweeps import Driver, Watched, assert_nothing_left, experiment, numbers, wait_until

from lbray.spec import Experiment
from lbray.store import Store
from lbray.sweep.deaths import RETRIES
from lbray.training import run_cell

pytestmark = pytest.mark.faults


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A head that runs no cells, and no node yet. In the end, no actor of a sweep lives on it, and
    no placement group is left."""
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    yield cluster
    ray.init(cluster.address, logging_level="error", log_to_driver=False)
    with suppress(AssertionError):
        wait_until(lambda: not _living_actors() + _placement_groups())
    left = _living_actors() + _placement_groups()
    ray.shutdown()
    cluster.shutdown()
    assert not left


def _living_actors() -> list[str]:
    actors = ray._private.state.actors().values()
    return [each["ActorClassName"] for each in actors if each["State"] != "DEAD"]


def _placement_groups() -> list[str]:
    groups = ray.util.placement_group_table().values()
    return [each["placement_group_id"] for each in groups if each["state"] != "REMOVED"]


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_node_is_lost_and_another_joins(
    declared: Experiment,
    results: Store,
    undisturbed,
    tmp_path: Path,
    command: tuple[str, ...],
    cluster: Cluster,
    told: bool,
):
    """At once, or as a machine that is taken away: all its processes are told to end before."""
    lost = cluster.add_node(num_cpus=2)
    watched = Watched(declared, results)
    driver = Driver(*command, "--address", cluster.address, cwd=tmp_path)
    watched.wait_for_the_middle(driver)
    watched.remember()
    if told:
        raylet = psutil.Process(lost.all_processes["raylet"][0].process.pid)
        processes = [*raylet.children(recursive=True), raylet]
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                process.terminate()
        psutil.wait_procs(processes, timeout=10)
    cluster.remove_node(lost, allow_graceful=False)
    cluster.add_node(num_cpus=2)
    code, _, messages = driver.ended()
    assert code == 0, messages
    assert watched.begun() >= 2
    watched.assert_kept()
    assert numbers(results, declared) == undisturbed
    assert_nothing_left(driver, results)


def test_however_many_nodes_are_lost_no_cell_has_failed(
    results: Store, tmp_path: Path, cluster: Cluster
):
    text = (
        "{settings: {dataset: digits, seed: 0, max_epochs: 60, patience: 60, batch_size: 8}, "
        "blocks: [{loss: baseline}]}"
    )
    declared, reference = experiment(tmp_path, text), Store(str(tmp_path / "reference"))
    (cell,) = declared.cells()
    run_cell(cell, reference)
    node = cluster.add_node(num_cpus=1)
    watched = Watched(declared, results)
    words = ("--address", cluster.address, "--actors", "1")
    driver = Driver("sweep", "grid.yaml", *words, cwd=tmp_path)
    for times in range(1, RETRIES + 3):
        wait_until(lambda times=times: watched.begun() == times, drivers=[driver])
        watched.assert_kept()
        watched.wait_for_epochs(watched.epochs().get(cell.id, 0) + 3, [driver])
        watched.remember()
        cluster.remove_node(node, allow_graceful=False)
        node = cluster.add_node(num_cpus=1)
    code, _, messages = driver.ended()
    assert code == 0, messages
    assert watched.begun() >= RETRIES + 3
    watched.assert_kept()
    assert numbers(results, declared) == numbers(reference, declared)
    assert_nothing_left(driver, results)


@pytest.mark.parametrize("workers", [2])
def test_the_driver_is_killed_and_the_cluster_is_not_its_own(
    declared: Experiment,
    results: Store,
    undisturbed,
    tmp_path: Path,
    command: tuple[str, ...],
    cluster: Cluster,
):
    cluster.add_node(num_cpus=2)
    watched = Watched(declared, results)
    words = (*command, "--address", cluster.address)
    first = Driver(*words, cwd=tmp_path)
    watched.wait_for_the_middle(first)
    watched.remember()
    first.process.kill()
    first.ended()
    second = Driver(*words, cwd=tmp_path)
    code, _, messages = second.ended()
    assert code == 0, messages
    watched.assert_kept()
    assert numbers(results, declared) == undisturbed
    assert_nothing_left(second, results)

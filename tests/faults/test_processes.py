"""Processes, nodes and whole sweeps that die while cells are trained.

In each case: every finished cell is kept, a running one loses an epoch at most, the results equal
those of an undisturbed sweep, and nothing is left behind.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from s3_server import s3_bucket
from sweeps import (
    Driver,
    Watched,
    assert_nothing_left,
    experiment,
    numbers,
    wait_for_a_held_cell,
    wait_until,
)

from lbray.store import Store
from lbray.training import run_cell

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("kill", ["SIGKILL", "SIGTERM"])
def test_actors_are_killed(declared, results: Store, undisturbed, tmp_path: Path, kill: str):
    """All of them: which one trains what is not to be seen from outside."""
    watched = Watched(declared, results)
    driver = Driver("sweep", "grid.yaml", cwd=tmp_path)
    watched.wait_for_the_middle(driver)
    victims = driver.descendants("ImplicitFunc")
    assert victims
    watched.remember()
    for victim in victims:
        os.kill(victim, signal.Signals[kill])
    code, _, messages = driver.ended()
    assert code == 0, messages
    assert watched.begun() >= 2
    watched.assert_kept()
    assert numbers(results, declared) == undisturbed
    assert_nothing_left(driver, results)


@pytest.mark.parametrize(
    ("kill", "workers"), [("SIGKILL", 1), ("SIGTERM", 1), ("SIGINT", 1), ("SIGTERM", 2)]
)
def test_the_driver_is_killed(
    declared,
    results: Store,
    undisturbed,
    tmp_path: Path,
    command: tuple[str, ...],
    kill: str,
):
    watched = Watched(declared, results)
    first = Driver(*command, cwd=tmp_path)
    watched.wait_for_the_middle(first)
    watched.remember()
    first.process.send_signal(signal.Signals[kill])
    code, _, messages = first.ended()
    if kill != "SIGKILL":
        assert code == 130
        assert "the same command continues: lbray sweep grid.yaml" in messages
        assert not first.descendants()
    assert watched.epochs()
    second = Driver(*command, cwd=tmp_path)
    code, _, messages = second.ended()
    assert code == 0, messages
    watched.assert_kept()
    assert numbers(results, declared) == undisturbed
    assert_nothing_left(second, results)
    assert_nothing_left(first, results)


def test_a_sweep_that_is_ended_while_ray_starts_leaves_nothing(
    declared, results: Store, tmp_path: Path
):
    driver = Driver("sweep", "grid.yaml", cwd=tmp_path)
    wait_until(lambda: driver.descendants("gcs_server"), drivers=[driver])
    driver.process.terminate()
    code, _, messages = driver.ended()
    assert code == 130, messages
    assert "the same command continues: lbray sweep grid.yaml" in messages
    assert_nothing_left(driver, results)


@pytest.fixture(params=["a folder", "a bucket"])
def shared(request: pytest.FixtureRequest, results: Store) -> Iterator[Store]:
    """A store of either kind."""
    if request.param == "a folder":
        yield results
    else:
        with s3_bucket() as bucket:
            yield Store(bucket.uri("results"))


def test_two_sweeps_on_one_store_share_the_cells(
    declared, shared: Store, undisturbed, tmp_path: Path
):
    words = ("sweep", "grid.yaml", "--store", shared.location, "--actors", "1")
    drivers = [Driver(*words, cwd=tmp_path) for _ in range(2)]
    for driver in drivers:
        code, _, messages = driver.ended()
        assert code == 0, messages
        assert "all 4 cells done" in messages
    assert numbers(shared, declared) == undisturbed
    events = shared.event_log("grid").read()
    epochs = [event for event in events if event["event"] == "epoch"]
    begun = [event["cell"] for event in epochs if event["epochs"] == 1]
    assert len(begun) == len(set(begun)), "a cell was begun twice"
    trained = {(event["cell"], event["sweep"]) for event in epochs}
    assert len(trained) == len({cell for cell, _ in trained}), "a cell was trained by two sweeps"
    assert len({sweep for _, sweep in trained}) == 2, "a sweep had nothing to do"
    for driver in drivers:
        assert_nothing_left(driver, shared)


def test_one_of_two_sweeps_is_killed_and_the_other_takes_its_cell(tmp_path: Path, results: Store):
    declared = experiment(
        tmp_path,
        "{settings: {dataset: digits, seed: 0, max_epochs: 80, patience: 80, batch_size: 16}, "
        "blocks: [{loss: baseline}]}",
    )
    (cell,) = declared.cells()
    reference = Store(str(tmp_path / "reference"))
    run_cell(cell, reference)
    watched = Watched(declared, results)
    words = ("sweep", "grid.yaml", "--executor", "actor")
    drivers = [Driver(*words, cwd=tmp_path) for _ in range(2)]
    wait_for_a_held_cell(results, drivers)
    watched.wait_for_epochs(5, drivers)
    (claim,) = results.files.list("claims")
    sweep = claim.removeprefix(f"{cell.id}-").removesuffix(".json")
    holder = json.loads(results.files.read(f"sweeps/{sweep}.json"))["pid"]
    drivers.sort(key=lambda driver: driver.process.pid != holder)
    watched.remember()
    drivers[0].process.kill()
    drivers[0].ended()
    assert watched.epochs()
    code, _, messages = drivers[1].ended()
    assert code == 0, messages
    watched.assert_kept()
    assert numbers(results, declared) == numbers(reference, declared)
    assert_nothing_left(drivers[1], results)

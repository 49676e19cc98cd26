"""Processes of a group that die while its workers share the batches of a cell."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest
from sweeps import Driver, Watched, assert_nothing_left, numbers

from lbray.spec import Experiment
from lbray.store import Store
from lbray.training import run_cell

pytestmark = [pytest.mark.faults, pytest.mark.parametrize("workers", [2])]


def test_two_workers_come_to_what_one_process_does(
    declared: Experiment, results: Store, undisturbed
):
    """But for rounding, which ten epochs amplify: the first ones are compared."""
    for cell in declared.cells():
        run_cell(cell, results)
        alone, (_, shared, _) = results.cell(cell.id).history(), undisturbed[cell.id]
        assert len(shared) == len(alone)
        for one, two in zip(alone[:2], shared[:2], strict=True):
            assert two["train/loss"] == pytest.approx(one["train/loss"], rel=1e-3)
            assert two["val/acc"] == pytest.approx(one["val/acc"], abs=0.02)


@pytest.mark.parametrize("victim", ["the worker that leads", "another worker", "its trial"])
def test_a_process_of_a_group_is_killed(
    declared: Experiment,
    results: Store,
    undisturbed,
    tmp_path: Path,
    command: tuple[str, ...],
    victim: str,
):
    watched = Watched(declared, results)
    driver = Driver(*command, cwd=tmp_path)
    watched.wait_for_the_middle(driver)
    other, leader = sorted(driver.descendants("RayTrainWorker"), key=_written)
    (trial,) = driver.descendants("ImplicitFunc")
    victims = {"the worker that leads": leader, "another worker": other, "its trial": trial}
    watched.remember()
    os.kill(victims[victim], signal.SIGKILL)
    code, _, messages = driver.ended()
    assert code == 0, messages
    assert watched.begun() >= 2
    watched.assert_kept()
    assert numbers(results, declared) == undisturbed
    assert_nothing_left(driver, results)


def _written(process: int) -> int:
    """How much a process has written: the one that leads writes the artefacts."""
    return psutil.Process(process).io_counters().write_chars

"""Processes with several cells that die under them."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from sweeps import (
    LONG,
    Driver,
    Watched,
    assert_nothing_left,
    experiment,
    numbers,
)

from lbray.store import Store
from lbray.training import run_cell

pytestmark = pytest.mark.faults

IN_LANES = ("sweep", "grid.yaml", "--executor", "fused", "--lanes", "3", "--actors", "1")

DYING = """
settings: {dataset: digits, max_epochs: 2, train_size: 300, test_size: 100, lambda: 0.5}
blocks:
  - {loss: [magnet, triplet], seed: [0, 1]}
  - {loss: own:Dying, seed: 0}
"""

OWN = """
import os
from torch import nn

class Dying(nn.Module):
    calls = 0

    def forward(self, latents, labels):
        self.calls += 1
        if self.calls == 2:
            os._exit(9)
        return latents.square().mean()
"""


def test_a_cell_that_kills_its_process_is_found_and_the_others_are_done(tmp_path: Path):
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "grid.yaml").write_text(DYING)
    driver = Driver(*IN_LANES, cwd=tmp_path)
    code, _, messages = driver.ended()
    assert code == 1, messages
    store = Store(str(tmp_path / "results"))
    results = [store.result(each) for each in store.experiment_cell_ids("grid")]
    reasons = [result.reason for result in results if not result.done]
    assert len(results) == 5
    assert len(reasons) == 1
    assert reasons[0].startswith("its process died")
    assert_nothing_left(driver, store)


def test_a_process_with_lanes_is_killed(tmp_path: Path):
    declared, alone = experiment(tmp_path, LONG), Store(str(tmp_path / "alone"))
    for cell in declared.cells():
        run_cell(cell, alone)
    store = Store(str(tmp_path / "results"))
    watched, driver = Watched(declared, store), Driver(*IN_LANES, cwd=tmp_path)
    watched.wait_for_the_middle(driver)
    (process,) = driver.descendants("ImplicitFunc")
    watched.remember()
    os.kill(process, signal.SIGKILL)
    code, _, messages = driver.ended()
    assert code == 0, messages
    assert watched.begun() >= 2
    watched.assert_kept()
    assert numbers(store, declared) == numbers(alone, declared)
    assert_nothing_left(driver, store)

"""Cells in lanes: a real sweep, and what becomes of those whose process dies."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_cells import small_cell
from sweeps import Driver, experiment, left_behind, numbers
from trials import Journal, Trial

from lbray.store import Lease, Result, Store
from lbray.sweep.trial import ONE_BY_ONE
from lbray.sweep.watcher import Watcher
from lbray.training import run_cell

GRID = """
settings: {dataset: digits, seed: 0, max_epochs: 2, train_size: 300, test_size: 100, lambda: 0.5}
blocks:
  - {loss: magnet, seed: [0, 1], max_epochs: [2, 3]}
  - {loss: [triplet, diverging_in_lanes:Diverging]}
  - {loss: baseline, batch_size: 64}
"""

OWN = """
from torch import nn

class Diverging(nn.Module):
    def forward(self, latents, labels):
        return latents.sum() * float("nan")
"""


def test_a_sweep_in_lanes_has_the_results_of_one_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "diverging_in_lanes.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)
    declared, alone = experiment(tmp_path, GRID), Store(str(tmp_path / "alone"))
    for cell in declared.cells():
        run_cell(cell, alone)
    words = ["sweep", "grid.yaml", "--executor", "fused", "--lanes", "3", "--actors", "1"]
    code, _, messages = Driver(*words, cwd=tmp_path).ended()
    assert code == 1, messages
    assert "executor fused: 1 at a time on cpu, each with 3 lanes" in messages
    assert "1 of 7 cells failed" in messages
    store = Store(str(tmp_path / "results"))
    assert numbers(store, declared) == numbers(alone, declared)
    results = [store.result(cell.id) for cell in declared.cells()]
    assert {(r.provenance["executor"], r.provenance["lanes"]) for r in results} == {("fused", 3)}
    events = store.event_log("grid").read()
    for cell in declared.cells():
        kinds = [event["event"] for event in events if event.get("cell") == cell.id]
        ended = f"cell_{store.result(cell.id).status}"
        assert [kind for kind in kinds if kind != "epoch"] == ["cell_started", ended]
        assert (kinds[0], kinds[-1]) == ("cell_started", ended)
    assert not left_behind(store)


CELLS_OF_A_TRIAL = [small_cell(seed=seed) for seed in range(6)]


@pytest.fixture
def watched(store: Store):
    journal, trial, results = Journal(), Trial(), {}
    watcher = Watcher(store, journal, results, Lease(store.files), None, lanes=3)
    watcher.groups = [tuple(CELLS_OF_A_TRIAL)]
    watcher.on_trial_start(0, [], trial)
    return watcher, trial, journal, results


def told(watcher: Watcher, trial: Trial, seed: int, **message: object) -> None:
    cell = CELLS_OF_A_TRIAL[seed]
    watcher.on_trial_result(0, [], trial, {"cell": cell.id, **message})


def done(store: Store, seed: int) -> None:
    cell = CELLS_OF_A_TRIAL[seed]
    store.cell(cell.id).begin(cell)
    store.cell(cell.id).finish(Result(id=cell.id, status="done"))


def test_lanes_end_in_any_order_and_the_next_cells_take_their_places(watched, store: Store):
    watcher, trial, journal, results = watched
    assert journal.told == [("cell_started", 0), ("cell_started", 1), ("cell_started", 2)]
    told(watcher, trial, 2, epoch=0, epochs=1)
    done(store, 2)
    told(watcher, trial, 2, ended=True)
    told(watcher, trial, 0, epoch=0, epochs=1)
    told(watcher, trial, 3, holder="another sweep")
    assert journal.told[3:] == [
        *[("epoch", 2), ("cell_ended", 2), ("cell_started", 3), ("epoch", 0)],
        *[("cell_held", 3), ("cell_started", 4)],
    ]
    assert [cell.seed for cell in watcher.again] == [3]
    assert {result.status for result in results.values()} == {"done"}
    for seed in (0, 1, 4):
        done(store, seed)
    watcher.on_trial_complete(0, [], trial)
    reasons = {CELLS_OF_A_TRIAL[5].id: "its process ended without a result"}
    assert {r.id: r.reason for r in results.values() if r.status == "failed"} == reasons


def test_a_death_counts_against_a_cell_that_was_alone_and_against_none_beside_others(
    watched, store: Store
):
    watcher, trial, journal, results = watched

    def dies() -> list[int]:
        """The seeds that the trial then takes one by one."""
        watcher.on_trial_recover(0, [], trial)
        watcher.on_trial_start(0, [], trial)
        by_id = {cell.id: cell.seed for cell in CELLS_OF_A_TRIAL}
        return [by_id[each] for each in trial.config[ONE_BY_ONE]]

    done(store, 1)  # but nobody heard of it
    assert dies() == [0, 2, 3]
    assert journal.told[-1] == ("cell_started", 0), "the others wait for their turn"
    done(store, 0)
    told(watcher, trial, 0, ended=True)
    for _ in range(3):
        assert {result.status for result in results.values()} == {"done"}
        dies()
    assert results[CELLS_OF_A_TRIAL[2].id].reason.startswith("its process died")
    done(store, 3)
    told(watcher, trial, 3, ended=True)
    assert journal.told[-2:] == [("cell_started", 4), ("cell_started", 5)]
    assert dies() == [4, 5]
    assert sum(result.status == "failed" for result in results.values()) == 1

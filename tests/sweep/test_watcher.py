"""What becomes of cells whose trials go wrong, as Tune tells of it."""

from __future__ import annotations

from pathlib import Path

import pytest
import ray
from small_cells import small_cell
from trials import Journal, Trial

from lbray.store import Lease, Result, Store
from lbray.sweep.deaths import RETRIES, TERMINATIONS
from lbray.sweep.trial import PLACED
from lbray.sweep.watcher import Watcher

CELLS = [small_cell(seed=seed) for seed in range(2)]


@pytest.fixture
def watcher(store: Store) -> Watcher:
    made = Watcher(store, Journal(), {}, Lease(store.files), None)
    made.groups = [tuple(CELLS)]
    return made


def test_a_process_that_dies_as_it_starts_counts_against_its_cell(watcher: Watcher, store: Store):
    for _ in range(2):
        watcher.on_trial_recover(0, [], Trial())
        assert store.result(CELLS[0].id) is None
    watcher.on_trial_recover(0, [], Trial())
    assert store.result(CELLS[0].id).reason == "its process died"
    assert store.result(CELLS[1].id) is None


def test_what_a_trial_leaves_that_ended_by_an_error_is_tried_again(watcher: Watcher, store: Store):
    for _ in range(2):
        watcher.again = []
        watcher.on_trial_error(0, [], Trial())
        assert watcher.again == CELLS
    watcher.again = []
    watcher.on_trial_error(0, [], Trial())
    assert store.result(CELLS[0].id).status == "failed"
    assert watcher.again == CELLS[1:]


def test_a_lost_node_is_no_cells_fault_however_tune_tells_of_it(
    watcher: Watcher, store: Store, tmp_path: Path
):
    trial = Trial()
    trial.error_file = tmp_path / "error.txt"
    trial.error_file.write_text("Failure # 1\nThe actor died because its node has died.")
    for _ in range(5):
        watcher.again = []
        watcher.on_trial_error(0, [], trial)
        assert watcher.again == CELLS


@pytest.mark.parametrize("gets_on", [True, False])
def test_a_cell_is_terminated_in_vain_so_many_times_and_then_it_counts(
    watcher: Watcher, store: Store, tmp_path: Path, gets_on: bool
):
    trial = Trial()
    trial.error_file = tmp_path / "error.txt"
    trial.error_file.write_text("Failure # 1\nThe worker receives a SIGTERM.")
    for times in range(1, TERMINATIONS + RETRIES + 2):
        if gets_on:
            store.cell(CELLS[0].id).write_history([{"epoch": epoch} for epoch in range(times)])
        assert store.result(CELLS[0].id) is None
        watcher.on_trial_recover(0, [], trial)
    assert (store.result(CELLS[0].id) is None) == gets_on


def test_a_cell_of_which_no_trial_told_is_tried_again(watcher: Watcher, store: Store):
    watcher._held(CELLS[0], "another sweep")
    watcher.take_lost(CELLS)
    assert watcher.again == CELLS


@pytest.mark.parametrize("deaths", ["recover", "error"])
def test_what_a_dead_group_has_of_the_machines_is_given_back_once(
    watcher: Watcher, monkeypatch: pytest.MonkeyPatch, deaths: str
):
    given_back = []
    monkeypatch.setattr(ray.util, "remove_placement_group", lambda group: given_back.append(group))
    group = ray.PlacementGroupID.from_random()
    for placed in (ray.PlacementGroupID.from_random(), group):
        watcher.on_trial_result(0, [], Trial(), {PLACED: placed.hex()})
    for _ in range(2):
        getattr(watcher, f"on_trial_{deaths}")(0, [], Trial())
    assert [each.id for each in given_back] == [group]


def test_what_a_trials_next_group_begins_with_is_told(store: Store):
    """The first one died after the first cell, of whose end the trial could not tell."""
    journal = Journal()
    watcher = Watcher(store, journal, {}, Lease(store.files), None)
    watcher.groups = [tuple(CELLS)]
    watcher.on_trial_start(0, [], Trial())
    for cells_done in (0, 1, 1):
        for cell in CELLS[:cells_done]:
            store.cell(cell.id).finish(Result(id=cell.id, status="done"))
        group = ray.PlacementGroupID.from_random()
        watcher.on_trial_result(0, [], Trial(), {PLACED: group.hex()})
    assert journal.told == [
        ("cell_started", 0),
        ("cell_ended", 0),
        ("cell_started", 1),
        ("cell_started", 1),
    ]


@pytest.mark.parametrize("deaths", ["recover", "error"])
def test_what_an_exploration_died_of_says_nothing_of_the_cell(store: Store, deaths: str):
    watcher = Watcher(store, Journal(), {}, Lease(store.files), "pbt")
    watcher.groups = [tuple(CELLS[:1])]
    for _ in range(3):
        getattr(watcher, f"on_trial_{deaths}")(0, [], Trial())
    result = store.result(CELLS[0].id)
    assert (result.status, result.reason) == ("pruned", "explored by pbt: its process died")


def test_a_cell_that_its_trial_gave_up_is_recorded_as_failed(watcher: Watcher, store: Store):
    watcher.on_trial_start(0, [], Trial())
    watcher.on_trial_result(0, [], Trial(), {"cell": CELLS[0].id, "failed": "workers die"})
    result = store.result(CELLS[0].id)
    assert (result.status, result.reason) == ("failed", "workers die")
    watcher.on_trial_error(0, [], Trial())
    assert watcher.again == CELLS[1:]


@pytest.mark.parametrize("what", ["complete", "result"])
def test_what_another_sweep_has_by_now_is_not_given_up(watcher: Watcher, store: Store, what: str):
    news = [{"cell": CELLS[0].id, "failed": "workers die"}] if what == "result" else []
    with Lease(store.files) as other:
        watcher.on_trial_start(0, [], Trial())
        other.claim(CELLS[0].id)
        getattr(watcher, f"on_trial_{what}")(0, [], Trial(), *news)
        assert store.result(CELLS[0].id) is None
        assert CELLS[0] in watcher.again
        assert ("cell_held", 0) in watcher._journal.told


def test_what_another_sweep_has_ended_meanwhile_stays_as_it_is(
    watcher: Watcher, store: Store, monkeypatch: pytest.MonkeyPatch
):
    claim = watcher._lease.claim

    def ended_before(cell_id: str) -> str | None:
        store.cell(cell_id).finish(Result(id=cell_id, status="done"))
        return claim(cell_id)

    monkeypatch.setattr(watcher._lease, "claim", ended_before)
    watcher.on_trial_complete(0, [], Trial())
    assert store.result(CELLS[0].id).status == "done"


def test_a_store_that_failed_stays_the_reason_when_it_is_back(watcher: Watcher):
    watcher._lease.failure = "away"
    assert watcher.must_stop
    watcher._lease.failure = None
    assert watcher.must_stop
    assert watcher.unavailable == "away"

"""Whom the deaths of worker groups count against."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial

import pytest
from ray.train.v2.api.exceptions import WorkerGroupError
from small_cells import small_cell
from trials import Journal, Trial

from lbray.errors import StoreUnavailable
from lbray.planning import Placement
from lbray.spec import Cell
from lbray.store import Lease, Result, Store
from lbray.sweep import ddp
from lbray.sweep.trial import GROUP, Task, pack
from lbray.sweep.watcher import Watcher

CELLS = [small_cell(seed=seed) for seed in range(3)]
CRASHED, NODE_LOST = RuntimeError("connection closed"), RuntimeError("The node has died.")


class Reports(queue.Queue):
    """As Ray's queue, in this process."""

    ended = False

    def shutdown(self) -> None:
        self.ended = True


@pytest.mark.parametrize("fails", [False, True])
def test_tune_has_heard_all_before_the_group_has_ended(
    monkeypatch: pytest.MonkeyPatch, fails: bool
):
    heard, reports = [], Reports()

    def hear_slowly(report: int) -> None:
        time.sleep(0.01)
        heard.append(report)

    monkeypatch.setattr(ddp.tune, "report", hear_slowly)
    with suppress(ZeroDivisionError), ddp._passed_on(reports):
        for number in range(20):
            reports.put(number)
        1 / (not fails)
    assert heard == [*range(20)]
    assert reports.ended


@pytest.fixture
def groups(store: Store, monkeypatch: pytest.MonkeyPatch):
    """Runs the trial with groups that do what they are told, one after another."""

    def run(*fates: Callable[[Sequence[Cell]], None]) -> list[list[int]]:
        started, left = [], list(fates)

        def fit(cells: Sequence[Cell], task: Task) -> None:
            started.append([cell.seed for cell in cells])
            if left:
                left.pop(0)(cells)

        monkeypatch.setattr(ddp, "_fit", fit)
        with Lease(store.files) as lease:
            watcher, trial = Watcher(store, Journal(), {}, lease, None), Trial()
            watcher.groups = [tuple(CELLS)]
            watcher.on_trial_start(0, [], trial)
            hears = partial(watcher.on_trial_result, 0, [], trial)
            monkeypatch.setattr(ddp.tune, "report", hears)
            task = Task(store.location, lease.id, None, Placement("ddp", "cpu", 1))
            ddp.train({GROUP: 0}, task, [pack(CELLS)])
        return started

    return run


def dies_of(*causes: Exception, done: int = 0, store: Store | None = None) -> Callable:
    """A group that comes to the end of some cells before its workers fail."""

    def fate(cells: Sequence[Cell]) -> None:
        for cell in cells[:done]:
            store.cell(cell.id).finish(Result(id=cell.id, status="done"))
        raise WorkerGroupError("dead", dict(enumerate(causes)))

    return fate


def test_each_cell_has_deaths_of_its_own(groups, store: Store):
    one_each = dies_of(CRASHED, done=1, store=store)
    assert groups(dies_of(CRASHED), one_each, one_each) == [[0, 1, 2], [0, 1, 2], [1, 2], [2]]
    assert store.result(CELLS[2].id) is None, "it died once, and the last group trained it"


def test_the_third_death_of_a_cell_is_its_failure(groups, store: Store):
    assert groups(*[dies_of(CRASHED)] * 3) == [[0, 1, 2]] * 3 + [[1, 2]]
    result = store.result(CELLS[0].id)
    assert (result.status, result.reason) == (
        "failed",
        "a worker failed: RuntimeError connection closed",
    )


def test_a_lost_node_is_no_cells_fault_whichever_worker_says_so(groups, store: Store):
    assert groups(*[dies_of(CRASHED, NODE_LOST)] * 4) == [[0, 1, 2]] * 5
    assert store.result(CELLS[0].id) is None


def test_a_store_that_failed_is_passed_on_whichever_worker_says_so(groups, store: Store):
    with pytest.raises(StoreUnavailable, match="away"):
        groups(dies_of(CRASHED, StoreUnavailable("away")))
    assert store.result(CELLS[0].id) is None

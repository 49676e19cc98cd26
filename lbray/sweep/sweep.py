"""A sweep as one Ray Tune experiment whose trials are cells, or processes and worker groups with
several of them."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ray import tune
from rich.console import Console

from lbray.errors import StoreUnavailable
from lbray.monitor import Board, Display
from lbray.planning import Placement, Plan, reopen
from lbray.spec import Cell, Experiment
from lbray.store import Lease, Result, Store, scratch
from lbray.sweep import actor, ddp, fused, population
from lbray.sweep.journal import Journal
from lbray.sweep.queue import Queue
from lbray.sweep.ray_session import ray_session
from lbray.sweep.schedulers import PBT
from lbray.sweep.schedulers import scheduler as build_scheduler
from lbray.sweep.trial import Task, pack
from lbray.sweep.watcher import StopsInTime, Watcher
from lbray.training import fuse_key

_MOST_DEATHS = 50
"""How often a trial is started again in any case. The watcher counts those that its cell may be to
blame for; the others are lost nodes."""
_MOST_CELLS = 5_000
"""How many cells one Tune experiment has at most: it keeps 0.1 MB of memory for each that it ever
had, and writes its state anew with all of them."""
_ON_THE_HEAD = {"CPU": 0, "node:__internal_head__": 0.001}
"""What the trial of a worker group asks for, which only waits: no device, and a place on the head,
where it outlives the nodes of its workers. Were it lost with one, its successor would wait without
end for the devices of another node, which Ray would have given to what is left of the old group."""
_POLL_S = 1.0
_TRAINABLES = {"actor": actor.train, "ddp": ddp.train, "fused": fused.train}


@dataclass(frozen=True)
class Outcome:
    """How a sweep ended.

    Attributes:
        results: of all the experiment's cells that have one, by id.
        total: how many cells the experiment has.
        interrupted: whether it was stopped before its end.
        unavailable: what the store said, if that is why.
    """

    results: dict[str, Result]
    total: int
    interrupted: bool
    unavailable: str | None = None

    def count(self, status: str) -> int:
        """How many cells have a result of this status."""
        return sum(result.status == status for result in self.results.values())

    @property
    def missing(self) -> int:
        """How many cells have no result."""
        return self.total - len(self.results)


@dataclass(frozen=True)
class Limits:
    """What ends a sweep, or its cells, before their time.

    Attributes:
        hours: run at most so long; what is running then is interrupted.
        scheduler: one of `lbray.sweep.SCHEDULERS`; prunes cells, for exploring.
    """

    hours: float | None = None
    scheduler: str | None = None


def sweep(
    experiment: Experiment,
    plan: Plan,
    store: Store,
    placement: Placement,
    *,
    data_root: Path | None = None,
    address: str | None = None,
    limits: Limits = Limits(),
    trackers: Sequence[tune.Callback] = (),
    console: Console | None = None,
) -> Outcome:
    """Run the plan's missing cells and record each one's result.

    Another sweep may work on the same store at the same time: neither runs a cell that the other
    is running, and each waits for what it needs of the other's.

    Args:
        experiment: what the cells belong to.
        plan: from `lbray.planning`; see that it passed `preflight`.
        store: where results go.
        placement: who runs the cells.
        data_root: where datasets lie.
        address: of a Ray cluster; by default Ray runs on this machine alone.
        limits: what ends it early.
        trackers: more callbacks for Tune; see `lbray.sweep.trackers`.
        console: where progress is shown; standard error by default.

    Returns:
        The outcome; after Ctrl-C or SIGTERM, that of an interrupted sweep, which the same call
        completes.
    """
    store = store.patient()
    store.record_experiment(experiment, plan.cells)
    results = dict(plan.results)
    interrupted, unavailable = bool(plan.missing), None
    if plan.missing:
        reopen(plan.missing, plan, store)
        board = Board()
        with (
            Lease(store.files) as lease,
            Display(board, console or Console(stderr=True)) as display,
        ):
            journal = Journal(store.event_log(experiment.name), board, display, lease.id)
            journal.sweep_started(plan, placement, lease.others())
            store.files.offer_folder(scratch(lease.id))
            root = None if data_root is None else str(data_root)
            run = _Run(
                Task(store.location, lease.id, root, placement),
                lease,
                limits,
                trackers,
                Watcher(store, journal, results, lease, limits.scheduler, placement.lanes),
            )
            try:
                with ray_session(placement, address), _stopped_by_sigterm():
                    interrupted = not run.all(plan.missing)
            except (KeyboardInterrupt, SystemExit):  # by SIGTERM while Ray starts, it exits itself
                pass
            finally:
                unavailable = run.watcher.unavailable
                with suppress(StoreUnavailable):
                    journal.sweep_ended(interrupted)
    return Outcome(results, len(plan.cells), interrupted, unavailable)


@dataclass
class _Run:
    """The passes of a sweep over its cells: a second one takes what others left unfinished."""

    task: Task
    lease: Lease
    limits: Limits
    trackers: Sequence[tune.Callback]
    watcher: Watcher

    def all(self, cells: Sequence[Cell]) -> bool:
        """Run cells until each has a result; whether that came about before the time was up or the
        store failed."""
        if self.limits.hours is not None:
            self.watcher.deadline = time.monotonic() + 3600 * self.limits.hours
        while cells and not self.watcher.must_stop:
            for start in range(0, len(cells), _MOST_CELLS):
                together = cells[start : start + _MOST_CELLS]
                self._fit(together)
                if self.watcher.must_stop:
                    return False
                self.watcher.take_lost(together)
            cells = self._left_by_others()
        return not self.watcher.must_stop

    def _left_by_others(self) -> list[Cell]:
        """The cells to run in the next pass, when there are any that nobody is running."""
        cells, self.watcher.again = self.watcher.again, []
        while cells and not self.watcher.must_stop:
            with self.watcher.noting_failures():
                cells = [cell for cell in cells if not self.watcher.has_ended(cell)]
                if len(self.lease.holders({cell.id for cell in cells})) < len(cells):
                    break
            time.sleep(_POLL_S)
        return cells

    def _fit(self, cells: Sequence[Cell]) -> None:
        try:
            self._tuner(cells).fit()
        except Exception:
            if self.watcher.unavailable is None:  # else Tune fails as well, for the same reason
                raise

    def _tuner(self, cells: Sequence[Cell]) -> tune.Tuner:
        placement = self.task.placement
        self.watcher.groups = groups = _groups(cells, placement)
        packed = [pack(group) for group in groups]
        resources: dict[str, float] = {"CPU": placement.threads, "GPU": placement.gpus}
        train, space, samples = _TRAINABLES[placement.executor], {}, len(groups)
        search = tune.search.ConcurrencyLimiter(Queue(groups), max_concurrent=placement.at_once)
        if placement.executor == "ddp":
            resources = _ON_THE_HEAD
        elif self.limits.scheduler == PBT:
            # all members take turns, so only the resources say how many run at once
            train, space, samples, search = population.train, population.space(cells), 1, None
        scheduler = None
        if self.limits.scheduler is not None:
            scheduler = build_scheduler(self.limits.scheduler, cells, placement.executor)
        trainable = tune.with_parameters(train, task=self.task, groups=packed)
        return tune.Tuner(
            tune.with_resources(trainable, resources),
            param_space=space,
            tune_config=tune.TuneConfig(
                search_alg=search,
                num_samples=samples,
                scheduler=scheduler,
                reuse_actors=placement.executor != "ddp",
            ),
            run_config=tune.RunConfig(
                name="sweep",
                verbose=0,
                callbacks=[self.watcher, *self.trackers],
                stop=StopsInTime(self.watcher),
                failure_config=tune.FailureConfig(max_failures=_MOST_DEATHS),
                **self.task.scratch,
            ),
        )


def _groups(cells: Sequence[Cell], placement: Placement) -> list[tuple[Cell, ...]]:
    """The cells of each trial, in their order; of one with lanes, only such as go together."""
    together: dict[object, list[Cell]] = {}
    for cell in cells:
        kind = fuse_key(cell) if placement.executor == "fused" else None
        together.setdefault(kind, []).append(cell)
    size = placement.cells_per_group
    return [
        tuple(each[i : i + size]) for each in together.values() for i in range(0, len(each), size)
    ]


@contextmanager
def _stopped_by_sigterm() -> Iterator[None]:
    """SIGTERM, which a machine gets before it is taken away, is as Ctrl-C. Ray has a handler of
    its own, so this must come after it."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may set handlers, and only it would be interrupted
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)

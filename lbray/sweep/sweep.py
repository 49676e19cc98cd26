"""A sweep as one Ray Tune experiment: a trial per cell, in actors that live as long as it."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
import torch
from ray import tune
from rich.console import Console

from lbray.planning import Plan
from lbray.spec import Cell, Experiment
from lbray.store import Result, Store
from lbray.sweep.board import Board
from lbray.sweep.cores import claim_core
from lbray.sweep.display import Display
from lbray.training import run_cell

_RETRIES = 2
"""How often a cell whose process died is continued before it is recorded as failed."""

_QUIET = {
    "RAY_AIR_NEW_OUTPUT": "0",  # Tune's own tables; the display takes their place
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # the store holds what these would write again
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ends the sweep, and Ray with it
    "TUNE_GLOBAL_CHECKPOINT_S": "3600",  # the store is what a sweep resumes from
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # relative paths mean the same in an actor as here
}


@dataclass(frozen=True)
class Machine:
    """What cells run on.

    Attributes:
        device: ``cpu`` or ``cuda``.
        actors: how many cells run at the same time.
        threads: threads per cell; a cell with one thread is pinned to a core of its own.
    """

    device: str
    actors: int
    threads: int = 1

    @classmethod
    def detect(cls, actors: int | None = None, threads: int = 1) -> Machine:
        """This machine: an actor per GPU if there are any, else one per core (or `threads`)."""
        gpus = torch.cuda.device_count()
        fitting = gpus or max(1, len(os.sched_getaffinity(0)) // threads)
        return cls("cuda" if gpus else "cpu", actors or fitting, threads)


@dataclass(frozen=True)
class Outcome:
    """How a sweep ended.

    Attributes:
        results: of all the experiment's cells that have one, by id.
        total: how many cells the experiment has.
        interrupted: whether it was stopped before its end.
    """

    results: dict[str, Result]
    total: int
    interrupted: bool

    @property
    def failed(self) -> int:
        """How many cells are recorded as failed."""
        return sum(not result.done for result in self.results.values())

    @property
    def missing(self) -> int:
        """How many cells have no result."""
        return self.total - len(self.results)


def sweep(
    experiment: Experiment,
    plan: Plan,
    store: Store,
    machine: Machine,
    *,
    data_root: Path | None = None,
    console: Console | None = None,
) -> Outcome:
    """Run the plan's missing cells and record each one's result.

    Args:
        experiment: what the cells belong to.
        plan: from `lbray.planning`; see that it passed `preflight`.
        store: where results go.
        machine: what to run on.
        data_root: where datasets lie.
        console: where progress is shown; standard error by default.

    Returns:
        The outcome; after Ctrl-C, that of an interrupted sweep, which the same call completes.
    """
    store.record_experiment(experiment, plan.cells)
    for cell in plan.missing:
        store.cell(cell.id).reopen()
    board = Board.of(plan, machine.actors)
    results = dict(plan.results)
    interrupted = False
    if plan.missing:
        store.append_event(experiment.name, "sweep_started", missing=len(plan.missing))
        watcher = _Watcher(experiment, plan.missing, store, board, results)
        try:
            with (
                Display(board, console or Console(stderr=True)) as watcher.display,
                _local_ray(machine),
            ):
                _fit(plan.missing, store, machine, data_root, watcher)
        except KeyboardInterrupt:
            interrupted = True
        event = "sweep_interrupted" if interrupted else "sweep_finished"
        store.append_event(experiment.name, event, done=board.done, failed=board.failed)
    return Outcome(results, len(plan.cells), interrupted)


@contextmanager
def _local_ray(machine: Machine) -> Iterator[None]:
    """A Ray of our own on this machine, its dashboard off, gone with the block."""
    os.environ.update(_QUIET)
    ray.init(
        address="local",
        num_cpus=machine.actors * machine.threads,
        num_gpus=machine.actors if machine.device == "cuda" else 0,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="error",
        object_store_memory=100 * 2**20,  # nothing of size passes through it
    )
    try:
        yield
    finally:
        ray.shutdown()


def _fit(
    cells: tuple[Cell, ...],
    store: Store,
    machine: Machine,
    data_root: Path | None,
    watcher: _Watcher,
) -> None:
    scratch = tempfile.mkdtemp(prefix="lbray-tune-")
    resources = {"CPU": machine.threads, "GPU": 1 if machine.device == "cuda" else 0}
    tuner = tune.Tuner(
        tune.with_resources(_trial, resources),
        param_space={
            "cell": tune.grid_search([json.dumps(cell.settings) for cell in cells]),
            "store": store.location,
            "data_root": None if data_root is None else str(data_root),
            "device": machine.device,
            "threads": machine.threads,
        },
        tune_config=tune.TuneConfig(reuse_actors=True, max_concurrent_trials=machine.actors),
        run_config=tune.RunConfig(
            name="sweep",
            storage_path=scratch,
            verbose=0,
            callbacks=[watcher],
            failure_config=tune.FailureConfig(max_failures=_RETRIES),
        ),
    )
    try:
        tuner.fit()
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _trial(config: Mapping[str, Any]) -> None:
    """What an actor does for one cell."""
    threads = config["threads"]
    if config["device"] == "cpu" and threads == 1:
        claim_core()
    torch.set_num_threads(threads)
    run_cell(
        _cell(config),
        Store(config["store"]),
        data_root=None if config["data_root"] is None else Path(config["data_root"]),
        device=config["device"],
        executor="actor",
        reporter=_TuneReporter(),
    )


class _TuneReporter:
    """Passes each epoch on to Tune."""

    def epoch(self, metrics: Mapping[str, Any]) -> bool:
        tune.report(dict(metrics))
        return False


class _Watcher(tune.Callback):  # type: ignore[misc]
    """Keeps the board and the store's record as Tune tells what happens."""

    def __init__(
        self,
        experiment: Experiment,
        cells: tuple[Cell, ...],
        store: Store,
        board: Board,
        results: dict[str, Result],
    ) -> None:
        self.display: Display
        self._experiment = experiment.name
        self._cells = {json.dumps(cell.settings): cell for cell in cells}
        self._store = store
        self._board = board
        self._results = results

    def __reduce__(self) -> tuple[type, tuple[()]]:
        """Tune saves its callbacks with its state, from which nothing is ever restored here."""
        return tune.Callback, ()

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        cell = self._cell(trial)
        self._board.start(cell)
        self._store.append_event(self._experiment, "cell_started", cell=cell.id)
        self.display.refresh()

    def on_trial_result(
        self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        self._board.epoch(self._cell(trial), result)
        self.display.refresh()

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        self._finish(trial, "its process ended without a result")

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        last_line = str(trial.get_error()).strip().splitlines()[-1:]
        self._finish(trial, " ".join(["its process died", *last_line]))

    def _finish(self, trial: Any, reason: str) -> None:
        cell = self._cell(trial)
        result = self._store.result(cell.id)
        if result is None:
            result = Result(id=cell.id, status="failed", reason=reason)
            self._store.cell(cell.id).finish(result)
        self._results[cell.id] = result
        seconds = self._board.finish(cell, result)
        self._store.append_event(
            self._experiment, f"cell_{result.status}", cell=cell.id, reason=result.reason
        )
        self.display.finished(cell, result, seconds)

    def _cell(self, trial: Any) -> Cell:
        return self._cells[trial.config["cell"]]


def _cell(config: Mapping[str, Any]) -> Cell:
    return Cell.from_mapping(json.loads(config["cell"]))

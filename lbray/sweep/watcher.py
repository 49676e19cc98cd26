"""Tune's callbacks: what becomes of each trial's cells."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Literal

import ray
from ray import tune
from ray.util.placement_group import PlacementGroup

from lbray.errors import StoreUnavailable
from lbray.spec import Cell
from lbray.store import Lease, Result, Store
from lbray.sweep.deaths import Deaths, last_error
from lbray.sweep.journal import Journal
from lbray.sweep.schedulers import PBT
from lbray.sweep.trial import GROUP, ONE_BY_ONE, PLACED


class Watcher(tune.Callback):  # type: ignore[misc]
    """Sees to it that every cell of every trial has a result, or is known not to have one.

    Args:
        store: where results are.
        journal: is told.
        results: of the sweep, by cell id; filled as cells end.
        lease: under which cells are claimed; those that end are released.
        scheduler: the name of what ends trials before their time; None if nothing does.
        lanes: how many cells a trial trains together.

    Attributes:
        groups: the cells of each trial of the present experiment of Tune, by the number in its
            config.
        again: cells that another sweep was running, or that their trial did not come to.
        deadline: when the sweep's time is up, as `time.monotonic` counts; None if never.
    """

    def __init__(
        self,
        store: Store,
        journal: Journal,
        results: dict[str, Result],
        lease: Lease,
        scheduler: str | None,
        lanes: int = 1,
    ) -> None:
        self.groups: Sequence[tuple[Cell, ...]] = ()
        self.again: list[Cell] = []
        self.deadline: float | None = None
        self._store_failure: str | None = None
        self._store = store
        self._journal = journal
        self._results = results
        self._lease = lease
        self._scheduler = scheduler
        self._lanes = lanes
        self._waiting: dict[str, list[Cell]] = {}
        self._started: set[str] = set()
        self._placed: dict[str, str] = {}
        self._deaths = Deaths(store)

    @property
    def time_is_up(self) -> bool:
        """Whether the deadline has passed: a cell without a result is then one to continue."""
        return self.deadline is not None and time.monotonic() >= self.deadline

    @property
    def unavailable(self) -> str | None:
        """What the store said when it failed, here or in a trial: the sweep cannot go on then, and
        no cell is to blame."""
        self._store_failure = self._store_failure or self._lease.failure
        return self._store_failure

    @property
    def must_stop(self) -> bool:
        """Whether a cell that has no result now is one to continue later."""
        return self.time_is_up or self.unavailable is not None

    def take_lost(self, cells: Sequence[Cell]) -> None:
        """Have those cells tried again of which a trial has told neither an end nor another's
        hold."""
        told = self._results.keys() | {cell.id for cell in self.again}
        self.again += [cell for cell in cells if cell.id not in told]

    def has_ended(self, cell: Cell) -> bool:
        """Take note of a cell's result, if it has one; this sweep's or another's."""
        result = self._store.final_result(cell.id)
        if result is None:
            return False
        self._end(cell, result)
        return True

    @contextmanager
    def noting_failures(self) -> Iterator[None]:
        """Take note of the store's failing, which then ends the sweep, in a ``with`` block."""
        try:
            yield
        except StoreUnavailable as problem:
            self._store_failure = self._store_failure or str(problem)

    def __reduce__(self) -> tuple[type, tuple[()]]:
        """Tune saves its callbacks with its state, from which nothing is ever restored here."""
        return tune.Callback, ()

    def on_trial_start(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """A trial's process began, or began again."""
        with self.noting_failures():
            self._begins(trial)

    def on_trial_result(
        self, iteration: int, trials: Any, trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """A cell finished an epoch, so that without lanes those before it in the trial have ended;
        or it ended itself, or failed under its workers; or another sweep holds it. Or the trial has
        a worker group, which is not its first one if that died."""
        if PLACED in result:
            if trial.trial_id in self._placed:
                with self.noting_failures():
                    self._take_ended(trial)
                    self._begins(trial)
            self._placed[trial.trial_id] = result[PLACED]
            return
        waiting = self._cells_of(trial)
        named = result.get("cell", waiting[0].id if waiting else None)
        cell = next((cell for cell in waiting if cell.id == named), None)
        if cell is None:
            return
        with self.noting_failures():
            if "holder" in result:
                waiting.remove(cell)
                self._held(cell, result["holder"])
            elif "failed" in result:
                waiting.remove(cell)
                self._give(cell, "failed", result["failed"])
            elif "ended" in result:
                waiting.remove(cell)
                self._finish(cell)
            else:
                while self._lanes == 1 and waiting[0] is not cell:
                    self._finish(waiting.pop(0))
            self._tell_started(trial)
            if cell in waiting:
                self._journal.epoch(cell, result)

    def on_trial_complete(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """A trial came to its end, or was ended by a scheduler or because the time was up."""
        with self.noting_failures():
            for cell in self._no_more_of(trial):
                self._finish(cell, trial.last_result or {})

    def on_trial_recover(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """A trial's process died, and will be started again. That counts against the cell that it
        was training, unless the store failed or the whole node was lost. Of several cells it is
        not known which is to blame: it counts against none, and each goes on without others."""
        error = self._heard(trial)
        self._free(trial)
        waiting = self._cells_of(trial)
        with self.noting_failures():
            self._take_ended(trial)
            suspected = self._in_training(trial)
            if not suspected or self.must_stop:
                return
            if self._deaths.of_the_node(suspected[0].id, error):
                return
            if len(suspected) > 1:
                one_by_one = [cell.id for cell in suspected]
                trial.set_config({**trial.config, ONE_BY_ONE: one_by_one})
                return
            self._count_death(waiting, error)  # if a cell is given up, the next one is trained

    def on_trial_error(self, iteration: int, trials: Any, trial: Any, **info: Any) -> None:
        """A trial ended for good before all its cells had: what is left is tried again."""
        error = self._heard(trial)
        self._free(trial)
        with self.noting_failures():
            left = [cell for cell in self._no_more_of(trial) if not self.has_ended(cell)]
            if not left or self.must_stop:
                return
            # Tune may tell of one death twice: as this, too
            if not self._deaths.of_the_node(left[0].id, error):
                self._count_death(left, error)
            self.again += left

    def _free(self, trial: Any) -> None:
        """Give back what the worker group of a trial that died has of the machines, for which its
        successor would wait. Ray itself does so only where a dashboard runs."""
        placed = self._placed.pop(trial.trial_id, None)
        if placed is not None:
            group = PlacementGroup(ray.PlacementGroupID.from_hex(placed))
            ray.util.remove_placement_group(group)

    def _count_death(self, cells: list[Cell], error: str) -> None:
        """Count a death against the first of the cells, which after too many is taken from them."""
        if self._deaths.one_too_many(cells[0].id):
            self._give(cells.pop(0), "failed", _died(error))

    def _cells_of(self, trial: Any) -> list[Cell]:
        """The cells of a trial that have not ended, to be taken from; all of them of one that Tune
        has not told of yet, as its process may die before it has begun."""
        cells = self.groups[trial.config[GROUP]]
        return self._waiting.setdefault(trial.trial_id, list(cells))

    def _no_more_of(self, trial: Any) -> list[Cell]:
        """As `_cells_of`, of a trial that has ended."""
        cells = self._cells_of(trial)
        del self._waiting[trial.trial_id]
        return cells

    def _in_training(self, trial: Any) -> list[Cell]:
        """The cells that a trial is at, which it takes in their order."""
        waiting = self._cells_of(trial)
        if waiting and waiting[0].id in trial.config.get(ONE_BY_ONE, ()):
            return waiting[:1]
        return waiting[: self._lanes]

    def _take_ended(self, trial: Any) -> None:
        """Take note of the results that a trial's cells have, though it did not tell of them."""
        while ended := [cell for cell in self._in_training(trial) if self.has_ended(cell)]:
            for cell in ended:
                self._cells_of(trial).remove(cell)

    def _begins(self, trial: Any) -> None:
        self._started.difference_update(cell.id for cell in self._cells_of(trial))
        self._tell_started(trial)

    def _tell_started(self, trial: Any) -> None:
        for cell in self._in_training(trial):
            if cell.id not in self._started:
                self._started.add(cell.id)
                self._journal.cell_started(cell)

    def _heard(self, trial: Any) -> str:
        """What a trial said when it died, after taking note of it if it speaks of the store."""
        error = last_error(trial)
        _, from_store, why = error.rpartition(f"{StoreUnavailable.__name__}: ")
        if from_store:
            self._store_failure = self._store_failure or why.partition("\n")[0]
        return error

    def _finish(self, cell: Cell, last: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Take note of a cell's result; one that has none gets one, unless the sweep must stop."""
        if self.has_ended(cell) or self.must_stop:
            return
        if "path" in last:
            found = f"λ = {last['path']}; validation {last['val/acc']:.2%}"
            self._give(cell, "pruned", f"explored by {self._scheduler}: {found}")
        elif self._scheduler:
            how_far = f"after epoch {last.get('epochs', 0)} of {cell.max_epochs}"
            self._give(cell, "pruned", f"ended by {self._scheduler} {how_far}")
        else:
            self._give(cell, "failed", "its process ended without a result")

    def _give(self, cell: Cell, status: Literal["failed", "pruned"], reason: str) -> None:
        """Give up a cell, unless another sweep has it by now, or has ended it. What befalls a cell
        that a scheduler changed says nothing of the cell as it is declared."""
        if self._scheduler == PBT and status == "failed":
            status, reason = "pruned", f"explored by {PBT}: {reason}"
        holder = self._lease.claim(cell.id)
        if holder is not None:
            self._held(cell, holder)
        elif not self.has_ended(cell):
            self._end(cell, self._store.cell(cell.id).give_up(cell, status, reason))

    def _held(self, cell: Cell, holder: str) -> None:
        self.again.append(cell)
        self._journal.cell_held(cell, holder)

    def _end(self, cell: Cell, result: Result) -> None:
        self._lease.release(cell.id)
        self._results[cell.id] = result
        self._journal.cell_ended(cell, result)


class StopsInTime(tune.Stopper):  # type: ignore[misc]
    """Ends all trials once the time is up or the watcher has seen the store fail."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """No single trial is ended."""
        return False

    def stop_all(self) -> bool:
        """Whether the sweep must stop."""
        return self._watcher.must_stop

    def __reduce__(self) -> tuple[type, tuple[()]]:
        """As the watcher's."""
        return tune.stopper.NoopStopper, ()


def _died(error: str) -> str:
    return " ".join(["its process died", *error.splitlines()[-1:]])

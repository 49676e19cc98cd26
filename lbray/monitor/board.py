"""The state of a sweep, as its events tell it."""

from __future__ import annotations

from collections.abc import Mapping, Set
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any

OUTCOMES = ("done", "failed", "pruned")
"""What can become of a cell; the status of its result."""


@dataclass(frozen=True)
class Running:
    """A cell that is being trained.

    Attributes:
        label: the cell's.
        max_epochs: the cell's.
        since: when it began, or continued.
        sweep: the id of the sweep that trains it.
        epochs: how many are finished.
        metrics: of the last one; empty before the first.
    """

    label: str
    max_epochs: int
    since: datetime
    sweep: str
    epochs: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Best:
    """A loss's best validation accuracy so far, and whose it is."""

    accuracy: float
    lam: float
    seed: int


@dataclass
class Board:
    """What is running, what came out, how long it will take.

    Begins empty; `apply` advances it by one event of `lbray.store.EventLog`. What the events
    are, and what each holds, is written there where they are made: `lbray.sweep.journal`.

    Attributes:
        state: ``waiting`` before the first sweep, then ``running``, ``finished`` or
            ``interrupted``; ``killed`` after `bury`.
        executor: who runs the cells.
        at_once: how many cells can run at the same time.
        cells: ids of all cells of the experiment.
        outcomes: per status of a result, the cells that have one, with the reason if there is one.
        running: by id.
        best: by loss.
        updated: when the last event happened.
        sweeps: the ids of those that began and have not ended.
    """

    state: str = "waiting"
    executor: str = ""
    at_once: int = 1
    cells: list[str] = field(default_factory=list)
    outcomes: dict[str, dict[str, str | None]] = field(
        default_factory=lambda: {status: {} for status in OUTCOMES}
    )
    running: dict[str, Running] = field(default_factory=dict)
    best: dict[str, Best] = field(default_factory=dict)
    updated: datetime | None = None
    sweeps: set[str] = field(default_factory=set)
    _seconds: list[float] = field(default_factory=list)

    @property
    def finished(self) -> int:
        """How many cells have a result of any kind."""
        return sum(map(len, self.outcomes.values()))

    @property
    def missing(self) -> list[str]:
        """The cells without a result, running or not."""
        ended = {cell for cells in self.outcomes.values() for cell in cells}
        return [cell for cell in self.cells if cell not in ended]

    def apply(self, event: Mapping[str, Any]) -> None:
        """Advance by one event; one of a kind or form that is not known here is passed over."""
        self.updated = datetime.fromisoformat(event["time"])
        handle = getattr(self, f"_on_{event['event']}", None)
        if handle is not None:
            with suppress(KeyError, TypeError, ValueError, AttributeError):
                handle(event)

    def seconds_left(self, now: datetime | None = None) -> float | None:
        """An estimate from the cells that are finished, or from epochs before the first is; None
        before the first epoch. Early stopping makes it an upper bound as a rule."""
        now = now or datetime.now(UTC)
        waiting = len(self.cells) - self.finished - len(self.running)  # counted at each event
        timed = [run for run in self.running.values() if "time/epoch_s" in run.metrics]
        if self._seconds:
            per_cell = sum(self._seconds) / len(self._seconds)
        elif timed:
            per_cell = max(run.metrics["time/epoch_s"] * run.max_epochs for run in timed)
        else:
            return None
        under_way = sum(
            max(0.0, per_cell - (now - run.since).total_seconds()) for run in self.running.values()
        )
        return (max(0, waiting) * per_cell + under_way) / self.at_once

    def bury(self, dead: Set[str]) -> None:
        """Take note that these sweeps do not live any more, though no event may have told so."""
        if self.sweeps and self.sweeps <= dead:
            self.state = "killed"
        self._keep(self.sweeps - dead)

    def to_json(self) -> dict[str, Any]:
        """All of it, JSON-ready."""
        return {
            "state": self.state,
            "updated": None if self.updated is None else self.updated.isoformat(),
            "executor": self.executor,
            "done": list(self.outcomes["done"]),
            "failed": self.outcomes["failed"],
            "pruned": self.outcomes["pruned"],
            "missing": self.missing,
            "running": {
                cell: {"label": run.label, "epochs": run.epochs, **run.metrics}
                for cell, run in self.running.items()
            },
            "best": {loss: asdict(best) for loss, best in self.best.items()},
            "seconds_left": self.seconds_left() if self.state == "running" else None,
        }

    def _on_sweep_started(self, event: Mapping[str, Any]) -> None:
        # of those that were heard of before, others may have been killed
        sweeps = self.sweeps.intersection(event["others"]) | {event["sweep"]}
        cells = [str(cell) for cell in event["cells"]]
        outcomes = {status: dict(event[status]) for status in OUTCOMES}
        best = {loss: Best(**best) for loss, best in event["best"].items()}
        self.executor, self.at_once = event["executor"], event["at_once"]
        self.state, self.cells, self.outcomes, self.best = "running", cells, outcomes, best
        self._seconds = []
        self._keep(sweeps)

    def _on_sweep_finished(self, event: Mapping[str, Any]) -> None:
        self._sweep_ended("finished", event)

    def _on_sweep_interrupted(self, event: Mapping[str, Any]) -> None:
        self._sweep_ended("interrupted", event)

    def _sweep_ended(self, state: str, event: Mapping[str, Any]) -> None:
        self._keep(self.sweeps - {event["sweep"]})
        if not self.sweeps:
            self.state = state

    def _keep(self, sweeps: set[str]) -> None:
        """Have these sweeps alone, and the cells that they train."""
        self.sweeps = sweeps
        self.running = {cell: run for cell, run in self.running.items() if run.sweep in sweeps}

    def _on_cell_started(self, event: Mapping[str, Any]) -> None:
        since = datetime.fromisoformat(event["time"])
        self.running[event["cell"]] = Running(
            event["label"], event["max_epochs"], since, event["sweep"]
        )

    def _on_epoch(self, event: Mapping[str, Any]) -> None:
        before = self.running.get(event["cell"])
        since = before.since if before else datetime.fromisoformat(event["time"])
        self.running[event["cell"]] = Running(
            event["label"],
            event["max_epochs"],
            since,
            event["sweep"],
            event["epochs"],
            event["metrics"],
        )

    def _on_cell_held(self, event: Mapping[str, Any]) -> None:
        self.running.pop(event["cell"], None)

    def _on_cell_done(self, event: Mapping[str, Any]) -> None:
        self._ended("done", event)
        self._seconds.append(event["seconds"])
        accuracy = event["metrics"]["val/acc"]
        best = self.best.get(event["loss"])
        if accuracy is not None and (best is None or accuracy > best.accuracy):
            self.best[event["loss"]] = Best(accuracy, event["lambda"], event["seed"])

    def _on_cell_failed(self, event: Mapping[str, Any]) -> None:
        self._ended("failed", event)

    def _on_cell_pruned(self, event: Mapping[str, Any]) -> None:
        self._ended("pruned", event)

    def _ended(self, status: str, event: Mapping[str, Any]) -> None:
        cell, reason = event["cell"], event["reason"]
        self.running.pop(cell, None)
        for cells in self.outcomes.values():
            cells.pop(cell, None)
        self.outcomes[status][cell] = reason

"""Where a training stands: what decides about learning rate, best weights and stopping."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from pydantic import TypeAdapter

from lbray.errors import DamagedArtefact


@dataclass
class Progress:
    """Counters over the finished epochs, JSON-ready.

    Attributes:
        epochs: how many are finished.
        best_epoch: the one with the best validation accuracy, counted from 0; −1 before the first.
        best_accuracy: that accuracy, a fraction.
        best_sha256: checksum of the stored weights of an earlier best epoch; None if the best
            epoch is the last one, whose weights are the current ones.
        seconds: spent in epochs so far, whichever processes ran them.
        history: one object of metrics per epoch.
    """

    epochs: int = 0
    best_epoch: int = -1
    best_accuracy: float = -1.0
    best_sha256: str | None = None
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)

    def add(self, metrics: dict[str, Any]) -> bool:
        """Count an epoch; returns whether it is the best so far (a tie is not)."""
        improved: bool = metrics["val/acc"] > self.best_accuracy
        if improved:
            self.best_epoch, self.best_accuracy = self.epochs, metrics["val/acc"]
            self.best_sha256 = None
        self.epochs += 1
        self.seconds += metrics["time/epoch_s"]
        self.history.append(metrics)
        return improved

    def exhausted(self, max_epochs: int, patience: int) -> bool:
        """Whether all epochs are done, or `patience` epochs brought no better accuracy."""
        return self.epochs >= max_epochs or self.epochs - 1 - self.best_epoch >= patience

    @classmethod
    def from_json(cls, stored: object) -> Progress:
        """What `to_json` returned.

        Raises:
            DamagedArtefact: it is nothing that `to_json` returns.
        """
        try:
            progress = _PROGRESS.validate_python(stored)
        except ValueError as problem:
            raise DamagedArtefact(f"not a training's progress ({problem})") from None
        if not 0 <= progress.best_epoch < progress.epochs == len(progress.history):
            raise DamagedArtefact("the progress of a training contradicts itself")
        return progress

    def to_json(self) -> dict[str, Any]:
        """All of it as plain values."""
        return asdict(self)


_PROGRESS = TypeAdapter(Progress)

"""What a `Watcher` hears of a trial, and whom it tells."""

from __future__ import annotations

from lbray.sweep.trial import GROUP


class Trial:
    """The trial of the first group of cells, as Tune hands it on."""

    trial_id, error_file, last_result = "one", None, None

    def __init__(self) -> None:
        self.config: dict[str, object] = {GROUP: 0}

    def set_config(self, config: dict[str, object]) -> None:
        self.config = config


class Journal:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []

    def __getattr__(self, event: str) -> object:
        return lambda cell, *_: self.told.append((event, cell.seed))

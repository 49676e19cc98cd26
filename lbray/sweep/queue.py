"""The groups of cells that wait for a trial, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ray.tune.search import Searcher

from lbray.spec import Cell
from lbray.sweep.trial import CELLS, pack


class Queue(Searcher):  # type: ignore[misc]
    """Gives each trial the next group of cells as its config.

    As a grid search over the groups would, but that copies all of them for every trial: ten
    thousand cells would take an hour.

    Args:
        groups: of cells, one group a trial.
    """

    def __init__(self, groups: Sequence[tuple[Cell, ...]]) -> None:
        super().__init__()
        self._waiting = list(reversed(groups))

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        """A config with the next group's cells; that it is finished when there is none."""
        if not self._waiting:
            return str(Searcher.FINISHED)
        return {CELLS: pack(self._waiting.pop())}

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Nothing that a trial found changes what comes next."""

    def save(self, checkpoint_path: str) -> None:
        """The store is what a sweep resumes from."""

    def restore(self, checkpoint_path: str) -> None:
        """See `save`."""

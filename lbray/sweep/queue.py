"""The groups of cells that wait for a trial, in their order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ray.tune.search import Searcher

from lbray.spec import Cell
from lbray.sweep.trial import GROUP


class Queue(Searcher):  # type: ignore[misc]
    """Gives each trial the number of the next group of cells.

    As a grid search over the numbers would, but that copies all of them for every trial: ten
    thousand cells would take an hour.

    Args:
        groups: of cells, one group a trial.
    """

    def __init__(self, groups: Sequence[tuple[Cell, ...]]) -> None:
        super().__init__()
        self._waiting = iter(enumerate(groups))

    def suggest(self, trial_id: str) -> dict[str, Any] | str:
        """A config with the next group's number, and what trackers are to show of a single cell;
        that it is finished when there is none."""
        number, cells = next(self._waiting, (None, ()))
        if number is None:
            return str(Searcher.FINISHED)
        return {GROUP: number} | (_shown(cells[0]) if len(cells) == 1 else {})

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Nothing that a trial found changes what comes next."""

    def save(self, checkpoint_path: str) -> None:
        """The store is what a sweep resumes from."""

    def restore(self, checkpoint_path: str) -> None:
        """See `save`."""


def _shown(cell: Cell) -> dict[str, Any]:
    return {
        "cell": cell.id,
        "dataset": cell.dataset,
        "backbone": cell.backbone,
        "loss": cell.loss_label,
        "lambda": cell.lam,
        "seed": cell.seed,
    }

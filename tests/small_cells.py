"""Cells that train in a second or so."""

from __future__ import annotations

from lbray.spec import Cell
from lbray.store import Store


def small_cell(**settings: object) -> Cell:
    """Three epochs on 600 digits, but for what `settings` say."""
    return Cell.of(
        **{
            "dataset": "digits",
            "seed": 0,
            "lambda": 0.0,
            "max_epochs": 3,
            "train_size": 600,
            "test_size": 200,
            **settings,
        }
    )


class StopAfter:
    """A reporter that ends a training after so many epochs."""

    def __init__(self, epochs: int) -> None:
        self._left = epochs

    def epoch(self, metrics: dict[str, float]) -> bool:
        self._left -= 1
        return self._left == 0


def assert_continued(store: Store, cell: Cell, before: list[dict[str, float]]) -> None:
    """The epochs that there were are the same ones, by their seconds: none was trained again."""
    assert before
    assert store.cell(cell.id).history()[: len(before)] == before

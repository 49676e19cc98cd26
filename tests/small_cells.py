"""Cells that train in a second or so."""

from __future__ import annotations

from lbray.spec import Cell


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

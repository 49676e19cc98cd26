"""How many epochs a cell needs to be as good as its baseline ever was."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from analysis.frame import with_columns
from analysis.setting import SETTING
from lbray.errors import DamagedArtefact
from lbray.store import Store

EPOCHS = "epochs/to_baseline"
REACHED = "epochs/to_baseline_reached"


def epochs_to(level: float, validation: ArrayLike) -> tuple[int, bool]:
    """The first epoch, counted from 1, whose validation reaches a level; and True.

    Where none does: how many epochs were watched, and False. The time is then censored: all that
    is known is that it is longer.

    Args:
        level: what is to be reached.
        validation: [epochs].
    """
    values = np.asarray(validation, dtype=float)
    reached = values >= level
    if reached.any():
        return int(reached.argmax()) + 1, True
    return len(values), False


def with_epochs_to_baseline(frame: pd.DataFrame, store: Store) -> pd.DataFrame:
    """Add ``epochs/to_baseline`` and ``epochs/to_baseline_reached`` from the cells' histories.

    The level is the best validation accuracy of the baseline of the same setting and seed, so the
    baseline itself reaches it at its best epoch. NaN where there is no such baseline, or where a
    history is damaged.

    Args:
        frame: from `analysis.load`.
        store: the store that it is from.
    """
    found: dict[object, tuple[float, float]] = {}
    for _, cells in frame.groupby(SETTING, dropna=False, sort=False):
        baselines = cells[cells["loss"] == "baseline"].set_index("seed")["val/acc"]
        for position, cell in cells.iterrows():
            level = float(baselines.get(cell["seed"], math.nan))
            history = _validation(store, cell["id"])
            known = not math.isnan(level) and bool(history)
            found[position] = epochs_to(level, history) if known else (math.nan, math.nan)
    columns = pd.DataFrame.from_dict(
        {position: [float(value) for value in pair] for position, pair in found.items()},
        orient="index",
        columns=[EPOCHS, REACHED],
    )
    return with_columns(frame, columns)


def _validation(store: Store, cell_id: str) -> list[float]:
    try:
        return [float(epoch["val/acc"]) for epoch in store.cell(cell_id).history()]
    except (DamagedArtefact, KeyError, TypeError):
        return []

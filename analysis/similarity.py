"""How alike the latent spaces of cells are."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.cka import linear_cka
from analysis.frame import with_columns
from analysis.outputs import outputs
from analysis.scores import keep_scores, kept_scores
from analysis.setting import SETTING, TREATMENT
from lbray.store import Store

PAIR = "cka:"
"""What the score of a pair of cells is kept under; the other's weights follow."""

_HELD = 12
"""Cells whose latents are in memory at a time: a treatment's seeds and their baselines."""


def with_similarity(
    frame: pd.DataFrame,
    store: Store,
    data_root: Path | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> pd.DataFrame:
    """Add ``cka/baseline`` and ``cka/seeds``: linear CKA of a cell's test latents with those of
    the baseline of its seed, and its mean with those of its treatment's other seeds.

    NaN where there is no such cell. Kept beside the cell, so that no pair is compared twice.

    Args:
        frame: from `with_structure`, which leaves out what has no finite latents.
        store: the store that it is from.
        data_root: where datasets lie.
        progress: called with a line before anything is compared.
    """

    @lru_cache(maxsize=_HELD)
    def latents(cell_id: str, sha256: str) -> NDArray[np.float32]:
        return outputs(store, cell_id, sha256, "test", data_root).latents

    def alike(one: pd.Series, other: pd.Series) -> float:
        weights, name = one["weights_sha256"], f"{PAIR}{other['weights_sha256']}"
        kept = kept_scores(store, one["id"], weights)
        if name not in kept:
            pair = [latents(cell["id"], cell["weights_sha256"]) for cell in (one, other)]
            kept[name] = linear_cka(*pair)
            keep_scores(store, one["id"], weights, kept)
        return kept[name]

    progress("comparing the cells' latents")
    found: dict[object, tuple[float, float]] = {}
    for _, cells in frame.groupby(SETTING, dropna=False, sort=False):
        baselines = {cell["seed"]: cell for _, cell in _baselines(cells).iterrows()}
        for _, group in cells.groupby(TREATMENT, sort=False):
            for position, cell in group.iterrows():
                baseline = baselines.get(cell["seed"])
                to_baseline = (
                    math.nan
                    if baseline is None or baseline["id"] == cell["id"]
                    else alike(cell, baseline)
                )
                others = [alike(cell, other) for i, other in group.iterrows() if i != position]
                found[position] = to_baseline, float(np.mean(others)) if others else math.nan
    columns = pd.DataFrame.from_dict(found, orient="index", columns=["cka/baseline", "cka/seeds"])
    return with_columns(frame, columns)


def _baselines(cells: pd.DataFrame) -> pd.DataFrame:
    return cells[cells["loss"] == "baseline"]

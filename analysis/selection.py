"""Choosing a treatment by validation, and what that choice is worth."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.setting import SETTING, TREATMENT
from analysis.statistics import mean_interval


def chosen(validation: ArrayLike) -> int:
    """The treatment with the best mean over seeds; the first of equals.

    Args:
        validation: [seeds, treatments]; NaN stands for a cell that is missing.

    Raises:
        ValueError: no treatment has a cell.
    """
    scores = np.asarray(validation, dtype=float)
    counts = np.sum(~np.isnan(scores), axis=0)
    sums = np.nansum(scores, axis=0)
    means = np.divide(sums, counts, where=counts > 0, out=np.full(len(sums), -np.inf))
    if not counts.any():
        raise ValueError("a treatment cannot be chosen without a validation score")
    return int(means.argmax())


def naive(validation: ArrayLike, test: ArrayLike) -> NDArray[np.float64]:
    """Each seed's test score by the treatment that all seeds' validation chose [seeds].

    Args:
        validation: [seeds, treatments].
        test: [seeds, treatments].
    """
    scores: NDArray[np.float64] = np.asarray(test, dtype=float)[:, chosen(validation)]
    return scores


def nested(validation: ArrayLike, test: ArrayLike) -> NDArray[np.float64]:
    """Each seed's test score by the treatment that the other seeds' validation chose [seeds].

    What a seed is judged by had no part in its choice, so that the mean is free of the optimism
    of choosing and judging by the same runs (Varma and Simon 2006). NaN for a lone seed.

    Args:
        validation: [seeds, treatments].
        test: [seeds, treatments].
    """
    scores, judged = np.asarray(validation, dtype=float), np.asarray(test, dtype=float)
    left = [np.delete(scores, seed, axis=0) for seed in range(len(scores))]
    return np.array(
        [
            math.nan if np.isnan(others).all() else judged[seed, chosen(others)]
            for seed, others in enumerate(left)
        ]
    )


def choices(frame: pd.DataFrame) -> pd.DataFrame:
    """What each loss is worth by the λ that validation chooses.

    Args:
        frame: from `analysis.load`.

    Returns:
        A row per setting and loss: the setting, `loss_label`, `lambda` and `warmup_epochs` (as all
        seeds chose), `candidates` (how many were tried), `n` (seeds that a nested choice could be
        made for), and the mean test accuracy's difference to the baseline of the same seed with
        the half-width of its 95% t-interval: `naive`, `naive_half_width`, `nested`,
        `nested_half_width`. NaN where there is no baseline, or one seed.
    """
    rows = []
    for setting, cells in frame.groupby(SETTING, dropna=False, sort=False):
        baseline = cells[cells["loss"] == "baseline"].set_index("seed")["test/acc"]
        losses = cells[cells["loss"] != "baseline"]
        for label, group in losses.groupby("loss_label", sort=False):
            tables = [
                group.pivot_table(index="seed", columns=TREATMENT[1:], values=metric)
                for metric in ("val/acc", "test/acc")
            ]
            validation, test = (table.to_numpy(dtype=float) for table in tables)
            test = test - baseline.reindex(tables[1].index).to_numpy(dtype=float)[:, None]
            plain, fair = (
                mean_interval(naive(validation, test)),
                mean_interval(nested(validation, test)),
            )
            rows.append(
                {
                    **dict(zip(SETTING, setting, strict=True)),
                    "loss_label": label,
                    **dict(zip(TREATMENT[1:], tables[0].columns[chosen(validation)], strict=True)),
                    "candidates": validation.shape[1],
                    "n": fair.n,
                    "naive": plain.mean,
                    "naive_half_width": plain.half_width,
                    "nested": fair.mean,
                    "nested_half_width": fair.half_width,
                }
            )
    return pd.DataFrame(rows)

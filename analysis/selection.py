"""Choosing a treatment by validation, and what that choice is worth."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from analysis.setting import SETTING, TREATMENT
from analysis.statistics import mean_interval


def chosen(validation: ArrayLike) -> int:
    """The treatment with the best mean over seeds; the first of equals.

    Args:
        validation: [seeds, treatments]; at least one of each, none missing.
    """
    means = np.asarray(validation, dtype=float).mean(axis=0)
    rounding = 1e-12
    return int(np.argmax(means >= means.max() - rounding))


def comparable(cells: pd.DataFrame) -> pd.DataFrame:
    """The validation accuracies of one loss that its λ is chosen by.

    Only the λ with the most seeds can be chosen, and they are compared on the seeds that all of
    them have, so that no λ is better for an easier seed. Where they share none, the smallest stands
    alone.

    Args:
        cells: of one loss in one setting, from `analysis.load`.

    Returns:
        A row per seed and a column per `lambda` and `warmup_epochs`, ascending; nothing is missing.
    """
    table = cells.pivot_table(index="seed", columns=TREATMENT[1:], values="val/acc")
    counts = table.notna().sum()
    most: pd.DataFrame = table.loc[:, counts == counts.max()]
    shared = most.dropna()
    return shared if len(shared) else most.iloc[:, :1].dropna()


def chosen_treatments(cells: pd.DataFrame) -> dict[str, tuple[Hashable, ...]]:
    """By loss, the treatment that validation chooses: the best mean of those that are `comparable`,
    the smallest λ of equals. Test is not consulted.

    Args:
        cells: of one setting, from `analysis.load`.

    Returns:
        For each ``loss_label`` but the baseline, the values of `TREATMENT`.
    """
    return {label: (label, *table.columns[chosen(table)]) for label, _, table in _candidates(cells)}


def _candidates(cells: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    """Each loss but the baseline: its ``loss_label``, its cells, and those `comparable`."""
    losses = cells[cells["loss"] != "baseline"]
    for label, group in losses.groupby("loss_label", sort=False):
        yield str(label), group, comparable(group)


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
    if len(scores) < 2:
        return np.full(len(scores), math.nan)
    left = [np.delete(scores, seed, axis=0) for seed in range(len(scores))]
    return np.array([judged[seed, chosen(others)] for seed, others in enumerate(left)])


def choices(frame: pd.DataFrame) -> pd.DataFrame:
    """What each loss is worth by the λ that validation chooses.

    Args:
        frame: from `analysis.load`.

    Returns:
        A row per setting and loss: the setting, `loss_label`, `lambda` and `warmup_epochs` (as all
        seeds chose, see `chosen_treatments`), `candidates` (how many were tried), `n` (seeds that
        all λ with the most seeds have, and the baseline has), and the mean test accuracy's
        difference to the baseline of the same seed with the half-width of its 95% t-interval:
        `naive`, `naive_half_width`, `nested`, `nested_half_width`. NaN where there is no baseline,
        or one seed.
    """
    rows = []
    for setting, cells in frame.groupby(SETTING, dropna=False, sort=False):
        baseline = cells[cells["loss"] == "baseline"].set_index("seed")["test/acc"]
        for label, group, table in _candidates(cells):
            tested = group.pivot_table(index="seed", columns=TREATMENT[1:], values="test/acc")
            tested = tested.reindex(index=table.index, columns=table.columns)
            validation = table.to_numpy(dtype=float)
            test = tested.sub(baseline.reindex(table.index), axis=0).to_numpy(dtype=float)
            plain, fair = (
                mean_interval(naive(validation, test)),
                mean_interval(nested(validation, test)),
            )
            rows.append(
                {
                    **dict(zip(SETTING, setting, strict=True)),
                    "loss_label": label,
                    **dict(zip(TREATMENT[1:], table.columns[chosen(validation)], strict=True)),
                    "candidates": group.groupby(TREATMENT).ngroups,
                    "n": plain.n,
                    "naive": plain.mean,
                    "naive_half_width": plain.half_width,
                    "nested": fair.mean,
                    "nested_half_width": fair.half_width,
                }
            )
    return pd.DataFrame(rows)

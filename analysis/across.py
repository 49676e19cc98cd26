"""Results over several datasets and few runs (Agarwal et al. 2021), and rankings of methods."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from analysis.selection import choices
from analysis.setting import SETTING, TREATMENT
from lbray.errors import InputError

FEWEST_DATASETS = 5
"""Below which ranks over datasets say nothing that a reader could not see."""

Runs = Sequence[NDArray[np.float64]]
"""The scores of one method: an array of runs per dataset."""


def interquartile_mean(runs: Runs) -> float:
    """The mean of the middle half of all scores, runs and datasets pooled.

    As `scipy.stats.trim_mean` has it: a quarter of the scores, rounded down, is cut off at each
    end.

    Args:
        runs: an array of scores per dataset.
    """
    return float(stats.trim_mean(np.concatenate(list(runs)), 0.25))


def probability_of_improvement(runs: Runs, other: Runs) -> float:
    """The probability that a run is better than the other method's on the same dataset, ties half,
    averaged over datasets.

    Args:
        runs: an array of scores per dataset.
        other: the same of the other method, datasets in the same order.
    """
    shares = []
    for mine, theirs in zip(runs, other, strict=True):
        gaps = np.asarray(mine)[:, None] - np.asarray(theirs)[None]
        shares.append(np.mean((gaps > 0) + 0.5 * (gaps == 0)))
    return float(np.mean(shares))


def performance_profile(runs: Runs, thresholds: ArrayLike) -> NDArray[np.float64]:
    """The share of runs that score above each threshold, averaged over datasets [T].

    Args:
        runs: an array of scores per dataset.
        thresholds: [T].
    """
    levels = np.asarray(thresholds, dtype=float)
    shares: NDArray[np.float64] = np.mean(
        [np.mean(np.asarray(scores)[:, None] > levels, axis=0) for scores in runs], axis=0
    )
    return shares


def stratified_bootstrap(
    statistic: Callable[..., float | NDArray[np.float64]],
    *methods: Runs,
    draws: int = 2_000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Lower and upper ends of a statistic's percentile interval; each dataset's runs are redrawn
    among themselves.

    The percentile interval is narrow where datasets times runs are few; where one dataset stands
    alone, use `mean_interval`.

    Args:
        statistic: of as many methods as are given, such as `interquartile_mean`.
        methods: their scores, an array of runs per dataset.
        draws: how many resamples.
        confidence: between 0 and 1.
        seed: the same gives the same interval.
    """
    generator = np.random.default_rng(seed)
    values = [
        statistic(
            *(
                [scores[generator.integers(len(scores), size=len(scores))] for scores in runs]
                for runs in methods
            )
        )
        for _ in range(draws)
    ]
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.asarray(values), [tail, 1 - tail], axis=0)
    return low, high


def critical_difference(
    scores: ArrayLike, alpha: float = 0.05
) -> tuple[NDArray[np.float64], float]:
    """Mean ranks of methods over datasets, and by how much two must differ (Nemenyi's test, as in
    Demšar 2006).

    Args:
        scores: [datasets, methods], larger is better.
        alpha: the level of the test.

    Returns:
        The mean ranks [methods], 1 for the best, and the critical difference.

    Raises:
        InputError: there are fewer than five datasets, or fewer than two methods.
    """
    table = np.asarray(scores, dtype=float)
    datasets, methods = table.shape
    if datasets < FEWEST_DATASETS:
        raise InputError(
            f"critical difference is of {datasets} datasets, but needs at least "
            f"{FEWEST_DATASETS}: mean ranks over fewer cannot tell methods apart."
        )
    if methods < 2:
        raise InputError(f"critical difference is of {methods} methods, but needs at least 2.")
    ranks = stats.rankdata(-table, axis=1).mean(axis=0)
    quantile = stats.studentized_range.ppf(1 - alpha, methods, np.inf) / math.sqrt(2)
    return ranks, float(quantile * math.sqrt(methods * (methods + 1) / (6 * datasets)))


def compare(frame: pd.DataFrame) -> pd.DataFrame:
    """Test accuracy over all settings of the losses that every setting has, by the λ that each
    setting's validation chose.

    Args:
        frame: from `analysis.load`.

    Returns:
        A row per loss, the baseline first: `loss_label`, `settings`, `runs`, `iqm` with its ends
        `iqm_low` and `iqm_high`, and the probability of improvement over the baseline, `improves`
        with `improves_low` and `improves_high` (NaN for the baseline itself). No rows where there
        are fewer than two datasets, or a setting without a baseline.
    """
    if frame["dataset"].nunique() < 2:
        return pd.DataFrame()
    picked = choices(frame)
    groups = [cells for _, cells in frame.groupby(SETTING, dropna=False, sort=False)]
    runs: dict[str, list[NDArray[np.float64]]] = {"baseline": []}
    for cells in groups:
        first = cells.iloc[:1][SETTING]
        best = picked.merge(first, on=SETTING)[TREATMENT] if len(picked) else pd.DataFrame()
        for label, group in [
            ("baseline", cells[cells["loss"] == "baseline"]),
            *cells.merge(best, on=TREATMENT).groupby("loss_label", sort=False),
        ]:
            runs.setdefault(str(label), []).append(group["test/acc"].to_numpy(dtype=float))
    everywhere = {
        label: scores
        for label, scores in runs.items()
        if len(scores) == len(groups) and all(map(len, scores))
    }
    if "baseline" not in everywhere:
        return pd.DataFrame()
    rows = []
    for label, scores in everywhere.items():
        low, high = stratified_bootstrap(interquartile_mean, scores)
        better = worse = improves = math.nan
        if label != "baseline":
            pair = scores, everywhere["baseline"]
            improves = probability_of_improvement(*pair)
            worse, better = map(float, stratified_bootstrap(probability_of_improvement, *pair))
        rows.append(
            {
                "loss_label": label,
                "settings": len(groups),
                "runs": sum(map(len, scores)),
                "iqm": interquartile_mean(scores),
                "iqm_low": float(low),
                "iqm_high": float(high),
                "improves": improves,
                "improves_low": worse,
                "improves_high": better,
            }
        )
    return pd.DataFrame(rows)

"""Results over several datasets and few runs (Agarwal et al. 2021), and rankings of methods."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from analysis.selection import chosen_treatments
from analysis.setting import SETTING, TREATMENT
from lbray.errors import InputError

FEWEST_DATASETS = 5
"""Below which ranks over datasets say nothing that a reader could not see."""

FEWEST_RUNS = 3
"""Per setting, below which no interval is shown: one of 95% over two settings covers 63% at 2."""

ENOUGH_RUNS = 5
"""Per setting, from which it covers about what it says; at 3 it covers 78%."""

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

    The percentile interval is too narrow below about five runs per dataset; where one dataset
    stands alone, use `mean_interval`.

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

    Every loss has the same seeds of a setting, those that all losses have there; and every setting
    counts alike, by as many of its seeds, the lowest.

    Args:
        frame: from `analysis.load`.

    Returns:
        A row per loss, the baseline first: `loss_label`, `datasets`, `settings`, `runs` (as many of
        each setting), `unused` (its other runs by the chosen λ), `iqm` with its ends `iqm_low` and
        `iqm_high`, and the probability of improvement over the baseline, `improves` with
        `improves_low` and `improves_high` (NaN for the baseline itself). The ends are NaN below
        three runs of a setting. No rows where there are fewer than two datasets, or a setting
        without a baseline or without a seed that all losses have.
    """
    if frame["dataset"].nunique() < 2:
        return pd.DataFrame()
    tables = [_scores(cells) for _, cells in frame.groupby(SETTING, dropna=False, sort=False)]
    labels = [label for label in tables[0] if all(label in table for table in tables)]
    shared = [table[labels].dropna() for table in tables]
    each = min(map(len, shared))
    if "baseline" not in labels or not each:
        return pd.DataFrame()
    runs = {label: [table[label].to_numpy()[:each] for table in shared] for label in labels}
    return pd.DataFrame(
        [
            {
                "loss_label": label,
                "datasets": frame["dataset"].nunique(),
                "settings": len(tables),
                "runs": each * len(tables),
                "unused": sum(int(table[label].count()) for table in tables) - each * len(tables),
                **_aggregates(runs[label], None if label == "baseline" else runs["baseline"]),
            }
            for label in labels
        ]
    )


def _scores(cells: pd.DataFrame) -> pd.DataFrame:
    """One setting's test accuracies: a row per seed, a column for the baseline and each loss."""
    parts = {"baseline": cells[cells["loss"] == "baseline"]}
    for label, treatment in chosen_treatments(cells).items():
        parts[label] = cells[(cells[TREATMENT] == list(treatment)).all(axis=1)]
    columns = {
        label: part.groupby("seed")["test/acc"].mean() for label, part in parts.items() if len(part)
    }
    return pd.DataFrame(columns).astype(float)


def _aggregates(runs: Runs, baseline: Runs | None) -> dict[str, float]:
    enough = min(map(len, runs)) >= FEWEST_RUNS

    def ends(statistic: Callable[..., float], *methods: Runs) -> tuple[float, float]:
        if not enough:
            return math.nan, math.nan
        low, high = stratified_bootstrap(statistic, *methods)
        return float(low), float(high)

    low, high = ends(interquartile_mean, runs)
    improves = worse = better = math.nan
    if baseline is not None:
        improves = probability_of_improvement(runs, baseline)
        worse, better = ends(probability_of_improvement, runs, baseline)
    return {
        "iqm": interquartile_mean(runs),
        "iqm_low": low,
        "iqm_high": high,
        "improves": improves,
        "improves_low": worse,
        "improves_high": better,
    }

"""Means with their intervals, as pure functions on arrays."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t


@dataclass(frozen=True)
class Interval:
    """A mean and the half-width of its interval.

    Attributes:
        n: how many values.
        mean: their mean; NaN for none.
        half_width: half the interval's width; NaN where there is no interval: below two values, and
            where all are equal, which shows no spread rather than none.
    """

    n: int
    mean: float
    half_width: float


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Student's t-interval of the mean of independent values (runs with different seeds).

    A t-interval keeps its coverage at n = 5, where a percentile bootstrap's falls to 84%.

    Args:
        values: [n]; NaN stands for a value that is missing.
        confidence: between 0 and 1.
    """
    present = np.asarray(values, dtype=float)
    present = present[~np.isnan(present)]
    n = len(present)
    if n < 2:
        return Interval(n, float(present[0]) if n else math.nan, math.nan)
    if np.ptp(present) <= 1e-12 * np.abs(present).max():
        return Interval(n, float(present.mean()), math.nan)
    standard_error = present.std(ddof=1) / math.sqrt(n)
    quantile = t.ppf((1 + confidence) / 2, n - 1)
    return Interval(n, float(present.mean()), float(quantile * standard_error))


def shared_pairs_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """As `mean_interval`, of values that are each run's mean over its pairs with the others.

    The two runs of a pair share its value, so the values are not independent, and vary less than
    what they have in common. The mean of them is that over all pairs, a U-statistic of degree 2,
    whose jackknife over runs (Arvesen 1969) comes to 2(n−1)/(n−2) times the plain standard error.

    Args:
        values: [n]; NaN stands for a value that is missing. The difference of two runs' such
            values, paired, may stand for a value.
        confidence: between 0 and 1.

    Returns:
        An interval whose half-width is NaN below three runs: one pair has no spread.
    """
    plain = mean_interval(values, confidence)
    factor = 2 * (plain.n - 1) / (plain.n - 2) if plain.n > 2 else math.nan
    return Interval(plain.n, plain.mean, factor * plain.half_width)

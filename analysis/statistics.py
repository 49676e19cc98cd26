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
        half_width: half the interval's width; NaN below two values, which have no interval.
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
    standard_error = present.std(ddof=1) / math.sqrt(n)
    quantile = t.ppf((1 + confidence) / 2, n - 1)
    return Interval(n, float(present.mean()), float(quantile * standard_error))

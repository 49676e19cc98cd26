"""Tests and effect sizes of paired differences, which a few seeds can carry."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

EXACT = 16
"""Up to so many pairs, all sign patterns are looked at."""
_DRAWS = 100_000


def sign_flip_p(differences: ArrayLike) -> float:
    """Two-sided p of the sign-flip (Fisher-Pitman) test of paired differences.

    The share of sign patterns whose mean is at least as far from 0 as the one seen: exact over
    all 2ⁿ up to 16 pairs, else over 100,000 drawn with a fixed seed, the one seen among them. It
    assumes that a difference would be as likely with the other sign, and no distribution.

    Args:
        differences: [n]; NaN stands for a pair that is missing.

    Returns:
        From `smallest_p` to 1; NaN without a pair.
    """
    seen = _present(differences)
    if not len(seen):
        return math.nan
    if len(seen) <= EXACT:
        signs = np.array(list(itertools.product((1, -1), repeat=len(seen))))
    else:
        drawn = np.random.default_rng(0).choice((1, -1), size=(_DRAWS, len(seen)))
        signs = np.vstack([np.ones(len(seen), dtype=int), drawn])
    sums = np.abs(signs @ seen)
    rounding = 1e-12 * np.abs(seen).sum()
    return float(np.mean(sums >= abs(seen.sum()) - rounding))


def smallest_p(n: int) -> float:
    """The smallest p that `sign_flip_p` can give for n pairs, 2¹⁻ⁿ: 0.0625 for five seeds."""
    return min(1.0, 2.0 ** (1 - n)) if n <= EXACT else 1 / (_DRAWS + 1)


def holm(ps: ArrayLike) -> NDArray[np.float64]:
    """p-values adjusted for one family of tests by Holm's step-down (Holm 1979), in their order.

    Args:
        ps: [m], one per test; NaN stands for a test that could not be made, and does not count.
    """
    raw = np.asarray(ps, dtype=float)
    adjusted = np.full(raw.shape, np.nan)
    order = [int(i) for i in np.argsort(raw) if not math.isnan(raw[i])]
    highest = 0.0
    for rank, position in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * float(raw[position])))
        adjusted[position] = highest
    return adjusted


def hedges_g(differences: ArrayLike) -> float:
    """Hedges' g of paired differences: their mean over their standard deviation (d_z, n − 1 in
    the denominator), times Γ((n−1)/2) / (√((n−1)/2) Γ((n−2)/2)), which takes out the bias of few
    pairs (Hedges 1981).

    In units of the spread between pairs, so it is larger than a g in units of the spread between
    runs where seeds move both cells of a pair alike.

    Args:
        differences: [n]; NaN stands for a pair that is missing.

    Returns:
        NaN below three pairs, for which the correction is not defined, and where all differences
        are the same.
    """
    seen = _present(differences)
    degrees = len(seen) - 1
    if degrees < 2 or np.ptp(seen) <= 1e-12 * np.abs(seen).max():
        return math.nan
    correction = math.exp(
        math.lgamma(degrees / 2) - math.lgamma((degrees - 1) / 2) - math.log(degrees / 2) / 2
    )
    return float(seen.mean() / seen.std(ddof=1) * correction)


def _present(values: ArrayLike) -> NDArray[np.float64]:
    given = np.asarray(values, dtype=float)
    present: NDArray[np.float64] = given[~np.isnan(given)]
    return present

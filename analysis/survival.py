"""Times until something happened, where some were only watched until they stopped."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray


def kaplan_meier(
    times: ArrayLike, happened: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The share to which it has not happened yet (Kaplan and Meier 1958).

    Args:
        times: [n], above 0: when it happened, or how long was watched.
        happened: [n], whether it did; the others are censored at their time.

    Returns:
        The times at which it happened to some, ascending, and the share just after each.
    """
    watched, event = np.asarray(times, dtype=float), np.asarray(happened, dtype=bool)
    moments = np.unique(watched[event])
    at_risk = np.array([np.sum(watched >= moment) for moment in moments])
    events = np.array([np.sum(watched[event] == moment) for moment in moments])
    return moments, np.cumprod(1 - events / at_risk) if len(moments) else moments


def known_until(times: ArrayLike, happened: ArrayLike) -> float:
    """Up to when `kaplan_meier` is known: the last time watched, or infinity where it had happened
    to all by then.

    Args:
        times: [n], above 0; at least one.
        happened: [n].
    """
    _, shares = kaplan_meier(times, happened)
    return math.inf if len(shares) and shares[-1] == 0 else float(np.max(times))


def restricted_mean(times: ArrayLike, happened: ArrayLike, horizon: float) -> float:
    """The mean time until it happened, or the horizon for those to whom it had not: the area under
    `kaplan_meier` up to the horizon (Royston and Parmar 2013).

    After the last time watched, the share stays what it was. NaN without a sample.

    Args:
        times: [n], above 0.
        happened: [n].
        horizon: above 0; the same for all that are compared.
    """
    if not np.size(times):
        return math.nan
    moments, shares = kaplan_meier(times, happened)
    inside = moments < horizon
    edges = np.concatenate([[0.0], moments[inside], [horizon]])
    heights = np.concatenate([[1.0], shares[inside]])
    return float(np.sum(np.diff(edges) * heights))

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from analysis import mean_interval
from analysis.statistics import Interval, shared_pairs_interval


def test_the_interval_is_students():
    values = np.random.default_rng(0).normal(size=5)
    interval = mean_interval(values)
    low, high = stats.t.interval(0.95, 4, loc=values.mean(), scale=stats.sem(values))
    assert interval.n == 5
    assert interval.mean - interval.half_width == pytest.approx(low)
    assert interval.mean + interval.half_width == pytest.approx(high)


def test_it_covers_the_mean_as_often_as_it_says():
    samples = np.random.default_rng(1).normal(size=(4000, 5))
    intervals = [mean_interval(sample) for sample in samples]
    covered = np.mean([abs(interval.mean) <= interval.half_width for interval in intervals])
    assert covered == pytest.approx(0.95, abs=0.012)


def test_one_value_has_no_interval_and_none_has_no_mean():
    one, none = mean_interval([0.5]), mean_interval([])
    assert (one.n, one.mean) == (1, 0.5)
    assert math.isnan(one.half_width)
    assert none.n == 0
    assert math.isnan(none.mean)


def test_values_that_are_all_equal_have_no_interval():
    interval = mean_interval([0.1 + 0.2, 0.3])
    assert interval.mean == pytest.approx(0.3)
    assert math.isnan(interval.half_width)


def test_missing_values_do_not_count():
    assert mean_interval([1.0, math.nan, 3.0]) == mean_interval([1.0, 3.0])


def test_an_interval_over_shared_pairs_is_the_jackknifes():
    pairs = np.random.default_rng(0).normal(size=(5, 5))
    pairs = (pairs + pairs.T) / 2
    values = (pairs.sum(axis=1) - pairs.diagonal()) / 4
    without = []
    for run in range(5):
        rest = np.delete(np.delete(pairs, run, axis=0), run, axis=1)
        without.append(rest[np.triu_indices(4, k=1)].mean())
    standard_error = math.sqrt(4 / 5 * np.square(np.array(without) - np.mean(without)).sum())
    interval = shared_pairs_interval(values)
    assert interval.mean == pytest.approx(pairs[np.triu_indices(5, k=1)].mean())
    assert interval.half_width == pytest.approx(stats.t.ppf(0.975, 4) * standard_error)


def test_an_interval_over_shared_pairs_covers_where_a_plain_one_does_not():
    runs = np.random.default_rng(1).normal(size=(2000, 5))
    pairs = runs[:, :, None] + runs[:, None, :]  # a pair's value, of mean 0
    values = (pairs.sum(axis=2) - 2 * runs) / 4

    def coverage(interval: Callable[..., Interval]) -> float:
        found = [interval(each) for each in values]
        return np.mean([abs(each.mean) <= each.half_width for each in found])

    assert coverage(shared_pairs_interval) == pytest.approx(0.95, abs=0.015)
    assert coverage(mean_interval) < 0.75


def test_one_pair_has_no_interval():
    assert math.isnan(shared_pairs_interval([0.5, 0.5]).half_width)

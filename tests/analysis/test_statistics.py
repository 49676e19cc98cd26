from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from analysis import mean_interval


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


def test_missing_values_do_not_count():
    assert mean_interval([1.0, math.nan, 3.0]) == mean_interval([1.0, 3.0])

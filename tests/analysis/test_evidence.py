"""Tests, effect sizes, censored times, choices and comparisons, each against another way."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis import across, selection, significance, survival
from lbray.errors import InputError

DIFFERENCES = np.array([0.3, -0.1, 0.5, 0.2, 0.4])


@pytest.mark.parametrize("n", [2, 5, 9])
def test_sign_flip_is_scipys_exact_permutation(n: int):
    values = np.random.default_rng(n).normal(0.4, 1, size=n)
    oracle = stats.permutation_test(
        (values, np.zeros(n)), lambda x, y: np.mean(x - y), permutation_type="samples"
    )
    assert significance.sign_flip_p(values) == pytest.approx(oracle.pvalue)


def test_five_pairs_cannot_give_less_than_a_sixteenth():
    assert significance.sign_flip_p([1, 2, 3, 4, 5]) == 0.0625 == significance.smallest_p(5)
    for n in range(1, 12):
        assert significance.sign_flip_p(np.arange(1, n + 1)) == significance.smallest_p(n)
    assert significance.sign_flip_p(np.zeros(4)) == 1
    assert significance.sign_flip_p([1.0, math.nan, 2.0]) == 0.5
    assert math.isnan(significance.sign_flip_p([]))


def test_many_pairs_are_drawn_repeatably():
    values = np.random.default_rng(0).normal(0.3, 1, size=40)
    p = significance.sign_flip_p(values)
    assert p == significance.sign_flip_p(values)
    assert p == pytest.approx(stats.ttest_1samp(values, 0).pvalue, abs=0.01)
    strong = significance.sign_flip_p(np.ones(40))
    assert strong == pytest.approx(significance.smallest_p(40), rel=1e-6)


def test_holm_rejects_step_by_step():
    ps = np.array([0.01, 0.04, 0.03, math.nan, 0.005])
    adjusted = significance.holm(ps)
    assert adjusted[[0, 1, 2, 4]] == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert math.isnan(adjusted[3])
    for alpha in (0.01, 0.02, 0.03, 0.05, 0.1):  # the procedure as Holm words it
        rejected, rest = set(), sorted((p, i) for i, p in enumerate(ps) if not math.isnan(p))
        for rank, (p, i) in enumerate(rest):
            if p > alpha / (len(rest) - rank):
                break
            rejected.add(i)
        assert rejected == {i for i, p in enumerate(adjusted) if p <= alpha}


def test_hedges_g_is_cohens_d_less_its_bias():
    n, d = 5, DIFFERENCES.mean() / DIFFERENCES.std(ddof=1)
    correction = math.gamma((n - 1) / 2) / (math.sqrt((n - 1) / 2) * math.gamma((n - 2) / 2))
    assert significance.hedges_g(DIFFERENCES) == pytest.approx(correction * d)
    samples = np.random.default_rng(0).normal(0.5, 1, size=(20_000, 5))
    assert np.mean([significance.hedges_g(x) for x in samples]) == pytest.approx(0.5, abs=0.02)
    for undefined in ([0.1, 0.2], [0.1, 0.1, 0.1], []):
        assert math.isnan(significance.hedges_g(undefined))


def test_kaplan_meier_is_scipys():
    generator = np.random.default_rng(1)
    times, happened = generator.integers(1, 15, size=40), generator.random(40) < 0.6
    moments, shares = survival.kaplan_meier(times, happened)
    oracle = stats.ecdf(stats.CensoredData(times[happened], right=times[~happened])).sf
    np.testing.assert_allclose(shares, oracle.evaluate(moments))
    grid = np.arange(0, 12, 0.001) + 0.0005
    area = oracle.evaluate(grid).sum() * 0.001
    assert survival.restricted_mean(times, happened, 12) == pytest.approx(area, abs=1e-3)


def test_without_censoring_the_restricted_mean_is_a_mean():
    times = np.array([3, 5, 5, 9])
    assert survival.restricted_mean(times, np.ones(4, bool), 20) == times.mean()
    assert survival.restricted_mean(times, np.ones(4, bool), 6) == np.minimum(times, 6).mean()
    assert survival.restricted_mean(times, np.zeros(4, bool), 20) == 20
    assert math.isnan(survival.restricted_mean([], [], 20))


def test_the_share_is_known_until_the_last_time_watched_or_for_ever():
    assert survival.known_until([3, 5], [True, True]) == math.inf
    assert survival.known_until([3, 5], [False, True]) == math.inf
    assert survival.known_until([3, 5], [True, False]) == 5
    assert survival.known_until([5, 5], [True, False]) == 5


def test_the_nested_choice_is_made_without_the_seed_that_it_is_judged_by():
    validation = np.array([[0.9, 0.5], [0.4, 0.6], [0.5, 0.6]])
    test = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    assert selection.chosen(validation) == 0  # means 0.6 and 0.567
    assert selection.naive(validation, test).tolist() == [1.0, 3.0, 5.0]
    assert selection.nested(validation, test).tolist() == [2.0, 3.0, 5.0]
    assert np.isnan(selection.nested(validation[:1], test[:1])).all()


def cells_by_lambda(validation: dict[float, dict[int, float]]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"loss": "own", "loss_label": "own", "lambda": lam, "warmup_epochs": 0}
            | {"seed": seed, "val/acc": accuracy}
            for lam, by_seed in validation.items()
            for seed, accuracy in by_seed.items()
        ]
    )


@pytest.mark.parametrize(
    ("validation", "expected"),
    [
        ({0.25: {0: 0.8, 1: 0.9}, 0.75: {1: 0.87}}, 0.25),  # the better mean is of the easy seed
        ({0.25: {0: 0.8, 1: 0.9}, 0.75: {1: 0.91, 2: 0.1}}, 0.75),  # on seed 1, which both have
        ({0.25: {0: 0.8}, 0.75: {1: 0.9}}, 0.25),  # nothing is shared
        ({0.75: {0: 0.1 + 0.2}, 0.25: {0: 0.3}}, 0.25),  # equal but for rounding
    ],
)
def test_lambda_is_chosen_on_seeds_that_all_candidates_have(
    validation: dict[float, dict[int, float]], expected: float
):
    found = selection.chosen_treatments(cells_by_lambda(validation))
    assert found == {"own": ("own", expected, 0)}


def test_nesting_takes_out_the_optimism_of_choosing():
    generator = np.random.default_rng(0)
    scores = generator.normal(size=(400, 4, 6))  # no treatment is better than another
    naive = np.mean([selection.naive(x, x) for x in scores])
    nested = np.mean([selection.nested(x, x) for x in scores])
    assert naive > 0.5
    assert nested == pytest.approx(0, abs=0.05)


RUNS = [np.random.default_rng(s).normal(s, 1, size=5) for s in range(3)]
OTHERS = [runs[::-1] - 0.5 for runs in RUNS]


def test_the_interquartile_mean_is_of_the_middle_half():
    pooled = sorted(x for runs in RUNS for x in runs)
    assert across.interquartile_mean(RUNS) == pytest.approx(np.mean(pooled[3:-3]))


def test_improvement_is_mann_whitneys():
    shares = [stats.mannwhitneyu(a, b).statistic / 25 for a, b in zip(RUNS, OTHERS, strict=True)]
    assert across.probability_of_improvement(RUNS, OTHERS) == pytest.approx(np.mean(shares))
    assert across.probability_of_improvement(RUNS, RUNS) == 0.5


def test_a_profile_counts_runs_above_each_threshold():
    found = across.performance_profile(RUNS, [-9.0, 1.0, 9.0])
    above = np.mean([sum(x > 1 for x in runs) / 5 for runs in RUNS])
    assert found.tolist() == pytest.approx([1, above, 0])


def test_the_bootstrap_redraws_runs_within_their_dataset():
    apart = [np.array([0.0, 1.0]), np.array([100.0, 101.0])]
    means: list[float] = []

    def mean(runs: across.Runs) -> float:
        assert all(set(drawn) <= set(given) for drawn, given in zip(runs, apart, strict=True))
        means.append(float(np.mean(np.concatenate(runs))))
        return means[-1]

    low, high = across.stratified_bootstrap(mean, apart, draws=500)
    assert (low, high) == tuple(np.quantile(means, [0.025, 0.975]))
    assert (low, high) == across.stratified_bootstrap(mean, apart, draws=500)
    wide = [np.random.default_rng(9).normal(size=400)]
    ends = across.stratified_bootstrap(lambda runs: float(np.mean(runs[0])), wide, draws=20_000)
    oracle = stats.bootstrap((wide[0],), np.mean, method="percentile", rng=1).confidence_interval
    np.testing.assert_allclose(ends, oracle, atol=0.006)


def test_the_critical_difference_is_demsars():
    scores = np.random.default_rng(2).normal(size=(14, 4))
    ranks, difference = across.critical_difference(scores)
    assert difference == pytest.approx(2.569 * math.sqrt(4 * 5 / (6 * 14)), abs=1e-3)
    expected = np.mean([[1 + sum(row > x) for x in row] for row in scores], axis=0)
    np.testing.assert_allclose(ranks, expected)


def test_ranks_over_few_datasets_are_refused():
    with pytest.raises(InputError, match="of 3 datasets, but needs at least 5"):
        across.critical_difference(np.zeros((3, 4)))

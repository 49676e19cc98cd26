from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import silhouette_samples as oracle

import analysis


def clusters(seed: int, size: int, dimensions: int, classes: int, spread: float):
    generator = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), generator.integers(0, classes, size - classes)])
    centres = generator.normal(size=(classes, dimensions))
    return centres[labels] + spread * generator.normal(size=(size, dimensions)), labels


@settings(deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 2**31),
    size=st.integers(12, 300),
    dimensions=st.sampled_from([1, 2, 64]),
    classes=st.integers(2, 10),
    spread=st.sampled_from([0.0, 1e-7, 1e-3, 1.0]),
    shift=st.sampled_from([0.0, 1e4]),
)
def test_it_is_scikit_learns(
    seed: int, size: int, dimensions: int, classes: int, spread: float, shift: float
):
    latents, labels = clusters(seed, size, dimensions, classes, spread)
    expected = oracle(latents, labels)
    scores = analysis.silhouette_samples(latents + shift, labels)
    np.testing.assert_allclose(scores, expected, atol=2e-4 if shift else 1e-6)
    assert analysis.silhouette(latents, labels) == pytest.approx(expected.mean(), abs=1e-6)


def test_it_is_equation_12_by_hand():
    latents = [[0.0], [1.0], [5.0], [7.0]]
    a, b = [1, 1, 2, 2], [6.0, 5.0, 4.5, 6.5]
    expected = [(bi - ai) / max(ai, bi) for ai, bi in zip(a, b, strict=True)]
    np.testing.assert_allclose(analysis.silhouette_samples(latents, [0, 0, 1, 1]), expected)


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch):
    import sys

    latents, labels = clusters(0, 200, 8, 4, 1.0)
    whole = analysis.silhouette_samples(latents, labels)
    monkeypatch.setattr(sys.modules["analysis.silhouette"], "_BLOCK", 37)
    np.testing.assert_allclose(analysis.silhouette_samples(latents, labels), whole, atol=1e-12)


def test_float32_latents_of_collapsed_classes_keep_their_digits():
    generator = np.random.default_rng(0)
    labels = np.arange(400) % 4
    points = 100 + np.eye(4)[labels] + 1e-4 * generator.normal(size=(400, 4))
    single = points.astype(np.float32)
    expected = oracle(single.astype(np.float64), labels).mean()
    assert analysis.silhouette(single, labels) == pytest.approx(expected, abs=1e-9)


def test_a_class_of_one_and_equal_latents_score_zero():
    scores = analysis.silhouette_samples([[0.0], [1.0], [9.0]], [0, 0, 1])
    assert scores[2] == 0
    assert analysis.silhouette(np.ones((6, 3)), np.arange(6) % 2) == 0


@pytest.mark.parametrize(
    ("latents", "labels", "message"),
    [
        ([[0.0], [1.0]], [0, 0], "at least two classes, not 1"),
        ([[0.0], [np.nan]], [0, 1], "must be finite"),
        ([0.0, 1.0], [0, 1], r"latents must be \[N, d\]"),
        ([[0.0], [1.0]], [0, 1, 2], r"labels \[N\]"),
    ],
)
def test_what_cannot_be_scored_is_said(latents: object, labels: object, message: str):
    with pytest.raises(ValueError, match=message):
        analysis.silhouette(latents, labels)

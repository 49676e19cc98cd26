"""Each measure against scikit-learn, scipy or a slow loop in float64."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy.spatial.distance import cdist, mahalanobis
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    calinski_harabasz_score,
    davies_bouldin_score,
    log_loss,
    roc_curve,
    silhouette_samples,
)

from analysis import calibration, dimension, margins, neural_collapse, novelty, separation
from analysis.cka import linear_cka
from analysis.linear_probe import linear_probe_accuracy
from analysis.neighbours import knn_accuracy, recall_at
from analysis.sample import stratified
from analysis.silhouette import silhouette_by_class


def clusters(seed: int = 0, size: int = 240, width: int = 6, classes: int = 4, spread: float = 1.0):
    generator = np.random.default_rng(seed)
    labels = np.concatenate([np.arange(classes), generator.integers(0, classes, size - classes)])
    centres = 2 * generator.normal(size=(classes, width))
    return centres[labels] + spread * generator.normal(size=(size, width)), labels


def simplex(classes: int) -> np.ndarray:
    """Corners of equal length whose angles are as large as they can be."""
    return np.eye(classes) - 1 / classes


LATENTS, LABELS = clusters()
MEANS = np.array([LATENTS[c == LABELS].mean(axis=0) for c in range(4)])
POINT, PAIRS = np.ones((6, 3)), np.arange(6) % 2


def test_silhouettes_by_class_are_means_of_scikit_learns():
    scores = silhouette_samples(LATENTS, LABELS)
    by_class = silhouette_by_class(scores, LABELS)
    assert by_class == pytest.approx({c: scores[c == LABELS].mean() for c in range(4)})


@pytest.mark.parametrize("scale", [1e-20, 1e-6, 1.0, 1e6])
def test_separation_is_scikit_learns_at_any_scale(scale: float):
    calinski = separation.calinski_harabasz(scale * LATENTS + 3 * scale, LABELS)
    davies = separation.davies_bouldin(scale * LATENTS + 3 * scale, LABELS)
    assert calinski == pytest.approx(calinski_harabasz_score(LATENTS, LABELS))
    assert davies == pytest.approx(davies_bouldin_score(LATENTS, LABELS))


def test_separation_says_nothing_where_nothing_can_be_said():
    for measure in (separation.calinski_harabasz, separation.davies_bouldin):
        assert math.isnan(measure(POINT, PAIRS))
        assert math.isnan(measure(LATENTS, np.zeros(len(LATENTS), int)))
        assert math.isnan(measure(np.eye(3), [0, 1, 2]))


@pytest.mark.parametrize("scale", [1e-9, 1.0])
def test_classes_of_one_mean_have_no_davies_bouldin(scale: float):
    latents = scale * np.array([[1, 0], [-1, 0], [0, 1], [0, -1], [9, 1], [9, -1]])
    assert math.isnan(separation.davies_bouldin(latents, [0, 0, 1, 1, 2, 2]))
    assert separation.davies_bouldin(latents, [0, 1, 0, 1, 2, 2]) > 0


def test_knn_accuracy_is_a_vote_of_the_nearest():
    train, train_labels = clusters(size=300)
    correct = 0
    for latent, label in zip(LATENTS, LABELS, strict=True):
        nearest = np.argsort(np.linalg.norm(train - latent, axis=1))[:7]
        correct += np.bincount(train_labels[nearest], minlength=4).argmax() == label
    assert knn_accuracy(train, train_labels, LATENTS, LABELS, k=7) == correct / len(LABELS)


def test_recall_looks_among_the_nearest_others():
    labels = np.append(LABELS, 9)  # alone in its class
    latents = np.vstack([LATENTS, LATENTS.mean(axis=0)])
    distances = cdist(latents, latents)
    np.fill_diagonal(distances, np.inf)
    order = np.argsort(distances, axis=1)
    found = recall_at(latents, labels, (1, 5))
    for k in (1, 5):
        hits = [labels[i] in labels[order[i, :k]] for i in range(len(LABELS))]
        assert found[k] == pytest.approx(np.mean(hits))
    assert math.isnan(recall_at(np.eye(3), [0, 1, 2], (1,))[1])


def test_the_probe_is_a_logistic_regression_on_training_latents():
    train, train_labels, test, test_labels = (
        LATENTS[:160],
        LABELS[:160],
        LATENTS[160:],
        LABELS[160:],
    )
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    oracle = LogisticRegression(solver="newton-cg", max_iter=500)
    oracle.fit((train - mean) / deviation, train_labels)
    expected = oracle.score((test - mean) / deviation, test_labels)
    assert expected > 0.8
    found = linear_probe_accuracy(train, train_labels, test, test_labels)
    assert found == pytest.approx(expected, abs=1 / len(test))
    assert math.isnan(linear_probe_accuracy(POINT, np.zeros(6), POINT, np.zeros(6)))


def test_nc1_is_a_trace_of_matrices():
    within, between = np.zeros((6, 6)), np.zeros((6, 6))
    centre = MEANS.mean(axis=0)
    for c in range(4):
        deviations = LATENTS[c == LABELS] - MEANS[c]
        within += deviations.T @ deviations / len(deviations) / 4
        between += np.outer(MEANS[c] - centre, MEANS[c] - centre) / 4
    expected = np.trace(within @ np.linalg.pinv(between, rcond=1e-10)) / 4
    assert neural_collapse.nc1(LATENTS, LABELS) == pytest.approx(expected)


def test_nc2_is_of_norms_and_angles():
    centred = MEANS - MEANS.mean(axis=0)
    norms = [math.sqrt(sum(x * x for x in row)) for row in centred]
    cosines = [
        sum(a * b for a, b in zip(centred[i], centred[j], strict=True)) / norms[i] / norms[j]
        for i, j in itertools.combinations(range(4), 2)
    ]
    expected = (
        np.std(norms) / np.mean(norms),
        np.std(cosines),
        np.mean(np.abs(np.add(cosines, 1 / 3))),
    )
    assert neural_collapse.nc2(LATENTS, LABELS) == pytest.approx(expected)


def test_nc3_and_nc4_are_of_classifier_and_centres():
    weights = np.random.default_rng(2).normal(size=(4, 6))
    centred = MEANS - MEANS.mean(axis=0)
    gap = weights / np.linalg.norm(weights) - centred / np.linalg.norm(centred)
    assert neural_collapse.nc3(LATENTS, LABELS, weights) == pytest.approx(np.linalg.norm(gap) ** 2)
    logits = LATENTS @ weights.T
    nearest = cdist(LATENTS, MEANS).argmin(axis=1)
    expected = np.mean(nearest != logits.argmax(axis=1))
    assert neural_collapse.nc4(LATENTS, LABELS, logits) == pytest.approx(expected)


def test_a_collapsed_simplex_has_no_distance_to_collapse():
    labels = np.arange(40) % 5
    latents = 7 + 3 * simplex(5)[labels]
    assert neural_collapse.nc1(latents, labels) == pytest.approx(0, abs=1e-20)
    assert neural_collapse.nc2(latents, labels) == pytest.approx((0, 0, 0), abs=1e-12)
    assert neural_collapse.nc3(latents, labels, 0.1 * simplex(5)) == pytest.approx(0, abs=1e-12)
    assert neural_collapse.nc4(latents, labels, simplex(5)[labels]) == 0


@pytest.mark.parametrize("labels", [PAIRS, np.zeros(6, int)], ids=["two classes", "one class"])
def test_collapse_of_a_point_is_undefined(labels: np.ndarray):
    logits = np.zeros((6, 2))
    assert math.isnan(neural_collapse.nc1(POINT, labels))
    assert all(map(math.isnan, neural_collapse.nc2(POINT, labels)))
    assert math.isnan(neural_collapse.nc3(POINT, labels, np.ones((2, 3))))
    assert math.isnan(neural_collapse.nc4(POINT, labels, logits))


@pytest.mark.parametrize(("size", "width"), [(240, 6), (12, 40)])
def test_dimensions_are_those_of_a_pca(size: int, width: int):
    latents, _ = clusters(3, size=size, width=width)
    variances = PCA().fit(latents).explained_variance_
    expected = int(np.argmax(np.cumsum(variances) / variances.sum() >= 0.95)) + 1
    assert dimension.components_for(latents, 0.95) == expected
    ratio = sum(variances) ** 2 / sum(v * v for v in variances)
    assert dimension.participation_ratio(latents) == pytest.approx(ratio)
    np.testing.assert_allclose(
        dimension.principal_variances(latents), variances, atol=1e-9 * variances[0]
    )


def test_dimensions_of_a_point_are_undefined():
    assert math.isnan(dimension.components_for(POINT))
    assert math.isnan(dimension.participation_ratio(POINT))


def test_margins_are_in_deviations_along_the_line_of_two_means():
    found = margins.margins(LATENTS, LABELS)
    for a, b in itertools.combinations(range(4), 2):
        line = (MEANS[a] - MEANS[b]) / np.linalg.norm(MEANS[a] - MEANS[b])
        spread = [np.var(LATENTS[c == LABELS] @ line) for c in (a, b)]
        expected = np.linalg.norm(MEANS[a] - MEANS[b]) / math.sqrt(sum(spread) / 2)
        assert found[a, b] == pytest.approx(expected)
        assert found[b, a] == pytest.approx(expected)
    np.testing.assert_allclose(margins.mean_distances(LATENTS, LABELS), cdist(MEANS, MEANS))
    assert np.isnan(margins.margins(POINT, PAIRS)).all()


def test_cka_is_of_centred_gram_matrices():
    one, other = LATENTS, np.random.default_rng(4).normal(size=(240, 3)) + LATENTS[:, :3]
    centring = np.eye(240) - 1 / 240
    first, second = (centring @ x @ x.T @ centring for x in (one, other))
    expected = np.sum(first * second) / math.sqrt(np.sum(first**2) * np.sum(second**2))
    assert linear_cka(one, other) == pytest.approx(expected)
    rotation = np.linalg.qr(np.random.default_rng(5).normal(size=(6, 6)))[0]
    assert linear_cka(one, 1e-9 * one @ rotation + 4e-9) == pytest.approx(1)
    assert math.isnan(linear_cka(POINT, POINT))
    with pytest.raises(ValueError, match="must be finite"):
        linear_cka([[np.nan]], [[1.0]])


LOGITS = 3 * np.random.default_rng(6).normal(size=(240, 4)) + 2 * np.eye(4)[LABELS]
PROBABILITIES = np.exp(LOGITS) / np.exp(LOGITS).sum(axis=1, keepdims=True)


def test_calibration_error_is_of_fifteen_bins():
    expected = 0.0
    for low, high in itertools.pairwise(np.linspace(0, 1, 16)):
        inside = [p for p in range(240) if low < PROBABILITIES[p].max() <= high]
        if inside:
            confidence = np.mean([PROBABILITIES[p].max() for p in inside])
            accuracy = np.mean([PROBABILITIES[p].argmax() == LABELS[p] for p in inside])
            expected += len(inside) / 240 * abs(accuracy - confidence)
    found = calibration.expected_calibration_error(LOGITS, LABELS)
    assert found == pytest.approx(expected)
    sure = 1e4 * np.eye(4)[LABELS]
    assert calibration.expected_calibration_error(sure, LABELS) == 0


def test_brier_and_likelihood_are_of_probabilities():
    expected = sum(
        (PROBABILITIES[p, c] - (c == LABELS[p])) ** 2 for p in range(240) for c in range(4)
    )
    assert calibration.brier_score(LOGITS, LABELS) == pytest.approx(expected / 240)
    likelihood = calibration.negative_log_likelihood(LOGITS, LABELS)
    assert likelihood == pytest.approx(log_loss(LABELS, PROBABILITIES))


def test_energy_is_minus_the_log_of_summed_exponentials():
    np.testing.assert_allclose(novelty.energy(LOGITS), -np.log(np.exp(LOGITS).sum(axis=1)))
    assert np.isfinite(novelty.energy([[1e4, 0.0]])).all()


def test_mahalanobis_is_to_the_nearest_mean_by_the_pooled_covariance():
    queries, _ = clusters(7, size=20)
    pooled = sum(
        np.outer(x - MEANS[c], x - MEANS[c]) for x, c in zip(LATENTS, LABELS, strict=True)
    ) / len(LATENTS)
    inverse = np.linalg.inv(pooled)
    expected = [min(mahalanobis(q, mean, inverse) ** 2 for mean in MEANS) for q in queries]
    np.testing.assert_allclose(novelty.mahalanobis(LATENTS, LABELS, queries), expected)


def test_mahalanobis_sees_what_leaves_the_plane_of_the_training_latents():
    flat = np.hstack([LATENTS, np.zeros((240, 1))])
    off = flat[:5] + np.eye(7)[6]
    inside = novelty.mahalanobis(flat, LABELS, flat[:5])
    np.testing.assert_allclose(inside, novelty.mahalanobis(LATENTS, LABELS, LATENTS[:5]), rtol=1e-6)
    assert (novelty.mahalanobis(flat, LABELS, off) > 1e3 * inside).all()


def test_neighbour_distance_is_to_the_kth_on_the_sphere():
    train, _ = clusters(8, size=60)
    unit = [x / np.linalg.norm(x) for x in (*train, *LATENTS)]
    distances = np.sort(cdist(unit[60:], unit[:60]), axis=1)
    np.testing.assert_allclose(novelty.neighbour_distance(train, LATENTS, k=5), distances[:, 4])


def test_detection_counts_pairs_and_passes():
    generator = np.random.default_rng(9)
    known, strange = generator.normal(size=200).round(1), generator.normal(1, size=150).round(1)
    wins = [(s > k) + 0.5 * (s == k) for s in strange for k in known]
    assert novelty.auroc(known, strange) == pytest.approx(np.mean(wins))
    truth = np.append(np.ones(200), np.zeros(150))  # scikit-learn's curve, known ones as positive
    false, true, _ = roc_curve(truth, -np.append(known, strange), drop_intermediate=False)
    assert novelty.fpr95(known, strange) == pytest.approx(false[np.argmax(true >= 0.95)])


def test_a_stratified_sample_keeps_shares_and_every_class():
    labels = np.repeat([0, 1, 2], [700, 299, 1])
    drawn = stratified(labels, 100)
    assert np.bincount(labels[drawn]).tolist() == [70, 30, 1]
    assert np.array_equal(drawn, stratified(labels, 100))
    assert len(np.unique(drawn)) == 101
    assert np.array_equal(stratified(labels, 1000), np.arange(1000))
    assert not np.array_equal(drawn, stratified(labels, 100, seed=1))


@pytest.mark.parametrize(
    "measure",
    [
        separation.calinski_harabasz,
        margins.margins,
        neural_collapse.nc1,
        lambda latents, labels: dimension.components_for(latents),
    ],
)
def test_latents_that_are_not_finite_are_refused(measure):
    with pytest.raises(ValueError, match="finite"):
        measure([[0.0], [np.nan]], [0, 1])

"""Out-of-distribution detection: scores of strangeness, and how well they tell images apart.

Every score is larger for what is stranger.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp

from analysis.labelled import Labelled


def energy(logits: ArrayLike) -> NDArray[np.float64]:
    """−log Σ exp(logit) of each sample [N] (Liu et al. 2020, at temperature 1).

    Args:
        logits: [N, num_classes].
    """
    scores: NDArray[np.float64] = -logsumexp(np.asarray(logits, dtype=np.float64), axis=1)
    return scores


def mahalanobis(
    train_latents: ArrayLike, train_labels: ArrayLike, latents: ArrayLike
) -> NDArray[np.float64]:
    """Squared Mahalanobis distance of each sample to the nearest class mean [N], by the pooled
    within-class covariance of the training latents (Lee et al. 2018).

    Directions in which no class spreads (dead units, collapsed classes) count by the smallest
    spread that float32 latents can tell from none, instead of not at all.

    Args:
        train_latents: [M, d].
        train_labels: [M].
        latents: [N, d].

    Raises:
        ValueError: see `Labelled.of`.
    """
    train = Labelled.of(train_latents, train_labels)
    deviations = train.deviations
    variances, directions = np.linalg.eigh(deviations.T @ deviations / len(deviations))
    largest = max(variances[-1], np.square(train.points).max(initial=0.0))
    floor = largest * np.finfo(np.float32).eps ** 2 or 1.0
    whiten = directions / np.sqrt(np.maximum(variances, floor))
    shift = np.asarray(train_latents, dtype=np.float64).mean(axis=0)
    queries = (np.asarray(latents, dtype=np.float64) - shift) @ whiten
    means = train.means @ whiten
    nearest = np.full(len(queries), np.inf)
    for mean in means:
        nearest = np.minimum(nearest, np.square(queries - mean).sum(axis=1))
    return nearest


def neighbour_distance(
    train_latents: ArrayLike, latents: ArrayLike, k: int = 50
) -> NDArray[np.float64]:
    """Distance of each sample to its k-th nearest training latent [N], latents scaled to length 1
    (Sun et al. 2022).

    Args:
        train_latents: [M, d].
        latents: [N, d].
        k: which neighbour; the farthest, where there are fewer.
    """
    from sklearn.neighbors import NearestNeighbors

    references = _unit(train_latents)
    finder = NearestNeighbors(n_neighbors=min(k, len(references)), algorithm="brute")
    distances, _ = finder.fit(references).kneighbors(_unit(latents))
    farthest: NDArray[np.float64] = distances[:, -1].astype(np.float64)
    return farthest


def auroc(known: ArrayLike, strange: ArrayLike) -> float:
    """The probability that a strange sample scores higher than a known one, ties half.

    Args:
        known: scores of samples from the distribution [N].
        strange: scores of samples from elsewhere [M].
    """
    from sklearn.metrics import roc_auc_score

    truth = np.concatenate([np.zeros(len(np.asarray(known))), np.ones(len(np.asarray(strange)))])
    return float(roc_auc_score(truth, np.concatenate([known, strange])))


def fpr95(known: ArrayLike, strange: ArrayLike) -> float:
    """The share of strange samples that pass where 95% of the known ones do.

    Args:
        known: scores of samples from the distribution [N].
        strange: scores of samples from elsewhere [M].
    """
    scores = np.sort(np.asarray(known, dtype=np.float64))
    threshold = scores[int(np.ceil(0.95 * len(scores))) - 1]
    return float(np.mean(np.asarray(strange) <= threshold))


def _unit(latents: ArrayLike) -> NDArray[np.float64]:
    points = np.asarray(latents, dtype=np.float64)
    lengths = np.linalg.norm(points, axis=1, keepdims=True)
    unit: NDArray[np.float64] = np.divide(points, lengths, where=lengths > 0, out=points * 0)
    return unit

"""Every loss once more, from the equations: float64, one sample, pair or triplet at a time."""

from __future__ import annotations

import math

import numpy as np

EPSILON = 1e-8
SMALLEST_SHARE = 1e-6


def unit(latents: np.ndarray) -> np.ndarray:
    return np.array([row / max(np.linalg.norm(row), 1e-12) for row in latents])


def mean_above_zero(terms: list[float]) -> float:
    above = [term for term in terms if term > 0]
    return sum(above) / len(above) if above else 0.0


def contrastive(latents, labels, form="pml", pos_margin=0.0, neg_margin=1.0) -> float:
    points = unit(latents) if form == "pml" else latents
    size = len(labels)
    if form == "pml":
        pull, push = [], []
        for i in range(size):
            for j in range(size):
                distance = np.linalg.norm(points[i] - points[j])
                if i != j and labels[i] == labels[j]:
                    pull.append(max(0.0, distance - pos_margin))
                elif i != j:
                    push.append(max(0.0, neg_margin - distance))
        return mean_above_zero(pull) + mean_above_zero(push)
    terms = []
    for i in range(size):
        for j in range(i + 1, size):
            distance = np.linalg.norm(points[i] - points[j])
            same = labels[i] == labels[j]
            terms.append(distance**2 if same else max(0.0, neg_margin - distance) ** 2)
    return sum(terms) / (2 * len(terms)) if terms else 0.0


def triplet(latents, labels, form="pml", margin=0.05) -> float:
    points = unit(latents) if form == "pml" else latents
    size = len(labels)
    terms = []
    for a in range(size):
        for p in range(size):
            for n in range(size):
                if p != a and labels[p] == labels[a] and labels[n] != labels[a]:
                    nearer = np.linalg.norm(points[a] - points[p])
                    terms.append(max(0.0, nearer - np.linalg.norm(points[a] - points[n]) + margin))
    if form == "pml":
        return mean_above_zero(terms)
    return sum(terms) / len(terms) if terms else 0.0


def n_pair(latents, labels, form="pml") -> float:
    points = unit(latents) if form == "pml" else latents
    pairs = []
    for label in sorted(set(labels)):
        members = [i for i, other in enumerate(labels) if other == label]
        if len(members) > 1:
            pairs.append((points[members[0]], points[members[1]]))
    terms = []
    for i, (anchor, positive) in enumerate(pairs):
        others = [
            math.exp(anchor @ q - anchor @ positive) for j, (_, q) in enumerate(pairs) if j != i
        ]
        terms.append(math.log(1 + sum(others)))
    return sum(terms) / len(terms) if terms else 0.0


def nearest_cluster(latents, labels, centroids) -> list[tuple[int, int]]:
    """Each sample's class, and which of the class's centroids [K, d] is nearest to it."""
    result = []
    for row, label in zip(latents, labels, strict=True):
        distances = [np.linalg.norm(row - centroid) for centroid in centroids[label]]
        result.append((label, distances.index(min(distances))))
    return result


def _groups(latents, labels):
    """Means and variances by cluster, or by class where that is what `labels` name."""
    members = {
        label: np.array([row for row, other in zip(latents, labels, strict=True) if other == label])
        for label in sorted(set(labels))
    }
    means = {label: rows.mean(axis=0) for label, rows in members.items()}
    own = {label: ((rows - means[label]) ** 2).sum() for label, rows in members.items()}
    floor = SMALLEST_SHARE * ((latents - latents.mean(axis=0)) ** 2).sum() / len(latents)
    pooled = max(sum(own.values()) / max(1, len(latents) - 1), floor)
    own_variances = {
        label: max(own[label] / (len(rows) - 1), floor) if len(rows) > 1 else pooled
        for label, rows in members.items()
    }
    return means, pooled, own_variances


def magnet(latents, labels, alpha=1.0, hinge=False, variance=None, clusters=None) -> float:
    """`variance` stands in for σ² where the gradient is not to flow through it; `clusters` names
    each sample's cluster, a pair of its class and a number."""
    clusters = [(label, 0) for label in labels] if clusters is None else clusters
    means, pooled, _ = _groups(latents, clusters)
    if len(set(labels)) < 2 or len(means) == len(labels):
        return 0.0
    variance = pooled if variance is None else variance
    terms = []
    for row, cluster in zip(latents, clusters, strict=True):
        numerator = ((row - means[cluster]) ** 2).sum() / (2 * variance) + alpha
        denominators = [
            -((row - mean) ** 2).sum() / (2 * variance)
            for other, mean in means.items()
            if other[0] != cluster[0]
        ]
        term = numerator + np.logaddexp.reduce(denominators)
        terms.append(max(0.0, term) if hinge else term)
    return float(np.mean(terms))


def kept_components(latents: np.ndarray, threshold: float) -> np.ndarray:
    """W [d, k] by the singular value decomposition of the centred batch."""
    _, singular, directions = np.linalg.svd(latents - latents.mean(axis=0), full_matrices=False)
    variances = singular**2 / max(1, len(latents) - 1)
    for k in range(1, len(variances) + 1):
        if variances[:k].sum() / variances.sum() >= threshold:
            return directions[:k].T
    return directions.T


def schedules(epoch: int, max_epochs: int, alpha_0=1.0, beta_0=1.0) -> tuple[float, float]:
    alpha = 1 + alpha_0 * math.exp(-epoch / (1.05 * max_epochs))
    return alpha, max(beta_0 * (1 - epoch / (0.2 * max_epochs)), EPSILON)


def latent_boost(
    latents,
    labels,
    epoch=0,
    max_epochs=1,
    alpha_0=1.0,
    beta_0=1.0,
    beta="factor",
    sigma="negative",
    pca_threshold=0.95,
    hinge=False,
    projection=None,
    variances=None,
    clusters=None,
) -> float:
    """`projection` and `variances` stand in for W and σ² where they are constants; `clusters` names
    each sample's cluster, a pair of its class and a number."""
    clusters = [(label, 0) for label in labels] if clusters is None else clusters
    if pca_threshold is not None:
        latents = latents @ (
            kept_components(latents, pca_threshold) if projection is None else projection
        )
    means, _, own_variances = _groups(latents, clusters)
    if len(set(labels)) < 2 or len(means) == len(labels):
        return 0.0
    own_variances = own_variances if variances is None else variances
    alpha, beta_now = schedules(epoch, max_epochs, alpha_0, beta_0)
    terms = []
    for row, cluster in zip(latents, clusters, strict=True):
        inter = 0.0
        for other, mean in means.items():
            if other[0] != cluster[0]:
                scale = own_variances[other if sigma == "negative" else cluster]
                exponent = ((row - mean) ** 2).sum() / (2 * scale)
                if beta == "factor":
                    inter += beta_now * math.exp(-exponent)
                else:
                    inter += math.exp(-exponent * beta_now)
        intra = ((row - means[cluster]) ** 2).sum() / (2 * own_variances[cluster])
        term = intra + alpha + math.log(inter + EPSILON)
        terms.append(max(0.0, term) if hinge else term)
    return float(np.mean(terms))


def cluster_variances(latents, clusters) -> dict[tuple[int, int], float]:
    return _groups(latents, clusters)[2]


def pooled_variance(latents, clusters) -> float:
    return _groups(latents, clusters)[1]


def gradient(function, latents: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """Central differences."""
    result = np.zeros_like(latents)
    for index in np.ndindex(latents.shape):
        shifted = latents.copy()
        shifted[index] += step
        above = function(shifted)
        shifted[index] -= 2 * step
        result[index] = (above - function(shifted)) / (2 * step)
    return result

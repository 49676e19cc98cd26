"""Neural collapse, NC1 to NC4 (Papyan, Han and Donoho 2020), each falling to 0 as it sets in.

The paper measures the training images' last features. Here any latents may be given; what is
reported as ``test/nc…`` is of the test images' latents, where collapse is the harder claim.
With fewer than two classes, or all class means in one point, a measure is NaN.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.labelled import Labelled


def nc1(latents: ArrayLike, labels: ArrayLike) -> float:
    """Variability collapse: Tr(Σ_W Σ_B⁺) / C, Σ_W within and Σ_B between classes.

    Args:
        latents: [N, d].
        labels: [N].

    Raises:
        ValueError: see `Labelled.of`.
    """
    data = Labelled.of(latents, labels)
    centred = _centred_means(data)
    _, strengths, directions = np.linalg.svd(centred, full_matrices=False)
    rank = min(len(centred) - 1, centred.shape[1])
    kept = strengths[:rank] > strengths[:1] * 1e-12
    strengths, directions = strengths[:rank][kept], directions[:rank][kept]
    if not len(strengths):
        return math.nan
    # Σ_B⁺ acts on its own few directions only, so d × d matrices are never made
    within = np.square(data.deviations @ directions.T)
    balanced = _class_averages(within, data).mean(axis=0)
    return float((balanced / np.square(strengths)).sum())


def nc2(latents: ArrayLike, labels: ArrayLike) -> tuple[float, float, float]:
    """Convergence of the class means to a simplex equiangular tight frame.

    Args:
        latents: [N, d].
        labels: [N].

    Returns:
        Equal norms (the norms' standard deviation over their mean), equal angles (the standard
        deviation of the cosines of all pairs of means), and largest angles (the mean distance of
        these cosines to −1/(C−1)).

    Raises:
        ValueError: see `Labelled.of`.
    """
    centred = _centred_means(Labelled.of(latents, labels))
    norms = np.linalg.norm(centred, axis=1)
    if len(centred) < 2 or not norms.all():
        return math.nan, math.nan, math.nan
    directions = centred / norms[:, None]
    cosines = (directions @ directions.T)[np.triu_indices(len(centred), k=1)]
    farthest = -1 / (len(centred) - 1)
    return (
        float(norms.std() / norms.mean()),
        float(cosines.std()),
        float(np.abs(cosines - farthest).mean()),
    )


def nc3(latents: ArrayLike, labels: ArrayLike, classifier: ArrayLike) -> float:
    """Self-duality: ‖W/‖W‖ − M/‖M‖‖² of the classifier's rows and the centred class means
    (Frobenius norms), from 0 to 4.

    Args:
        latents: [N, d].
        labels: [N], positions of rows of the classifier.
        classifier: [num_classes, d], the weights that turn latents to logits.

    Raises:
        ValueError: see `Labelled.of`.
    """
    data = Labelled.of(latents, labels)
    weights, centred = np.asarray(classifier, dtype=np.float64)[data.classes], _centred_means(data)
    norms = np.linalg.norm(weights), np.linalg.norm(centred)
    if len(centred) < 2 or not all(norms):
        return math.nan
    return float(np.square(weights / norms[0] - centred / norms[1]).sum())


def nc4(latents: ArrayLike, labels: ArrayLike, logits: ArrayLike) -> float:
    """Collapse to the nearest class centre: the share of samples that the network puts into
    another class than the one whose mean is nearest, from 0 to 1.

    Args:
        latents: [N, d].
        labels: [N], positions of columns of the logits.
        logits: [N, num_classes].

    Raises:
        ValueError: see `Labelled.of`.
    """
    data = Labelled.of(latents, labels)
    if len(data.classes) < 2 or np.allclose(data.means, data.means[0], rtol=0, atol=0):
        return math.nan
    distances = np.square(data.means).sum(axis=1) - 2 * data.points @ data.means.T
    nearest = data.classes[distances.argmin(axis=1)]
    return float(np.mean(nearest != np.asarray(logits).argmax(axis=1)))


def _centred_means(data: Labelled) -> NDArray[np.float64]:
    """Class means less the mean of the class means, so that classes weigh the same."""
    centred: NDArray[np.float64] = data.means - data.means.mean(axis=0)
    scale = np.abs(data.points).max(initial=0.0)
    if np.abs(centred).max(initial=0.0) <= 1e-12 * scale:  # rounding, not classes
        return np.zeros_like(centred)
    return centred


def _class_averages(values: NDArray[np.float64], data: Labelled) -> NDArray[np.float64]:
    sums = np.zeros((len(data.classes), values.shape[1]))
    np.add.at(sums, data.codes, values)
    averages: NDArray[np.float64] = sums / data.counts[:, None]
    return averages

"""How far apart classes lie: distances and margins between their means."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.labelled import Labelled


def mean_distances(latents: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """Euclidean distances between class means [C, C], classes in ascending order.

    Args:
        latents: [N, d].
        labels: [N].

    Raises:
        ValueError: see `Labelled.of`.
    """
    means = Labelled.of(latents, labels).means
    distances: NDArray[np.float64] = np.linalg.norm(means[:, None] - means[None], axis=2)
    return distances


def margins(latents: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """The margin of each pair of classes [C, C]: the distance of their means in standard
    deviations along the line between them, d′ = ‖μ_a − μ_b‖ / √((s_a² + s_b²)/2).

    This is the sensitivity index of signal detection (Green and Swets 1966), taken along the line
    that a nearest-mean classifier decides by: spread that is at right angles to it hides no
    margin. s² has N_c in the denominator. Infinite between two points that differ; NaN on the
    diagonal, and between classes of the same mean that have no spread.

    Args:
        latents: [N, d].
        labels: [N].

    Raises:
        ValueError: see `Labelled.of`.
    """
    data = Labelled.of(latents, labels)
    deviations, size = data.deviations, len(data.classes)
    gaps = data.means[:, None] - data.means[None]
    distances = np.linalg.norm(gaps, axis=2)
    lines = np.divide(gaps, distances[..., None], where=distances[..., None] > 0, out=gaps * 0)
    along = np.empty((size, size))
    for position in range(size):
        own = deviations[data.codes == position]
        along[position] = np.square(own @ lines[position].T).mean(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: NDArray[np.float64] = distances / np.sqrt((along + along.T) / 2)
    np.fill_diagonal(found, np.nan)
    return found

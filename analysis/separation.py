"""Between-class against within-class spread: Calinski-Harabasz and Davies-Bouldin.

Both as scikit-learn has them, but NaN where they say nothing: with fewer than two classes, no more
samples than classes, or classes that are all points; Davies-Bouldin also where two means are one.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import pdist

from analysis.labelled import Labelled


def calinski_harabasz(latents: ArrayLike, labels: ArrayLike) -> float:
    """Between-class over within-class variance (Caliński and Harabasz 1974); larger is tighter.

    Args:
        latents: [N, d].
        labels: [N].

    Raises:
        ValueError: see `Labelled.of`.
    """
    from sklearn.metrics import calinski_harabasz_score

    data = Labelled.of(latents, labels)
    if not _has_spread(data):
        return math.nan
    return float(calinski_harabasz_score(_scaled(data), data.codes))


def davies_bouldin(latents: ArrayLike, labels: ArrayLike) -> float:
    """The mean over classes of the worst ratio of two classes' radii to the distance of their
    means (Davies and Bouldin 1979); smaller is tighter.

    NaN where two classes have the same mean: their ratio has no end.

    Args:
        latents: [N, d].
        labels: [N].

    Raises:
        ValueError: see `Labelled.of`.
    """
    data = Labelled.of(latents, labels)
    if not _has_spread(data) or _has_equal_means(data):
        return math.nan
    from sklearn.metrics import davies_bouldin_score

    return float(davies_bouldin_score(_scaled(data), data.codes))


def _has_spread(data: Labelled) -> bool:
    return 2 <= len(data.classes) < len(data.points) and bool(np.any(data.deviations))


def _has_equal_means(data: Labelled) -> bool:
    """Whether two means are nearer than what scikit-learn takes for nothing."""
    return bool(pdist(data.means / data.points.std()).min() < 1e-8)


def _scaled(data: Labelled) -> NDArray[np.float64]:
    """The points at a spread of about 1: scikit-learn takes 1e-8 for nothing at any scale."""
    scaled: NDArray[np.float64] = data.points / data.points.std()
    return scaled

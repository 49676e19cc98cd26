"""Latents with their classes: the one place where they are checked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, eq=False)
class Labelled:
    """Latents by class, in float64.

    Attributes:
        points: the latents [N, d], less their mean: every measure here is blind to a shift, and
            small numbers keep more digits.
        classes: the labels that occur, ascending [C].
        codes: each sample's position in `classes` [N].
        counts: samples per class [C], at least 1.
        means: class means [C, d].
    """

    points: NDArray[np.float64]
    classes: NDArray[np.int64]
    codes: NDArray[np.int64]
    counts: NDArray[np.int64]
    means: NDArray[np.float64]

    @classmethod
    def of(cls, latents: ArrayLike, labels: ArrayLike) -> Self:
        """Check and group latents.

        Args:
            latents: [N, d], finite.
            labels: [N], whole numbers.

        Raises:
            ValueError: shapes do not match, there is no sample, or a latent is not finite.
        """
        points = np.asarray(latents, dtype=np.float64)
        truth = np.asarray(labels)
        if points.ndim != 2 or truth.shape != (len(points),) or not len(points):
            raise ValueError(
                f"latents must be [N, d] and labels [N] with N ≥ 1, not {list(points.shape)} and "
                f"{list(truth.shape)}"
            )
        if not np.isfinite(points).all():
            raise ValueError("latents must be finite, but some are NaN or infinite")
        points = points - points.mean(axis=0)
        classes, codes, counts = np.unique(truth, return_inverse=True, return_counts=True)
        means = np.zeros((len(classes), points.shape[1]))
        np.add.at(means, codes, points)
        return cls(points, classes, codes, counts, means / counts[:, None])

    @property
    def deviations(self) -> NDArray[np.float64]:
        """Each sample less its class's mean [N, d]."""
        return self.points - self.means[self.codes]

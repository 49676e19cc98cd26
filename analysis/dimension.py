"""How many dimensions the latents use, by the variance along their principal components."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray


def components_for(latents: ArrayLike, share: float = 0.95) -> float:
    """The smallest number of principal components that hold this share of the variance (Eq. 8 of
    the paper, on all latents instead of a batch); NaN where there is no variance.

    Args:
        latents: [N, d], finite.
        share: above 0, at most 1.

    Raises:
        ValueError: `latents` is no finite matrix.
    """
    variances = principal_variances(latents)
    if not variances.any():
        return math.nan
    cumulative = np.cumsum(variances) / variances.sum()
    return float(np.searchsorted(cumulative, share - 1e-12) + 1)


def participation_ratio(latents: ArrayLike) -> float:
    """(Σv)² / Σv² of the principal components' variances v, from 1 to d (Gao et al. 2017); NaN
    where there is no variance.

    Args:
        latents: [N, d], finite.

    Raises:
        ValueError: `latents` is no finite matrix.
    """
    variances = principal_variances(latents)
    if not variances.any():
        return math.nan
    return float(variances.sum() ** 2 / np.square(variances).sum())


def principal_variances(latents: ArrayLike) -> NDArray[np.float64]:
    """Variances along the principal components, falling, as many as the smaller of N and d.

    Args:
        latents: [N, d], finite.

    Raises:
        ValueError: `latents` is no finite matrix.
    """
    points = np.asarray(latents, dtype=np.float64)
    if points.ndim != 2 or not len(points) or not np.isfinite(points).all():
        raise ValueError(f"latents must be a finite [N, d], not {list(points.shape)} or with NaN")
    centred = points - points.mean(axis=0)
    # the smaller of the two Gram matrices has the same eigenvalues and is far cheaper than an SVD
    gram = centred @ centred.T if len(centred) < centred.shape[1] else centred.T @ centred
    variances: NDArray[np.float64] = np.linalg.eigvalsh(gram)[::-1].clip(min=0)
    return variances / max(len(points) - 1, 1)

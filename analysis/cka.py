"""Linear centred kernel alignment of two networks' latents (Kornblith et al. 2019)."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray


def linear_cka(one: ArrayLike, other: ArrayLike) -> float:
    """‖YᵀX‖² / (‖XᵀX‖ ‖YᵀY‖) of centred latents (Frobenius norms), from 0 to 1.

    1 for latents that differ by rotation, shift and scale alone; NaN where either has no variance.

    Args:
        one: [N, d].
        other: [N, e], of the same samples in the same order.

    Raises:
        ValueError: they are not of the same number of samples, or not finite.
    """
    first, second = np.asarray(one, dtype=np.float64), np.asarray(other, dtype=np.float64)
    if first.ndim != 2 or second.ndim != 2 or len(first) != len(second):
        raise ValueError(
            f"latents must be [N, d] and [N, e], not {list(first.shape)} and {list(second.shape)}"
        )
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("latents must be finite, but some are NaN or infinite")
    first, second = _unit(first), _unit(second)
    own = np.linalg.norm(first.T @ first), np.linalg.norm(second.T @ second)
    if not all(own):
        return math.nan
    return float(np.linalg.norm(second.T @ first) ** 2 / (own[0] * own[1]))


def _unit(latents: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centred, and of Frobenius norm 1, so that no scale over- or underflows."""
    centred: NDArray[np.float64] = latents - latents.mean(axis=0)
    norm = np.linalg.norm(centred)
    return np.divide(centred, norm) if norm else centred

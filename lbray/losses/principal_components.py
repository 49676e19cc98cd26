"""The subspace of a batch that holds a share of its variance (Eq. 6–8 of the paper)."""

from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def principal_components(latents: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """The fewest principal components whose variances sum to a share of the total.

    By the eigenvectors of the smaller of the two Gram matrices; a constant, through which no
    gradient flows. In float64: latents that are equal in float32 are then equal after centring,
    whereas the rounding that float32 leaves there can make the decomposition fail.

    Args:
        latents: [B, d].
        threshold: the share, in (0, 1].

    Returns:
        W [d, min(B, d)], whose columns are orthonormal for the components that are kept and zero
        for the others, so that ``latents @ W`` projects without a data-dependent shape; and how
        many are kept, 0 only if all latents are equal.
    """
    points = latents.double()
    points = points - points.mean(dim=0)
    samples, dimensions = points.shape
    if dimensions <= samples:
        variances, directions = _eigh(points.T @ points)
    else:
        variances, weights = _eigh(points @ points.T)
        directions = points.T @ weights
        directions = directions / directions.norm(dim=0).clamp(min=torch.finfo(points.dtype).tiny)
    variances, directions = variances.flip(0).clamp(min=0), directions.flip(1)
    held_before = variances.cumsum(0) - variances
    resolved = variances > max(latents.shape) * torch.finfo(variances.dtype).eps * variances[0]
    kept = (held_before < threshold * variances.sum()) & resolved
    return (directions * kept).to(latents.dtype), kept.sum()


def _eigh(gram: Tensor) -> tuple[Tensor, Tensor]:
    """`torch.linalg.eigh`, which refuses NaN: the projection carries it on, as other losses do."""
    variances, vectors = torch.linalg.eigh(gram.nan_to_num(0, 0, 0))
    return variances, vectors

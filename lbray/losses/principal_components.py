"""The subspace of a batch that holds a share of its variance (Eq. 6–8 of the paper)."""

from __future__ import annotations

import torch
from torch import Tensor


@torch.no_grad()
def principal_components(latents: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """The fewest principal components whose variances sum to a share of the total.

    By the eigenvectors of the smaller of the two Gram matrices; a constant, through which no
    gradient flows.

    Args:
        latents: [B, d].
        threshold: the share, in (0, 1].

    Returns:
        W [d, min(B, d)], whose columns are orthonormal for the components that are kept and zero
        for the others, so that ``latents @ W`` projects without a data-dependent shape; and how
        many are kept, 0 only if all latents are equal.
    """
    points = latents - latents.mean(dim=0)
    samples, dimensions = points.shape
    if dimensions <= samples:
        variances, directions = torch.linalg.eigh(points.T @ points)
    else:
        variances, weights = torch.linalg.eigh(points @ points.T)
        directions = points.T @ weights
        directions = directions / directions.norm(dim=0).clamp(min=torch.finfo(points.dtype).tiny)
    variances, directions = variances.flip(0).clamp(min=0), directions.flip(1)
    held_before = variances.cumsum(0) - variances
    kept = (held_before < threshold * variances.sum()) & (variances > 0)
    return directions * kept, kept.sum()

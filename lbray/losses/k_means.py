"""K-means (Lloyd 1982), begun by k-means++ (Arthur and Vassilvitskii 2007)."""

from __future__ import annotations

import torch
from torch import Tensor

_MOST_ROUNDS = 100


@torch.no_grad()
def k_means(points: Tensor, clusters: int, generator: torch.Generator) -> Tensor:
    """Centroids that each point is near to one of.

    The same points and the same state of the generator give the same centroids. The arithmetic is
    in float64, so that points which differ by rounding give centroids which differ by rounding.

    Args:
        points: [N, d], floating point.
        clusters: K, from 1 to N.
        generator: of the CPU; it gives K numbers.

    Returns:
        [K, d] of the points' type: means of the points that are nearest to them, after 100 rounds
        at most.

    Raises:
        ValueError: there are fewer points than clusters.
    """
    if not 1 <= clusters <= len(points):
        raise ValueError(f"{clusters} clusters cannot be found among {len(points)} points")
    origin = points.double().mean(dim=0)
    centred = points.double() - origin
    centroids = _spread_out(centred, clusters, generator)
    nearest = _nearest(centred, centroids)
    for _ in range(_MOST_ROUNDS):
        members = torch.nn.functional.one_hot(nearest, clusters).to(centred.dtype)
        sizes = members.sum(dim=0)[:, None]
        # a cluster that nothing is near to stays where it is
        centroids = torch.where(sizes > 0, (members.T @ centred) / sizes.clamp(min=1), centroids)
        before, nearest = nearest, _nearest(centred, centroids)
        if torch.equal(before, nearest):
            break
    return (centroids + origin).to(points.dtype)


def _spread_out(points: Tensor, clusters: int, generator: torch.Generator) -> Tensor:
    """Points to begin with, each drawn by its squared distance to those drawn before it."""
    shares = torch.rand(clusters, generator=generator, dtype=torch.float64).to(points.device)
    weights = torch.ones(len(points), dtype=points.dtype, device=points.device)
    chosen: list[Tensor] = []
    for share in shares:
        heights = weights.cumsum(dim=0)
        place = torch.searchsorted(heights, share * heights[-1], right=True)
        point = points[place.clamp(max=len(points) - 1)]
        squares = (points - point).square().sum(dim=1)
        weights = torch.minimum(weights, squares) if chosen else squares
        chosen.append(point)
    return torch.stack(chosen)


def _nearest(points: Tensor, centroids: Tensor) -> Tensor:
    """Which centroid [N] is nearest; the first of those equally near."""
    products = torch.addmm(centroids.square().sum(dim=1), points, centroids.T, alpha=-2)
    return products.argmin(dim=1)

"""The silhouette of labelled latents, exact (Eq. 12 of the paper; Rousseeuw 1987)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

_BLOCK = 1024
"""Samples whose distances to as many others are held at a time: 8 MiB of float64."""


def silhouette(latents: ArrayLike, labels: ArrayLike) -> float:
    """The mean silhouette over all samples, from −1 to 1.

    Args:
        latents: [N, d].
        labels: [N], whole numbers.

    Raises:
        ValueError: see `silhouette_samples`.
    """
    return float(silhouette_samples(latents, labels).mean())


def silhouette_by_class(scores: ArrayLike, labels: ArrayLike) -> dict[int, float]:
    """The mean silhouette of each class; their mean is the macro silhouette, in which small
    classes weigh as much as large ones.

    Args:
        scores: [N], from `silhouette_samples`.
        labels: [N], whole numbers.
    """
    values, truth = np.asarray(scores), np.asarray(labels)
    return {int(label): float(values[truth == label].mean()) for label in np.unique(truth)}


def silhouette_samples(latents: ArrayLike, labels: ArrayLike) -> NDArray[np.float64]:
    """Each sample's silhouette `(b − a) / max(a, b)` by Euclidean distance, [N].

    `a` is the mean distance to the other samples of its class, `b` the smallest mean distance to
    another class. As in scikit-learn, a sample that is alone in its class has 0, and so has one
    with `a = b = 0`. Computed in float64 on centred latents, block by block and each pair once:
    classes that collapse to a point lose no accuracy, and beside the latents themselves memory
    grows with N·C, not with N² or N·d.

    Args:
        latents: [N, d], finite.
        labels: [N], whole numbers, of at least two classes.

    Raises:
        ValueError: shapes do not match, a latent is not finite, or there are fewer than two
            classes.
    """
    points = torch.as_tensor(np.asarray(latents))
    classes, codes = np.unique(np.asarray(labels), return_inverse=True)
    if points.ndim != 2 or codes.shape != (len(points),):
        raise ValueError(
            f"latents must be [N, d] and labels [N], not {list(points.shape)} and "
            f"{list(np.shape(labels))}"
        )
    mean = _mean(points)
    if not torch.isfinite(mean).all():
        raise ValueError("latents must be finite, but some are NaN or infinite")
    if len(classes) < 2:
        raise ValueError(f"a silhouette needs at least two classes, not {len(classes)}")
    members = torch.nn.functional.one_hot(torch.as_tensor(codes), len(classes)).double()
    own, sizes = torch.as_tensor(codes)[:, None], members.sum(dim=0)
    sums = _distance_sums(points, mean, members)
    own_size = sizes[own]
    within = sums.gather(1, own) / (own_size - 1).clamp(min=1)
    between = (sums / sizes).scatter(1, own, torch.inf).amin(dim=1, keepdim=True)
    larger = torch.maximum(within, between)
    scores = torch.where((larger > 0) & (own_size > 1), (between - within) / larger, 0.0)
    return scores.squeeze(1).numpy()


def _mean(points: torch.Tensor) -> torch.Tensor:
    """In float64, without a copy of all points; not finite if one of them is not."""
    blocks = points.split(_BLOCK)
    return torch.stack([block.double().sum(dim=0) for block in blocks]).sum(dim=0) / len(points)


def _distance_sums(points: torch.Tensor, mean: torch.Tensor, members: torch.Tensor) -> torch.Tensor:
    """Each sample's summed distance to each class [N, C], by the classes' members [N, C]."""
    starts = range(0, len(points), _BLOCK)
    sums = torch.zeros_like(members)
    for start in starts:
        rows = _centred(points, mean, start)
        for other in range(start, len(points), _BLOCK):
            columns = _centred(points, mean, other) if other > start else rows
            distances = _distances(rows, columns)
            if other == start:
                distances.fill_diagonal_(0)
            else:  # what is far from one is as far from the other
                sums[other : other + _BLOCK] += distances.T @ members[start : start + _BLOCK]
            sums[start : start + _BLOCK] += distances @ members[other : other + _BLOCK]
    return sums


def _centred(points: torch.Tensor, mean: torch.Tensor, start: int) -> torch.Tensor:
    return points[start : start + _BLOCK].to(torch.float64, copy=True).sub_(mean)


def _distances(rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    squares = columns.square().sum(dim=1)
    squared = torch.addmm(squares, rows, columns.T, alpha=-2).add_(rows.square().sum(1)[:, None])
    return squared.clamp_(min=0).sqrt_()

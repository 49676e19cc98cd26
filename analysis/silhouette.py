"""The silhouette of labelled latents, exact (Eq. 12 of the paper; Rousseeuw 1987)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

_CHUNK_ENTRIES = 2**22
"""Distances held at a time: 32 MiB of float64."""


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
    with `a = b = 0`. Computed in float64 on centred latents, in chunks: classes that collapse to
    a point lose no accuracy, and memory grows with N, not N².

    Args:
        latents: [N, d], finite.
        labels: [N], whole numbers, of at least two classes.

    Raises:
        ValueError: shapes do not match, a latent is not finite, or there are fewer than two
            classes.
    """
    points = torch.as_tensor(np.asarray(latents)).double()
    classes, codes = np.unique(np.asarray(labels), return_inverse=True)
    if points.ndim != 2 or codes.shape != (len(points),):
        raise ValueError(
            f"latents must be [N, d] and labels [N], not {list(points.shape)} and "
            f"{list(np.shape(labels))}"
        )
    if not torch.isfinite(points).all():
        raise ValueError("latents must be finite, but some are NaN or infinite")
    if len(classes) < 2:
        raise ValueError(f"a silhouette needs at least two classes, not {len(classes)}")
    points = points - points.mean(dim=0)
    members = torch.nn.functional.one_hot(torch.as_tensor(codes), len(classes)).double()
    sizes = members.sum(dim=0)
    chunk = max(1, _CHUNK_ENTRIES // len(points))
    scores = [
        _scores(points, members, sizes, torch.as_tensor(codes), start, start + chunk)
        for start in range(0, len(points), chunk)
    ]
    return torch.cat(scores).numpy()


def _scores(
    points: torch.Tensor,
    members: torch.Tensor,
    sizes: torch.Tensor,
    codes: torch.Tensor,
    start: int,
    end: int,
) -> torch.Tensor:
    own = codes[start:end, None]
    sums = _distances(points[start:end], points, start) @ members
    own_size = sizes[own]
    within = sums.gather(1, own) / (own_size - 1).clamp(min=1)
    between = (sums / sizes).scatter(1, own, torch.inf).amin(dim=1, keepdim=True)
    larger = torch.maximum(within, between)
    scores = torch.where((larger > 0) & (own_size > 1), (between - within) / larger, 0.0)
    return scores.squeeze(1)


def _distances(rows: torch.Tensor, points: torch.Tensor, start: int) -> torch.Tensor:
    squares = points.square().sum(dim=1)
    squared = torch.addmm(squares, rows, points.T, alpha=-2).add_(rows.square().sum(1)[:, None])
    squared.diagonal(start).zero_()
    return squared.clamp_(min=0).sqrt_()

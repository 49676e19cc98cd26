"""Distances between all samples of a batch, and which of them are of one class."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

FORMS = ("pml", "equation")
"""``pml``: as pytorch-metric-learning computes it. ``equation``: as the paper prints it."""

_SMALLEST_NORM = 1e-12
_ROUNDING = 16
"""Squared distances up to so many roundings of the largest squared norm count as 0."""
_MANY_DIMENSIONS = 256
"""Above so many, points are not so near to one another that products in float32 lose the digits of
their distance, while in float64 these would take most of the time."""


def distances(latents: Tensor, form: str) -> Tensor:
    """Euclidean distances [B, B] of latents [B, d], scaled to unit length (``pml``) or raw.

    The gradient between coincident points is 0.
    """
    return _Distances.apply(latents, form == "pml")  # type: ignore[no-any-return]


class _Distances(torch.autograd.Function):
    """By products of the latents with one another: one matrix product forward, one backward.

    ‖x − y‖² = ‖x‖² + ‖y‖² − 2xy loses digits of small distances, so of few dimensions it is taken
    in float64.
    """

    @staticmethod
    def forward(ctx: Any, latents: Tensor, unit: bool) -> Tensor:
        # in place where it may be: fresh memory is what many of these steps cost
        few = latents.shape[1] <= _MANY_DIMENSIONS
        points = latents.to(torch.float64 if few else latents.dtype, copy=True)
        norms = points.norm(dim=1, keepdim=True).clamp_(min=_SMALLEST_NORM)
        if unit:
            points.div_(norms)
        else:  # centred: distances stay, and keep more digits
            points.sub_(points.mean(dim=0))
        squares = points.square().sum(dim=1)
        coincident = _ROUNDING * torch.finfo(points.dtype).eps * squares.amax()
        result = torch.empty(len(points), len(points), dtype=latents.dtype, device=latents.device)
        for rows in _row_blocks(points):  # what mirrors one another is computed once
            block = torch.addmm(
                squares[rows.start :], points[rows], points[rows.start :].T, alpha=-2
            )
            block.add_(squares[rows, None])
            block.masked_fill_(block <= coincident, 0).sqrt_()
            result[rows, rows.start :] = block
            result[rows.stop :, rows] = result[rows, rows.stop :].T
        result.fill_diagonal_(0)
        ctx.unit = unit
        ctx.save_for_backward(points, norms, result)
        return result

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        points, norms, distance = ctx.saved_tensors
        result = torch.empty(points.shape, dtype=gradient.dtype, device=gradient.device)
        for rows in _row_blocks(points):
            pulls = (gradient[rows] + gradient[:, rows].T).div_(distance[rows])
            pulls = pulls.masked_fill_(distance[rows] == 0, 0).to(points.dtype)
            block = torch.mm(pulls, points).neg_()
            block.addcmul_(points[rows], pulls.sum(dim=1, keepdim=True))
            if ctx.unit:  # a step along a latent does not turn it
                radial = (block * points[rows]).sum(dim=1, keepdim=True)
                block.addcmul_(points[rows], radial, value=-1).div_(norms[rows])
            result[rows] = block
        return result, None


def _row_blocks(points: Tensor, size: int = 128) -> list[slice]:
    """Rows of a matrix [B, B] that stay in the processor's cache while they are worked on.

    An accelerator gets all rows at once: there each operation's start costs more than its memory.
    """
    if points.device.type != "cpu":
        size = len(points)
    starts = range(0, len(points), size)
    return [slice(start, min(start + size, len(points))) for start in starts]


def same_class(labels: Tensor) -> Tensor:
    """Mask [B, B]: which samples are of one class; each is of its own."""
    return labels[:, None] == labels[None, :]


def class_codes(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Each sample's class, numbered from 0 in the labels' order, and the samples by class [B].

    What `Tensor.unique` says, but of a fixed shape, so that nothing waits for the device.
    """
    ordered, order = labels.sort(stable=True)
    steps = torch.ones_like(order)
    steps[1:] = ordered[1:] != ordered[:-1]
    return torch.empty_like(order).scatter_(0, order, steps.cumsum(0) - 1), order


def slots(needed: Tensor, at_most: int) -> int:
    """Columns that hold `needed` of something: a shape must not wait for an accelerator's data.

    On the CPU, where reading is free and columns are not, as many as needed; but not in a compiled
    graph, which reading would break.
    """
    reads = needed.device.type == "cpu" and not torch.compiler.is_compiling()
    return int(needed) if reads else at_most

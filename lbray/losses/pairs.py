"""Distances between all samples of a batch, and which of them are of one class."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

FORMS = ("pml", "equation")
"""``pml``: as pytorch-metric-learning computes it. ``equation``: as the paper prints it."""


def embedded(latents: Tensor, form: str) -> Tensor:
    """Latents [B, d] as a form takes them: of unit length (``pml``), or raw.

    Raw ones are centred, which changes no distance but keeps the digits of small ones.
    """
    if form == "pml":
        return functional.normalize(latents)
    return latents - latents.detach().mean(dim=0)


def distances(points: Tensor) -> Tensor:
    """Euclidean distances [B, B]; the gradient between coincident points is 0."""
    return torch.cdist(points, points)


def positives_and_negatives(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Masks [B, B]: ordered pairs of one class (a sample is no pair of itself), and of two."""
    same = labels[:, None] == labels[None, :]
    return same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device), ~same


def mean_of_positive(terms: Tensor) -> Tensor:
    """The mean of the terms above 0; 0 if there are none."""
    return terms.sum() / (terms > 0).sum().clamp(min=1)

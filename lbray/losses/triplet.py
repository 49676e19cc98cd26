"""Triplet loss over all triplets (Schroff, Kalenichenko and Philbin 2015; Eq. 2 of the paper)."""

from __future__ import annotations

import torch
from torch import Tensor

from lbray.losses.latent_loss import LatentLoss
from lbray.losses.pairs import FORMS, distances, embedded, positives_and_negatives
from lbray.losses.parameters import choice, number


class Triplet(LatentLoss):
    """An anchor shall be nearer to each of its class than to each of another, by a margin.

    The term of a triplet is ``relu(d(a, p) − d(a, n) + margin)`` with Euclidean distances, of
    latents scaled to unit length (``pml``) or raw (``equation``). ``pml`` takes the mean over the
    triplets whose term is above 0, ``equation`` over all.

    Exact over all B³ triplets in O(B² log B) time and O(B²) memory: with a row of distances
    sorted, the triplets that a pair is active in are counted by a binary search, and the loss is a
    sum of distances weighted by these counts.

    Args:
        form: ``pml`` or ``equation``.
        margin: from 0.
    """

    def __init__(self, *, form: str = "pml", margin: float = 0.05) -> None:
        super().__init__()
        self.form = choice("form", form, FORMS)
        self.margin = number("margin", margin, low=0)

    def compare(self, latents: Tensor, labels: Tensor) -> Tensor:
        """See the class."""
        distance = distances(embedded(latents, self.form))
        positive, negative = positives_and_negatives(labels)
        as_positive, as_negative = self._active_triplets(distance.detach(), positive, negative)
        active = as_positive.sum().to(distance.dtype)
        if self.form == "pml":
            triplets = active
        else:
            triplets = (positive.sum(dim=1) * negative.sum(dim=1)).sum()
        # rows of weights sum to zero, so a constant off the distances only keeps their digits
        weights = (as_positive - as_negative).to(distance.dtype)
        total = (weights * (distance - distance.detach().mean())).sum() + self.margin * active
        return total / triplets.clamp(min=1)

    def _active_triplets(
        self, distance: Tensor, positive: Tensor, negative: Tensor
    ) -> tuple[Tensor, Tensor]:
        """How many active triplets each ordered pair [B, B] is the (a, p) of, and the (a, n) of."""
        # in float64 the sum is exact, so a term of rounding error is never taken for active
        margin = distance.new_tensor(self.margin).double()
        distance = distance.double()
        reach = distance + margin
        farthest = torch.full_like(distance, torch.inf)
        negatives = torch.where(negative, distance, farthest).sort(dim=1).values
        positives = torch.where(positive, reach, farthest).sort(dim=1).values
        nearer_negatives = torch.searchsorted(negatives, reach, right=False)
        nearer_positives = torch.searchsorted(positives, distance, right=True)
        farther_positives = positive.sum(dim=1, keepdim=True) - nearer_positives
        return nearer_negatives * positive, farther_positives * negative

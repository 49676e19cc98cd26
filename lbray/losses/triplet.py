"""Triplet loss over all triplets (Schroff, Kalenichenko and Philbin 2015; Eq. 2 of the paper)."""

from __future__ import annotations

import torch
from torch import Tensor

from lbray.losses.latent_loss import LatentLoss
from lbray.losses.pairs import FORMS, class_codes, distances, slots
from lbray.losses.parameters import choice, number


class Triplet(LatentLoss):
    """An anchor shall be nearer to each of its class than to each of another, by a margin.

    The term of a triplet is ``relu(d(a, p) − d(a, n) + margin)`` with Euclidean distances, of
    latents scaled to unit length (``pml``) or raw (``equation``). ``pml`` takes the mean over the
    triplets whose term is above 0, ``equation`` over all.

    Exact over all B³ triplets in O(B² log B) time and O(B²) memory: with the positives of each
    anchor sorted, the triplets that a pair is active in are counted by a binary search, and the
    loss is a sum of distances weighted by these counts.

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
        distance = distances(latents, self.form)
        codes, order = class_codes(labels)
        sizes = torch.zeros_like(codes).scatter_add_(0, codes, torch.ones_like(codes))
        weights, active = self._active_triplets(distance.detach(), codes, order, sizes)
        own_size = sizes[codes]
        triplets = active
        if self.form == "equation":
            triplets = ((own_size - 1) * (len(labels) - own_size)).sum()
        # rows of weights sum to zero, so a constant off the distances only keeps their digits
        total = (weights * (distance - distance.detach().mean())).sum()
        return (total + self.margin * active) / triplets.clamp(min=1)

    def _active_triplets(
        self, distance: Tensor, codes: Tensor, order: Tensor, sizes: Tensor
    ) -> tuple[Tensor, Tensor]:
        """How many active triplets each ordered pair [B, B] is the (a, p) of, or, below 0, the
        (a, n) of; and how many there are.

        Args:
            distance: [B, B].
            codes: each sample's class, and
            order: the samples by class, as `class_codes` gives them.
            sizes: samples per class [B], 0 after the last class.
        """
        samples = torch.arange(len(codes), device=codes.device)
        place = torch.arange(slots(sizes.amax(), len(codes)), device=codes.device)
        size = sizes[codes][:, None]
        start = (sizes.cumsum(0) - sizes)[codes][:, None]
        members = order[(start + place).clamp(max=len(codes) - 1)]
        positive = (place < size) & (members != samples[:, None])
        # in float64 the sum is exact, so a term of rounding error is never taken for active
        dtype, distance = distance.dtype, distance.double()
        reach = distance.gather(1, members) + self.margin
        reach, ranks = reach.masked_fill_(~positive, torch.inf).sort(dim=1)
        members = members.gather(1, ranks)
        # the k-th positive (from 0) is active with negatives that at most k positives fall short of
        short = torch.searchsorted(reach, distance, right=True)
        negative = codes[:, None] != codes
        by_short = distance.new_zeros(len(codes), len(place) + 1)
        by_short.scatter_add_(1, short, negative.to(distance.dtype))
        as_positive = by_short.cumsum(dim=1)[:, :-1].masked_fill_(place >= size - 1, 0)
        weights = ((short - size + 1) * negative).to(dtype)
        active = as_positive.sum().to(dtype)
        return weights.scatter_add_(1, members, as_positive.to(dtype)), active

"""Contrastive loss (Chopra, Hadsell and LeCun 2005; Eq. 1 of the paper)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import relu

from lbray.losses.latent_loss import LatentLoss
from lbray.losses.pairs import FORMS, distances, same_class
from lbray.losses.parameters import choice, number


class Contrastive(LatentLoss):
    """Pull pairs of one class together, push pairs of two classes apart up to a margin.

    ``pml``: with d the Euclidean distance of latents scaled to unit length, the mean of
    ``relu(d − pos_margin)`` over ordered pairs of one class plus that of ``relu(neg_margin − d)``
    over pairs of two, each over its terms above 0.

    ``equation``: half the mean of ``d²`` (one class) and ``max(0, neg_margin − d)²`` (two classes)
    over all unordered pairs of raw latents; `pos_margin` has no part in it.

    Args:
        form: ``pml`` or ``equation``.
        pos_margin: from 0.
        neg_margin: from 0; m of Eq. 1.
    """

    def __init__(
        self, *, form: str = "pml", pos_margin: float = 0.0, neg_margin: float = 1.0
    ) -> None:
        super().__init__()
        self.form = choice("form", form, FORMS)
        self.pos_margin = number("pos_margin", pos_margin, low=0)
        self.neg_margin = number("neg_margin", neg_margin, low=0)

    def compare(self, latents: Tensor, labels: Tensor) -> Tensor:
        """See the class."""
        distance = distances(latents, self.form)
        same = same_class(labels)
        if self.form == "pml":
            pull_to, push_to = distance.new_tensor([self.pos_margin, self.neg_margin])
            margins = torch.where(same, pull_to, push_to)
            weights = self._weights(distance.detach(), same)
            return (weights * (distance - margins)).sum()
        terms = torch.where(same, distance, relu(self.neg_margin - distance)).square()
        ordered_pairs = max(1, len(labels) * (len(labels) - 1))
        return terms.sum() / (2 * ordered_pairs)

    def _weights(self, distance: Tensor, same: Tensor) -> Tensor:
        """What each distance above `pos_margin`, or below `neg_margin`, counts for [B, B]."""
        active = torch.where(same, distance > self.pos_margin, distance < self.neg_margin)
        every, positive = active.sum(), (active & same).sum()
        shares = torch.stack([positive, positive - every]).to(distance.dtype)
        pull, push = shares.sign() / shares.abs().clamp(min=1)
        return torch.where(same, pull, push) * active

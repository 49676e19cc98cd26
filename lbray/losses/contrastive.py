"""Contrastive loss (Chopra, Hadsell and LeCun 2005; Eq. 1 of the paper)."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import relu

from lbray.losses.latent_loss import LatentLoss
from lbray.losses.pairs import FORMS, distances, embedded, mean_of_positive, positives_and_negatives
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
        distance = distances(embedded(latents, self.form))
        positive, negative = positives_and_negatives(labels)
        if self.form == "pml":
            return mean_of_positive(relu(distance - self.pos_margin) * positive) + mean_of_positive(
                relu(self.neg_margin - distance) * negative
            )
        attraction = distance.square() * positive
        repulsion = relu(self.neg_margin - distance).square() * negative
        ordered_pairs = max(1, len(labels) * (len(labels) - 1))
        return (attraction + repulsion).sum() / (2 * ordered_pairs)

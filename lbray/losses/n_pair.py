"""N-pair loss (Sohn 2016; Eq. 3 of the paper)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from lbray.losses.latent_loss import LatentLoss
from lbray.losses.pairs import FORMS, class_codes, slots
from lbray.losses.parameters import choice


class NPair(LatentLoss):
    """An anchor shall be more similar to its own positive than to those of other classes.

    Each class with two samples or more in the batch gives one pair: its first sample is the
    anchor, its second the positive. The loss is the mean over anchors of the cross-entropy of
    their dot products with all positives, which is Eq. 3.

    Args:
        form: ``pml`` scales latents to unit length, ``equation`` takes them raw.
    """

    def __init__(self, *, form: str = "pml") -> None:
        super().__init__()
        self.form = choice("form", form, FORMS)

    def compare(self, latents: Tensor, labels: Tensor) -> Tensor:
        """See the class."""
        anchors, positives, paired = _pairs(labels)
        similarity = self._taken(latents[anchors]) @ self._taken(latents[positives]).T
        lowest = torch.finfo(similarity.dtype).min / 2
        similarity = similarity.masked_fill(~paired, lowest)
        terms = similarity.logsumexp(dim=1) - similarity.diagonal()
        # an unfilled place comes from any two samples, and takes no part
        return terms.masked_fill(~paired, 0).sum() / paired.sum().clamp(min=1)

    def _taken(self, latents: Tensor) -> Tensor:
        return functional.normalize(latents) if self.form == "pml" else latents


def _pairs(labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Positions of the first and the second sample of every class that has two [P], and which of
    the P places are filled; these come first."""
    codes, order = class_codes(labels)
    ordered = codes[order]
    starts = torch.ones_like(ordered, dtype=torch.bool)
    starts[1:] = ordered[1:] != ordered[:-1]
    paired = starts[:-1] & ~starts[1:]
    pairs = slots(paired.sum(), len(labels) // 2)
    places = paired.to(torch.int8).argsort(descending=True, stable=True)[:pairs]
    return order[places], order[places + 1], paired[places]

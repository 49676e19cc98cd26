"""N-pair loss (Sohn 2016; Eq. 3 of the paper)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from lbray.losses.latent_loss import LatentLoss
from lbray.losses.pairs import FORMS, slots
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
        pairs, paired = _pairs(labels)
        latents = latents[pairs]
        if self.form == "pml":
            latents = functional.normalize(latents, dim=2)
        similarity = latents[0] @ latents[1].T
        lowest = torch.finfo(similarity.dtype).min / 2
        similarity = similarity.masked_fill(~paired, lowest)
        terms = similarity.logsumexp(dim=1) - similarity.diagonal()
        # an unfilled place comes from any two samples, and takes no part
        return terms.masked_fill(~paired, 0).sum() / paired.sum().clamp(min=1)


def _pairs(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Positions of the first and the second sample of every class that has two [2, P], and which
    of the P places are filled [P]; these come first."""
    ordered, order = labels.sort(stable=True)
    starts = torch.ones_like(ordered, dtype=torch.bool)
    starts[1:] = ordered[1:] != ordered[:-1]
    paired = starts[:-1] & ~starts[1:]
    pairs = slots(paired.sum(), len(labels) // 2)
    places = paired.to(torch.int8).argsort(descending=True, stable=True)[:pairs]
    return order[torch.stack([places, places + 1])], paired[places]

"""N-pair loss (Sohn 2016; Eq. 3 of the paper)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from lbray.losses.latent_loss import LatentLoss, nothing_to_compare
from lbray.losses.pairs import FORMS
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
        first, second = _first_two_of_each_class(labels)
        if not len(first):
            return nothing_to_compare(latents)
        anchors, positives = latents[first], latents[second]
        if self.form == "pml":
            anchors, positives = functional.normalize(anchors), functional.normalize(positives)
        similarity = anchors @ positives.T
        return functional.cross_entropy(
            similarity, torch.arange(len(anchors), device=labels.device)
        )


def _first_two_of_each_class(labels: Tensor) -> tuple[Tensor, Tensor]:
    """Positions of the first and the second sample of every class that has two."""
    classes, codes = labels.unique(return_inverse=True)
    nowhere = len(labels)
    position = torch.arange(nowhere, device=labels.device)
    none = torch.full_like(classes, nowhere, dtype=torch.int64)
    first = none.scatter_reduce(0, codes, position, "amin")
    later = torch.where(position == first[codes], nowhere, position)
    second = none.scatter_reduce(0, codes, later, "amin")
    paired = second < nowhere
    return first[paired], second[paired]

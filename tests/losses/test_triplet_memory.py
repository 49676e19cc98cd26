"""All B³ triplets are counted without a tensor of their number."""

from __future__ import annotations

import torch
from pytorch_metric_learning import losses as pml
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lbray import losses


class LargestTensor(TorchDispatchMode):
    """Remembers how many entries the largest result of any operation has."""

    entries = 0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        sizes = [each.numel() for each in tree_leaves(result) if isinstance(each, torch.Tensor)]
        self.entries = max(self.entries, *sizes, 0)
        return result


def largest_tensor(loss, size: int) -> int:
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(size, 8, generator=generator, requires_grad=True)
    with LargestTensor() as largest:
        (gradient,) = torch.autograd.grad(loss(latents, torch.arange(size) % 5), latents)
    assert torch.isfinite(gradient).all()
    assert gradient.any()
    return largest.entries


def test_no_tensor_is_larger_than_the_pairs():
    for form in ("pml", "equation"):
        # a place more than there are samples, for a negative that all positives are nearer than
        assert largest_tensor(losses.build("triplet", form=form), 2000) <= 2000 * 2001


def test_a_tensor_of_all_triplets_would_be_seen():
    loss = pml.TripletMarginLoss(triplets_per_anchor="all")
    assert largest_tensor(loss, 100) >= 100**3

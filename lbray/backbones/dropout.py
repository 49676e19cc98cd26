"""Dropout with eight random bits per element, from a stream of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn


class Dropout(nn.Module):
    """Zero a share `p` of the elements and scale up the rest, in training mode only.

    Against `torch.nn.Dropout`: a mask costs one byte of random numbers per element, which makes
    it several times cheaper on a CPU; and it is drawn from `generator`, so that whatever else
    draws random numbers does not change it.

    Args:
        p: the share to drop, 0 ≤ p < 1; rounded to a multiple of 1/256, and the scale with it.

    Attributes:
        generator: where masks are drawn from; None stands for torch's default generator.
        rows: which rows of a batch the features are, and the batch's size; None if they are all of
            it. Masks are drawn for the whole batch, so that a batch that several workers share
            has those of one that is not shared.
        lanes: under `torch.vmap`, one generator for each network that is computed with the others,
            in their order; `generator` and `rows` have no say then. None outside of it.
    """

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ValueError(f"p is {p}, but must be from 0 to below 1")
        self.p = p
        self._kept = min(256, max(1, 256 - round(p * 256)))
        self.generator: torch.Generator | None = None
        self.rows: tuple[slice, int] | None = None
        self.lanes: Sequence[torch.Generator] | None = None

    def forward(self, features: Tensor) -> Tensor:
        """Features of any shape, with the same shape and memory format."""
        if not self.training or self._kept == 256:
            return features
        if self.lanes is not None:
            mask: Tensor = _MasksOfLanes.apply(features, self)
            return features * mask
        rows, size = self.rows or (slice(None), len(features))
        drawn = self._bytes([self.generator], size, features)[0, rows]
        # in place, the comparison gives bytes of 0 and 1, a tenth of the cost of booleans
        kept = drawn.lt_(self._kept)
        # the mask takes the features' own memory order, so that the product is one pass over both
        strides = torch.empty_like(features, device="meta").stride()
        return features * self._scaled(kept, features).as_strided(features.shape, strides)

    def masks(self, features: Tensor, lanes: Sequence[torch.Generator]) -> Tensor:
        """What each of several networks would multiply its own features with.

        Args:
            features: of one network, [B, …]; only their kind matters. With four dimensions they
                count as in channels-last memory format when the network is computed alone.
            lanes: a generator for each network.

        Returns:
            [len(lanes), B, …].
        """
        kept = self._bytes(lanes, len(features), features).lt_(self._kept)
        masks = self._scaled(kept, features)
        if features.ndim != 4:
            return masks.view(len(lanes), *features.shape)
        size, channels, height, width = features.shape
        return masks.view(len(lanes), size, height, width, channels).permute(0, 1, 4, 2, 3)

    def _bytes(
        self, generators: Sequence[torch.Generator | None], size: int, features: Tensor
    ) -> Tensor:
        """A random byte for each element of a batch of `size`, [len(generators), size, n]."""
        per_row = features.shape[1:].numel()
        words = (size * per_row + 7) // 8
        bits = torch.empty((len(generators), words), dtype=torch.int64, device=features.device)
        for row, generator in zip(bits, generators, strict=True):
            row.random_(-(2**63), None, generator=generator)
        drawn = bits.view(torch.uint8)[:, : size * per_row]
        return drawn.view(len(generators), size, per_row)

    def _scaled(self, kept: Tensor, features: Tensor) -> Tensor:
        return kept.to(features.dtype).mul_(256 / self._kept)

    def extra_repr(self) -> str:
        """The share that is dropped."""
        return f"p={self.p}"


class _MasksOfLanes(torch.autograd.Function):
    """The masks of a `Dropout` under `torch.vmap`, where random numbers cannot be drawn for one
    network at a time: its rule for a batch of networks can."""

    @staticmethod
    def forward(features: Tensor, dropout: Dropout) -> Tensor:
        raise RuntimeError("lanes are for torch.vmap; without it, lanes must be None")

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Dropout], output: Tensor) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int, None], features: Tensor, dropout: Dropout
    ) -> tuple[Tensor, int]:
        assert dropout.lanes is not None
        with torch.no_grad():
            one = features.select(in_dims[0], 0)
            return dropout.masks(one, dropout.lanes), 0

"""Class means of a batch and distances to them: what magnet and Latent Boost are made of."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lbray.losses.pairs import class_codes, slots

_SMALLEST_SHARE = 1e-6
"""A variance is taken as at least this share of the batch's total variance, so that collapsed
classes give large values and not infinite ones."""


@dataclass(frozen=True)
class ClassSpread:
    """How a batch of B latents with C classes spreads around its class means.

    On an accelerator C is B, with empty classes at the end, so that no shape depends on data.

    Attributes:
        own: squared distance of each sample to its class's mean [B].
        to_means: squared distance of each sample to each class's mean [B, C].
        codes: each sample's class, from 0 to C − 1 [B].
        sizes: samples per class [C].
        floor: the smallest variance to divide by; a scalar without gradient.
    """

    own: Tensor
    to_means: Tensor
    codes: Tensor
    sizes: Tensor
    floor: Tensor

    @classmethod
    def of(cls, latents: Tensor, labels: Tensor) -> ClassSpread:
        """Of latents [B, d] and labels [B]."""
        codes, _ = class_codes(labels)
        classes = torch.arange(slots(codes.amax() + 1, len(codes)), device=codes.device)
        # centred: distances stay, and the expansion of the square below keeps its digits
        points = latents - latents.detach().mean(dim=0)
        members = (codes[:, None] == classes).to(points.dtype)
        sizes = members.sum(dim=0)
        means = (members.T @ points) / sizes.clamp(min=1)[:, None]
        squares = points.square().sum(dim=1)
        products = torch.addmm(means.square().sum(dim=1), points, means.T, alpha=-2)
        total_variance = squares.detach().mean()
        smallest = torch.finfo(points.dtype).tiny ** 0.5
        return cls(
            own=(points - means[codes]).square().sum(dim=1),
            to_means=(products + squares[:, None]).clamp(min=0),
            codes=codes,
            sizes=sizes,
            floor=(_SMALLEST_SHARE * total_variance).clamp(min=smallest),
        )

    def mean_if_comparable(self, terms: Tensor) -> Tensor:
        """The mean of the samples' terms [B]; 0 unless there are two classes, and two samples of
        one: else σ² has no estimate."""
        classes = (self.sizes > 0).sum()
        comparable = (classes > 1) & (classes < len(self.codes))
        return terms.masked_fill(~comparable, 0).mean()

    @property
    def pooled_variance(self) -> Tensor:
        """Σ own / (B − 1), at least `floor`; a scalar."""
        return torch.maximum(self.own.sum() / max(1, len(self.own) - 1), self.floor)

    @property
    def class_variances(self) -> Tensor:
        """Σ own / (|C| − 1) within each class [C] (Eq. 9), at least `floor`.

        A class with one sample has no spread of its own and gets the pooled variance.
        """
        sums = torch.zeros_like(self.sizes).index_add(0, self.codes, self.own)
        own = torch.maximum(sums / (self.sizes - 1).clamp(min=1), self.floor)
        return torch.where(self.sizes > 1, own, self.pooled_variance)

    def log_sum_over_others(self, exponents: Tensor) -> Tensor:
        """log Σ exp(exponents[n, c]) over the classes c that are not sample n's; [B, C] → [B]."""
        places = torch.arange(len(self.sizes), device=self.codes.device)
        excluded = (self.codes[:, None] == places) | (self.sizes == 0)
        # finite, so that a batch of one class has no NaN gradient to mask
        lowest = torch.finfo(exponents.dtype).min / 2
        return exponents.masked_fill(excluded, lowest).logsumexp(dim=1)

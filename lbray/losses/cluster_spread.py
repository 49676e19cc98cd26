"""Cluster means of a batch and distances to them: what magnet and Latent Boost are made of."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lbray.losses.pairs import class_codes, slots

_SMALLEST_SHARE = 1e-6
"""A variance is taken as at least this share of the batch's total variance, so that collapsed
clusters give large values and not infinite ones."""


@dataclass(frozen=True)
class ClusterSpread:
    """How a batch of B latents with G clusters spreads around its clusters' means.

    On an accelerator G is B, with empty clusters at the end, so that no shape depends on data.

    Attributes:
        own: squared distance of each sample to its cluster's mean [B].
        to_means: squared distance of each sample to each cluster's mean [B, G].
        codes: each sample's cluster, from 0 to G − 1 [B].
        sizes: samples per cluster [G].
        labels: each sample's class [B].
        floor: the smallest variance to divide by; a scalar without gradient.
    """

    own: Tensor
    to_means: Tensor
    codes: Tensor
    sizes: Tensor
    labels: Tensor
    floor: Tensor

    @classmethod
    def of(cls, latents: Tensor, labels: Tensor, clusters: Tensor) -> ClusterSpread:
        """Of latents [B, d], labels [B], and clusters [B] that lie within classes."""
        codes, _ = class_codes(clusters)
        places = torch.arange(slots(codes.amax() + 1, len(codes)), device=codes.device)
        # centred: distances stay, and the expansion of the square below keeps its digits
        points = latents - latents.detach().mean(dim=0)
        members = (codes[:, None] == places).to(points.dtype)
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
            labels=labels,
            floor=(_SMALLEST_SHARE * total_variance).clamp(min=smallest),
        )

    def mean_if_comparable(self, terms: Tensor) -> Tensor:
        """The mean of the samples' terms [B]; 0 unless there are two classes, and two samples of
        one cluster: else σ² has no estimate."""
        clusters = (self.sizes > 0).sum()
        comparable = (self.labels != self.labels[0]).any() & (clusters < len(self.codes))
        return terms.masked_fill(~comparable, 0).mean()

    @property
    def pooled_variance(self) -> Tensor:
        """Σ own / (B − 1), at least `floor`; a scalar."""
        return torch.maximum(self.own.sum() / max(1, len(self.own) - 1), self.floor)

    @property
    def cluster_variances(self) -> Tensor:
        """Σ own / (|C| − 1) within each cluster [G] (Eq. 9), at least `floor`.

        A cluster with one sample has no spread of its own and gets the pooled variance.
        """
        sums = torch.zeros_like(self.sizes).index_add(0, self.codes, self.own)
        own = torch.maximum(sums / (self.sizes - 1).clamp(min=1), self.floor)
        return torch.where(self.sizes > 1, own, self.pooled_variance)

    def log_sum_over_others(self, exponents: Tensor) -> Tensor:
        """log Σ exp(exponents[n, g]) over the clusters g of other classes than sample n's;
        [B, G] → [B]."""
        classes = torch.zeros_like(self.sizes, dtype=self.labels.dtype)
        classes.scatter_(0, self.codes, self.labels)
        excluded = (self.labels[:, None] == classes) | (self.sizes == 0)
        # finite, so that a batch of one class has no NaN gradient to mask
        lowest = torch.finfo(exponents.dtype).min / 2
        return exponents.masked_fill(excluded, lowest).logsumexp(dim=1)

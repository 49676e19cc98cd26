"""Latent Boost (Eq. 6–11 of the paper)."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor

from lbray.losses.cluster_spread import ClusterSpread
from lbray.losses.clustered_loss import ClusteredLoss
from lbray.losses.parameters import choice, flag, number, share
from lbray.losses.principal_components import principal_components

EPSILON = 1e-8
"""ε of Eq. 10 and 11."""


class LatentBoost(ClusteredLoss):
    """Magnet's idea on a condensed latent space, with a variance per class and two schedules.

    The latents are projected on the principal components of the batch that hold the share
    `pca_threshold` of its variance (Eq. 6–8); σ_c² is the variance of class c there (Eq. 9; a
    class with one sample has the pooled one, and none counts as less than a millionth of the
    total). The term of sample n of class C is
    ``‖r_n − μ_C‖² / 2σ_C² + α + log(Σ β·exp(−‖r_n − μ_c‖² / 2σ_c²) + ε)`` over the other classes c
    (Eq. 11), and the loss is the mean of the terms. With E the epoch, from 0, of E_total,
    ``α = 1 + α₀·exp(−E / (1.05·E_total))`` and ``β = max(β₀·(1 − E / (0.2·E_total)), ε)`` (Eq. 10);
    ε is 1e-8.

    What the paper leaves open is a setting:

    Args:
        alpha_0: α₀, from 0. Without `hinge` α is an additive constant and changes no gradient.
        beta_0: β₀, from ε.
        beta: where β stands: ``factor`` as above, as the text has it; or ``exponent``,
            ``exp(−β·‖r_n − μ_c‖² / 2σ_c²)``, as the typesetting suggests. In the exponent, the
            part between classes has no gradient after a fifth of the training.
        sigma: whose variance a distance to another class is measured in: that class's
            (``negative``, as printed) or the sample's own class's (``anchor``).
        pca_threshold: in (0, 1]; None (in a file, null) for "Latent Boost w/o PCA".
        variance_grad: let the gradient flow through σ². Within classes the terms then sum to a
            constant.
        hinge: take the positive part of each term; not in Eq. 11. With `beta` a factor, the terms
            are negative, and the loss without effect, once β has gone to ε.
        clusters: per class. More than one are found by k-means in the class's training latents
            before each epoch, and a sample belongs to the nearest of its class. Each then has the
            mean and the variance that a class has above, and the sum runs over the clusters of
            other classes.
    """

    default_warmup_epochs: ClassVar[int] = 5

    def __init__(
        self,
        *,
        alpha_0: float = 1.0,
        beta_0: float = 1.0,
        beta: str = "factor",
        sigma: str = "negative",
        pca_threshold: float | None = 0.95,
        variance_grad: bool = False,
        hinge: bool = False,
        clusters: int = 1,
    ) -> None:
        super().__init__(clusters)
        self.alpha_0 = number("alpha_0", alpha_0, low=0)
        self.beta_0 = number("beta_0", beta_0, low=EPSILON)
        self.beta = choice("beta", beta, ("factor", "exponent"))
        self.sigma = choice("sigma", sigma, ("negative", "anchor"))
        self.pca_threshold = (
            None if pca_threshold is None else share("pca_threshold", pca_threshold)
        )
        self.variance_grad = flag("variance_grad", variance_grad)
        self.hinge = flag("hinge", hinge)
        self.start_epoch(0, 1)

    def start_epoch(self, epoch: int, max_epochs: int) -> None:
        """Set α and β for epoch `epoch` (from 0) of at most `max_epochs` (Eq. 10)."""
        self.alpha_now = 1 + self.alpha_0 * math.exp(-epoch / (1.05 * max_epochs))
        self.beta_now = max(self.beta_0 * (1 - epoch / (0.2 * max_epochs)), EPSILON)

    def compare(self, latents: Tensor, labels: Tensor) -> Tensor:
        """See the class."""
        clusters = self.clusters_of(latents, labels)
        if self.pca_threshold is not None:
            projection, _ = principal_components(latents, self.pca_threshold)
            latents = (latents - latents.detach().mean(dim=0)) @ projection
        spread = ClusterSpread.of(latents, labels, clusters)
        variances = spread.cluster_variances
        if not self.variance_grad:
            variances = variances.detach()
        own_variances = variances[spread.codes]
        measured_in = variances if self.sigma == "negative" else own_variances[:, None]
        exponents = -spread.to_means / (2 * measured_in)
        if self.beta == "factor":
            others = math.log(self.beta_now) + spread.log_sum_over_others(exponents)
        else:
            others = spread.log_sum_over_others(self.beta_now * exponents)
        others = torch.logaddexp(others, torch.full_like(others, math.log(EPSILON)))
        terms = spread.own / (2 * own_variances) + self.alpha_now + others
        return spread.mean_if_comparable(terms.relu() if self.hinge else terms)

    def measures(self, latents: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """How many components of the batch are kept."""
        if self.pca_threshold is None:
            return {}
        _, kept = principal_components(latents, self.pca_threshold)
        return {"latent/pca_components": kept}

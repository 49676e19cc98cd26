"""Magnet loss (Rippel, Paluri, Dollar and Bourdev 2015; Eq. 4 of the paper)."""

from __future__ import annotations

from torch import Tensor

from lbray.losses.cluster_spread import ClusterSpread
from lbray.losses.clustered_loss import ClusteredLoss
from lbray.losses.parameters import flag, number


class Magnet(ClusteredLoss):
    """Samples shall be near their cluster's mean and far from the means of other classes.

    With σ² the variance of the samples around their clusters' means in the batch, pooled over
    clusters, the term of sample n is
    ``‖r_n − μ(r_n)‖² / 2σ² + α + log Σ exp(−‖r_n − μ_c‖² / 2σ²)`` over the clusters c in the batch
    that are of other classes; the loss is the mean of the terms. σ² counts as at least a millionth
    of the batch's total variance.

    Args:
        alpha: the margin α. Without `hinge` it is an additive constant and changes no gradient.
        hinge: take the positive part of each term, as Rippel et al. do and Eq. 4 does not.
        variance_grad: let the gradient flow through σ², as differentiating Eq. 4 does. The first
            part then sums to a constant, and compactness acts through the second part's scale.
        clusters: per class. More than one are found by k-means in the class's training latents
            before each epoch, and a sample belongs to the nearest of its class.
    """

    def __init__(
        self,
        *,
        alpha: float = 1.0,
        hinge: bool = False,
        variance_grad: bool = True,
        clusters: int = 1,
    ) -> None:
        super().__init__(clusters)
        self.alpha = number("alpha", alpha)
        self.hinge = flag("hinge", hinge)
        self.variance_grad = flag("variance_grad", variance_grad)

    def compare(self, latents: Tensor, labels: Tensor) -> Tensor:
        """See the class."""
        spread = ClusterSpread.of(latents, labels, self.clusters_of(latents, labels))
        variance = spread.pooled_variance
        if not self.variance_grad:
            variance = variance.detach()
        others = spread.log_sum_over_others(-spread.to_means / (2 * variance))
        terms = spread.own / (2 * variance) + self.alpha + others
        return spread.mean_if_comparable(terms.relu() if self.hinge else terms)

"""Magnet loss (Rippel, Paluri, Dollar and Bourdev 2015; Eq. 4 of the paper)."""

from __future__ import annotations

from torch import Tensor

from lbray.losses.class_spread import ClassSpread
from lbray.losses.latent_loss import LatentLoss
from lbray.losses.parameters import flag, number


class Magnet(LatentLoss):
    """Samples shall be near their class's mean and far from the means of other classes.

    With σ² the variance of the samples around their class means in the batch, pooled over
    classes, the term of sample n is ``‖r_n − μ(r_n)‖² / 2σ² + α + log Σ exp(−‖r_n − μ_c‖² / 2σ²)``
    over the other classes c in the batch, each with one cluster; the loss is the mean of the
    terms. σ² counts as at least a millionth of the batch's total variance.

    Args:
        alpha: the margin α. Without `hinge` it is an additive constant and changes no gradient.
        hinge: take the positive part of each term, as Rippel et al. do and Eq. 4 does not.
        variance_grad: let the gradient flow through σ², as differentiating Eq. 4 does. The first
            part then sums to a constant, and compactness acts through the second part's scale.
    """

    def __init__(
        self, *, alpha: float = 1.0, hinge: bool = False, variance_grad: bool = True
    ) -> None:
        super().__init__()
        self.alpha = number("alpha", alpha)
        self.hinge = flag("hinge", hinge)
        self.variance_grad = flag("variance_grad", variance_grad)

    def compare(self, latents: Tensor, labels: Tensor) -> Tensor:
        """See the class."""
        spread = ClassSpread.of(latents, labels)
        variance = spread.pooled_variance
        if not self.variance_grad:
            variance = variance.detach()
        others = spread.log_sum_over_others(-spread.to_means / (2 * variance))
        terms = spread.own / (2 * variance) + self.alpha + others
        return spread.mean_if_comparable(terms.relu() if self.hinge else terms)

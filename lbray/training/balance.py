"""How the two parts of the loss are weighted, epoch by epoch."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


def lambda_at(
    epoch: int,
    lam: float,
    max_epochs: int,
    *,
    schedule: str = "constant",
    warmup_epochs: int = 0,
    step: float = 0.5,
) -> float:
    """λ of an epoch: 0 while warming up, then by a schedule over the epochs that are left.

    With t from 0 (the first epoch after the warm-up) to 1 (the last of `max_epochs`; a single one
    has t = 1):

    - ``constant``: λ; so it is for ``learned`` too, which only begins there.
    - ``linear``: λ·t.
    - ``cosine``: λ·(1 − cos(π·t)) / 2.
    - ``step``: 0 in the first `step` of these epochs (a share, not t), λ after.

    Args:
        epoch: counted from 0.
        lam: λ of the cell.
        max_epochs: how many epochs there are at most.
        schedule: one of the above.
        warmup_epochs: below `max_epochs`.
        step: in (0, 1), for ``step``.
    """
    if epoch < warmup_epochs:
        return 0.0
    position, epochs = epoch - warmup_epochs, max_epochs - warmup_epochs
    t = position / (epochs - 1) if epochs > 1 else 1.0
    shares = {
        "constant": 1.0,
        "learned": 1.0,
        "linear": t,
        "cosine": (1 - math.cos(math.pi * t)) / 2,
        "step": float(position >= step * epochs),
    }
    return lam * shares[schedule]


class LearnedBalance(nn.Module):
    """Weights that are learnt: uncertainty weighting (Kendall, Gal and Cipolla 2018).

    ``exp(−s_dist)·L_dist + s_dist + exp(−s_ce)·L_CE + s_ce`` with learnt s, which begin where the
    weights are λ and 1 − λ. It is bounded below for losses that cannot be negative; magnet and
    Latent Boost without a hinge can be, and their weight then grows without end.

    Args:
        lam: λ to begin with, above 0 and below 1.
    """

    def __init__(self, lam: float) -> None:
        super().__init__()
        self.s_dist = nn.Parameter(torch.tensor(-math.log(lam)))
        self.s_ce = nn.Parameter(torch.tensor(-math.log1p(-lam)))

    def forward(self, distance: Tensor, cross_entropy: Tensor) -> Tensor:
        """The loss to descend; all three are scalars."""
        of_distance = torch.exp(-self.s_dist) * distance + self.s_dist
        return of_distance + torch.exp(-self.s_ce) * cross_entropy + self.s_ce

    @torch.no_grad()
    def share(self) -> float:
        """λ as it is now: the distance loss's weight over the sum of both."""
        return float(torch.sigmoid(self.s_ce - self.s_dist))

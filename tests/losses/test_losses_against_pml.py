"""`form: pml` equals pytorch-metric-learning, values and gradients to 1e-5 in float32.

The oracle computes in float64, from the same float32 latents: in float32 its own distances are
off by more than that.
"""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_metric_learning import losses as pml

from lbray import losses
from lbray.losses.triplet import Triplet

ORACLES = {
    "contrastive": (
        lambda: pml.ContrastiveLoss(pos_margin=0.0, neg_margin=1.0),
        lambda: losses.build("contrastive"),
    ),
    "contrastive, other margins": (
        lambda: pml.ContrastiveLoss(pos_margin=0.2, neg_margin=1.4),
        lambda: losses.build("contrastive", pos_margin=0.2, neg_margin=1.4),
    ),
    "triplet": (
        lambda: pml.TripletMarginLoss(margin=0.05, triplets_per_anchor="all"),
        lambda: losses.build("triplet"),
    ),
    "triplet, other margin": (
        lambda: pml.TripletMarginLoss(margin=0.5, triplets_per_anchor="all"),
        lambda: losses.build("triplet", margin=0.5),
    ),
    "n_pair": (lambda: pml.NPairsLoss(), lambda: losses.build("n_pair")),
}


def value_and_gradient(loss, latents: torch.Tensor, labels: torch.Tensor):
    latents = latents.clone().requires_grad_()
    value = loss(latents, labels)
    value.backward()
    return value.detach(), latents.grad


def assert_equal(ours, theirs, latents: torch.Tensor, labels: torch.Tensor) -> None:
    """Within 1e-5 of the value, and of the largest entry of the gradient; and within what those
    triplets decide that are nearer to the margin than float32 rounds a distance."""
    their_value, their_gradient = value_and_gradient(theirs, latents.double(), labels)
    our_value, our_gradient = value_and_gradient(ours, latents, labels)
    assert our_value.dtype == our_gradient.dtype == torch.float32
    undecided, active = 0, 1
    if isinstance(ours, Triplet):
        undecided, active = undecided_triplets(latents, labels, ours.margin)
    torch.testing.assert_close(
        our_value.double(), their_value, rtol=1e-5 + undecided / active, atol=1e-7
    )
    scale = their_gradient.abs().max().clamp(min=1e-7)
    # one triplet's pull on a latent is 2 at most, over its length
    pull = 2 / (active * latents.norm(dim=1).min() * scale) + 1 / active
    torch.testing.assert_close(
        our_gradient.double() / scale,
        their_gradient / scale,
        rtol=0,
        atol=1e-5 + float(undecided * pull),
    )


def undecided_triplets(latents: torch.Tensor, labels: torch.Tensor, margin: float):
    """How many triplets' terms are 0 to the rounding of float32, and how many are above 0."""
    points = torch.nn.functional.normalize(latents.double())
    distance = torch.cdist(points, points, compute_mode="donot_use_mm_for_euclid_dist")
    undecided = active = 0
    for anchor, label in enumerate(labels):
        positive = labels == label
        negative = ~positive
        positive[anchor] = False
        terms = distance[anchor, positive, None] - distance[anchor, None, negative] + margin
        undecided += int((terms.abs() < 5e-7).sum())
        active += int((terms > 0).sum())
    return undecided, max(1, active)


@pytest.mark.parametrize("name", ORACLES)
@settings(deadline=None, max_examples=40)
@given(
    size=st.integers(2, 96),
    dimensions=st.sampled_from([2, 16, 64, 512]),
    classes=st.integers(1, 20),
    imbalance=st.floats(0.0, 3.0),
    seed=st.integers(0, 2**31),
)
def test_the_pml_form_is_pytorch_metric_learnings(
    name: str, size: int, dimensions: int, classes: int, imbalance: float, seed: int
):
    generator = torch.Generator().manual_seed(seed)
    shares = torch.arange(1, classes + 1).double() ** -imbalance
    labels = torch.multinomial(shares, size, replacement=True, generator=generator)
    latents = torch.randn(size, dimensions, generator=generator)
    latents += 2 * torch.randn(classes, dimensions, generator=generator)[labels]
    theirs, ours = (make() for make in ORACLES[name])
    assert_equal(ours, theirs, latents, labels)


@pytest.mark.parametrize("dimensions", [64, 2048])
def test_a_large_batch_of_many_triplets(dimensions: int):
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 10, (256,), generator=generator)
    latents = torch.randn(256, dimensions, generator=generator)
    theirs, ours = (make() for make in ORACLES["triplet"])
    assert_equal(ours, theirs, latents, labels)


@pytest.mark.parametrize(
    ("name", "dimensions"),
    [(name, dimensions) for name in ORACLES for dimensions in (2, 256, 257, 2048)],
)
def test_batches_of_more_than_one_block_of_rows(name: str, dimensions: int):
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, 7, (259,), generator=generator)
    latents = torch.randn(259, dimensions, generator=generator)
    ours, theirs = (make() for make in reversed(ORACLES[name]))
    assert_equal(ours, theirs, latents, labels)


@pytest.mark.parametrize("name", ["contrastive", "triplet"])
def test_near_samples_of_few_dimensions(name: str):
    generator = torch.Generator().manual_seed(2)
    labels = torch.arange(64) % 4
    latents = torch.randn(4, 64, generator=generator)[labels]
    latents += 1e-3 * torch.randn(64, 64, generator=generator)
    ours, theirs = (make() for make in reversed(ORACLES[name]))
    assert_equal(ours, theirs, latents, labels)

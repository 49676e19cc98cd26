"""Ties, singletons, collapse and NaN: where a fast path and the equations part first."""

from __future__ import annotations

import numpy as np
import pytest
import reference
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytorch_metric_learning import losses as pml
from torch import nn

from lbray import losses
from lbray.errors import InputError
from lbray.losses.principal_components import principal_components

CLASS_LOSSES = [
    ("magnet", {}),
    ("magnet", {"variance_grad": False, "hinge": True}),
    ("latent_boost", {}),
    ("latent_boost", {"pca_threshold": None, "sigma": "anchor"}),
    ("latent_boost", {"beta": "exponent", "variance_grad": True}),
]
class_loss = pytest.mark.parametrize(("name", "params"), CLASS_LOSSES, ids=str)


class Counting(nn.Module):
    """A loss of a user's own that follows the epochs."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, int]] = []

    def start_epoch(self, epoch: int, max_epochs: int) -> None:
        self.seen.append((epoch, max_epochs))

    def forward(self, latents: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return latents.sum()


def value_and_gradient(loss, latents: torch.Tensor, labels: torch.Tensor):
    latents = latents.clone().requires_grad_()
    value = loss(latents, labels)
    value.backward()
    return value.detach(), latents.grad


@class_loss
@settings(deadline=None, max_examples=60)
@given(
    size=st.integers(2, 70),
    dimensions=st.integers(1, 80),
    exponent=st.floats(-3, 4),
    seed=st.integers(0, 10**6),
)
def test_equal_latents_of_any_size_have_no_gradient_but_rounding(
    name: str, params: dict[str, object], size: int, dimensions: int, exponent: float, seed: int
):
    point = torch.randn(1, dimensions, generator=torch.Generator().manual_seed(seed))
    latents = (point * 10**exponent).repeat(size, 1)
    value, gradient = value_and_gradient(
        losses.build(name, **params), latents, torch.arange(size) % 3
    )
    assert abs(value) < 10
    assert gradient.abs().max() * 10**exponent < 1e-3


def test_equal_latents_whose_float32_covariance_is_rounding_alone_are_decomposed():
    generator = torch.Generator().manual_seed(1)
    for _ in range(1000):
        size = int(torch.randint(2, 70, (1,), generator=generator))
        dimensions = int(torch.randint(1, 80, (1,), generator=generator))
        latents = torch.randn(1, dimensions, generator=generator).repeat(size, 1) * 1e-2
        _, kept = principal_components(latents, 0.95)
        assert kept == 0


@pytest.mark.parametrize("name", losses.names())
def test_a_network_that_diverged_gives_nan_and_no_exception(name: str):
    latents = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    latents[0, 0] = torch.nan
    assert losses.build(name)(latents, torch.arange(8) % 2).isnan()


def test_a_class_of_one_is_measured_in_the_pooled_variance():
    generator = np.random.default_rng(0)
    latents, labels = generator.normal(size=(7, 3)), [0, 0, 0, 1, 1, 1, 2]
    for sigma in ("negative", "anchor"):
        params = {"sigma": sigma, "pca_threshold": None}
        value = losses.build("latent_boost", **params)(torch.tensor(latents), torch.tensor(labels))
        assert value.item() == pytest.approx(reference.latent_boost(latents, labels, **params))


@pytest.mark.parametrize("name", ["magnet", "latent_boost"])
def test_a_collapsed_class_counts_as_a_millionth_of_the_total_variance(name: str):
    latents = np.array([0.0, 0.0, 0.001, 0.002, 1.0, 1.001])[:, None]
    labels = [0, 0, 1, 1, 2, 2]
    value = losses.build(name)(torch.tensor(latents), torch.tensor(labels))
    assert value.item() == pytest.approx(getattr(reference, name)(latents, labels))


def test_a_triplet_exactly_at_the_margin_is_not_active():
    latents = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, -1.0], [0.6, 0.8]])
    labels = torch.tensor([0, 0, 1, 1])
    ours, our_gradient = value_and_gradient(losses.build("triplet", margin=0.0), latents, labels)
    theirs, their_gradient = value_and_gradient(
        pml.TripletMarginLoss(margin=0.0, triplets_per_anchor="all"), latents, labels
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=0)
    torch.testing.assert_close(our_gradient, their_gradient, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["contrastive", "triplet"])
def test_raw_distances_keep_their_digits_far_from_the_origin(name: str):
    generator = torch.Generator().manual_seed(0)
    steps = torch.randint(-64, 64, (40, 4), generator=generator) / 64.0
    labels = torch.arange(40) % 4
    loss = losses.build(name, form="equation")
    torch.testing.assert_close(loss(steps + 4096, labels), loss(steps, labels), rtol=1e-5, atol=0)


@pytest.mark.parametrize(("threshold", "kept"), [(0.79, 1), (0.8, 1), (0.81, 2), (1.0, 2)])
def test_the_fewest_components_that_reach_the_threshold_are_kept(threshold: float, kept: int):
    latents = torch.tensor([[2.0, 0.0, 0], [-2.0, 0.0, 0], [0.0, 1.0, 0], [0.0, -1.0, 0]]) + 7
    assert principal_components(latents, threshold)[1] == kept


def test_components_are_counted_in_half_precision_and_under_autocast_as_in_float32():
    latents = torch.randn(32, 8, generator=torch.Generator().manual_seed(0)).bfloat16()
    loss, labels = losses.build("latent_boost"), torch.arange(32) % 4
    with torch.autocast("cpu", torch.bfloat16):
        half = loss.measures(latents, labels)
    assert half == loss.measures(latents.float(), labels)


def test_only_latent_boost_warms_up_by_default():
    warmups = {name: losses.default_warmup_epochs(name) for name in losses.names()}
    assert warmups == dict.fromkeys(losses.names(), 0) | {"latent_boost": 5}


def test_a_loss_of_the_users_own_is_told_the_epoch():
    loss = losses.build(f"{__name__}:Counting")
    loss.start_epoch(3, 10)
    assert loss.module.seen == [(3, 10)]


@pytest.mark.parametrize(
    ("name", "params", "allowed"),
    [
        ("latent_boost", {"alpha_0": -1.0}, "a number from 0"),
        ("triplet", {"margin": 10**400}, "a number from 0"),
        ("magnet", {"alpha": float("inf")}, "a number"),
        *[
            (name, {"clusters": value}, "a whole number from 1")
            for name in ("magnet", "latent_boost")
            for value in (0, -1, 1.5, "two", True, None, float("nan"))
        ],
        *[
            ("latent_boost", {"pca_threshold": value}, "null or a number above 0, at most 1")
            for value in (0, -1, 1.5, "most", True, float("nan"))
        ],
    ],
)
def test_the_message_says_all_that_is_allowed(name: str, params: dict[str, object], allowed: str):
    with pytest.raises(
        InputError, match=rf"^loss {name}: {next(iter(params))} is .*must be {allowed}\.$"
    ):
        losses.build(name, **params)


@class_loss
def test_a_batch_of_singletons_has_no_variance_to_compare_in(name: str, params: dict[str, object]):
    latents = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    value, gradient = value_and_gradient(losses.build(name, **params), latents, torch.arange(6))
    assert value == 0
    assert not gradient.any()

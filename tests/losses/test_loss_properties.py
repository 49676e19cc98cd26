"""What holds for every loss, whatever the batch."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lbray import losses

EVERY = [
    *[
        (name, {"form": form})
        for name in ("contrastive", "triplet", "n_pair")
        for form in ("pml", "equation")
    ],
    ("magnet", {}),
    ("magnet", {"hinge": True, "variance_grad": False}),
    ("latent_boost", {}),
    ("latent_boost", {"pca_threshold": None}),
    ("latent_boost", {"beta": "exponent", "sigma": "anchor", "variance_grad": True}),
    ("latent_boost", {"hinge": True}),
]
every_loss = pytest.mark.parametrize(("name", "params"), EVERY, ids=str)


def random_batch(seed: int, size: int = 24, dimensions: int = 6, classes: int = 4):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (size,), generator=generator)
    centres = torch.randn(classes, dimensions, generator=generator, dtype=torch.float64)
    noise = torch.randn(size, dimensions, generator=generator, dtype=torch.float64)
    return centres[labels] + noise, labels


@every_loss
@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10**6))
def test_the_order_of_the_batch_does_not_matter(name: str, params: dict[str, object], seed: int):
    latents, labels = random_batch(seed)
    order = torch.randperm(24, generator=torch.Generator().manual_seed(seed))
    if name == "n_pair":  # the first two of each class are its pair, so they must stay so
        order = order[labels[order].argsort(stable=True)]
        order = torch.cat(
            [(labels == c).nonzero().flatten() for c in labels[order].unique().flip(0)]
        )
    loss = losses.build(name, **params)
    torch.testing.assert_close(loss(latents[order], labels[order]), loss(latents, labels))


@every_loss
@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10**6))
def test_the_names_of_the_classes_do_not_matter(name: str, params: dict[str, object], seed: int):
    latents, labels = random_batch(seed)
    loss = losses.build(name, **params)
    renamed = torch.tensor([7, 1000, 3, 0])[labels]
    torch.testing.assert_close(loss(latents, renamed), loss(latents, labels))


@pytest.mark.parametrize(
    ("name", "params"),
    [each for each in EVERY if each[0] in ("magnet", "latent_boost")]
    + [("contrastive", {"form": "equation"}), ("triplet", {"form": "equation"})],
    ids=str,
)
@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10**6), shift=st.floats(-1e3, 1e3))
def test_distances_do_not_care_where_the_origin_is(
    name: str, params: dict[str, object], seed: int, shift: float
):
    latents, labels = random_batch(seed)
    loss = losses.build(name, **params)
    torch.testing.assert_close(
        loss(latents + shift, labels), loss(latents, labels), rtol=1e-6, atol=1e-8
    )


@pytest.mark.parametrize(
    ("name", "params"),
    [
        each
        for each in EVERY
        if each[0] in ("magnet", "latent_boost") or each[1].get("form") == "pml"
    ],
    ids=str,
)
@settings(deadline=None, max_examples=15)
@given(seed=st.integers(0, 10**6), scale=st.floats(1e-3, 1e3))
def test_normalised_distances_do_not_care_about_the_unit(
    name: str, params: dict[str, object], seed: int, scale: float
):
    latents, labels = random_batch(seed)
    loss = losses.build(name, **params)
    torch.testing.assert_close(
        loss(latents * scale, labels), loss(latents, labels), rtol=1e-6, atol=1e-8
    )


@every_loss
def test_the_gradient_is_that_of_finite_differences(name: str, params: dict[str, object]):
    if name == "latent_boost":
        params = params | {"pca_threshold": None, "variance_grad": True}  # W is a constant
    if name == "magnet":
        params = params | {"variance_grad": True}
    latents, labels = random_batch(3, size=10)
    loss = losses.build(name, **params)
    assert torch.autograd.gradcheck(lambda x: loss(x, labels), (latents.requires_grad_(),))


_generator = torch.Generator().manual_seed(0)


def _randn(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=_generator)


NASTY = {
    "one class": (_randn(8, 4), torch.zeros(8)),
    "one sample": (_randn(1, 4), torch.zeros(1)),
    "two samples of one class": (_randn(2, 4), torch.zeros(2)),
    "two samples of two classes": (_randn(2, 4), torch.arange(2)),
    "only singletons": (_randn(6, 4), torch.arange(6)),
    "one singleton": (_randn(6, 4), torch.tensor([0, 0, 0, 1, 1, 2])),
    "all latents equal": (torch.ones(8, 4), torch.arange(8) % 3),
    "all latents zero": (torch.zeros(8, 4), torch.arange(8) % 3),
    "all latents equal and large": (torch.full((8, 64), 1e4), torch.arange(8) % 3),
    "duplicates": (_randn(4, 4).repeat(2, 1), torch.arange(8) % 2),
    "collapsed classes": (torch.eye(4).repeat(4, 1), torch.arange(16) % 4),
    "collapsed classes at one point but one": (
        torch.cat([torch.zeros(15, 4), torch.ones(1, 4)]),
        torch.arange(16) % 4,
    ),
    "large values": (_randn(32, 16) * 1e4, torch.arange(32) % 4),
    "tiny values": (_randn(32, 16) * 1e-12, torch.arange(32) % 4),
    "more dimensions than samples": (_randn(16, 2048), torch.arange(16) % 4),
    "one dimension": (_randn(16, 1), torch.arange(16) % 4),
}


@every_loss
@pytest.mark.parametrize("case", NASTY)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_legal_batch_gives_finite_values(
    name: str, params: dict[str, object], case: str, dtype: torch.dtype
):
    latents, labels = NASTY[case]
    given = latents.to(dtype).requires_grad_()
    loss = losses.build(name, **params)
    for epoch in (0, 5, 30):
        loss.start_epoch(epoch, 30)
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16):
            value = loss(given, labels.long())
        assert value.dtype == torch.float32
        assert value.ndim == 0
        assert torch.isfinite(value)
        (gradient,) = torch.autograd.grad(value, given)
        assert torch.isfinite(gradient).all()


@pytest.mark.parametrize(
    ("name", "params", "case"),
    [
        (name, params, case)
        for name, params in EVERY
        for case in ("one class", "one sample")
        if (name, case) != ("contrastive", "one class")  # where pairs can be compared
    ],
    ids=str,
)
def test_with_nothing_to_compare_the_loss_is_zero(name: str, params: dict[str, object], case: str):
    latents, labels = NASTY[case]
    given = latents.clone().requires_grad_()
    value = losses.build(name, **params)(given, labels.long())
    assert value.item() == 0
    (gradient,) = torch.autograd.grad(value, given)
    assert not gradient.any()


@pytest.mark.parametrize("name", ["magnet", "latent_boost"])
def test_without_hinge_alpha_changes_the_value_and_no_gradient(name: str):
    latents, labels = random_batch(0)
    latents.requires_grad_()
    parameter = "alpha" if name == "magnet" else "alpha_0"
    values, gradients = [], []
    for alpha in (0.0, 2.0):
        value = losses.build(name, **{parameter: alpha})(latents, labels)
        values.append(value.item())
        gradients.append(torch.autograd.grad(value, latents)[0])
    assert values[1] - values[0] == pytest.approx(2.0)
    torch.testing.assert_close(*gradients)


def over_the_training(epochs: Iterable[int], **params: object) -> list[float]:
    """Norms of the gradient of Latent Boost in epochs of 100, on a batch that does not change."""
    latents, labels = random_batch(1, size=128, dimensions=16, classes=10)
    latents.requires_grad_()
    loss, norms = losses.build("latent_boost", **params), []
    for epoch in epochs:
        loss.start_epoch(epoch, 100)
        norms.append(torch.autograd.grad(loss(latents, labels), latents)[0].norm().item())
    return norms


@pytest.mark.parametrize(
    ("params", "at_10", "at_19", "from_20_on"),
    [
        ({"beta": "exponent", "variance_grad": True}, (0.4, 0.8), (0.02, 0.3), (0.0, 1e-6)),
        ({"beta": "exponent"}, (0.4, 0.8), (0.3, 0.8), (0.3, 0.8)),
        ({"variance_grad": True}, (0.99, 1.0), (0.99, 1.0), (0.27, 0.9)),
        ({}, (0.99, 1.0), (0.99, 1.0), (0.27, 0.9)),
        ({"hinge": True}, (0.5, 1.0), (0.1, 1.0), (0.0, 0.0)),
    ],
    ids=str,
)
def test_what_each_reading_leaves_of_its_first_gradient(
    params: dict[str, object],
    at_10: tuple[float, float],
    at_19: tuple[float, float],
    from_20_on: tuple[float, float],
):
    first, *later = over_the_training((0, 10, 19, 20, 99), **params)
    assert first > 0
    bounds = (at_10, at_19, from_20_on, from_20_on)
    for norm, (low, high) in zip(later, bounds, strict=True):
        assert low <= norm / first <= high * 1.0001


def test_with_beta_in_the_exponent_and_constant_variances_only_compaction_is_left():
    latents, labels = random_batch(1)
    latents.requires_grad_()
    loss = losses.build("latent_boost", beta="exponent", pca_threshold=None)
    loss.start_epoch(20, 100)
    (gradient,) = torch.autograd.grad(loss(latents, labels), latents)
    to_the_mean = torch.zeros_like(latents)
    for label in labels.unique():
        own = labels == label
        centred = latents[own].detach() - latents[own].detach().mean(dim=0)
        to_the_mean[own] = centred / (centred.square().sum() / (own.sum() - 1))
    torch.testing.assert_close(gradient, to_the_mean / len(labels), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("epoch", "alpha", "beta"),
    [
        (0, 2.0, 1.0),
        (10, 1 + math.exp(-10 / 105), 0.5),
        (20, 1 + math.exp(-20 / 105), 1e-8),
        (99, 1 + math.exp(-99 / 105), 1e-8),
    ],
)
def test_the_schedules_are_equation_10(epoch: int, alpha: float, beta: float):
    loss = losses.build("latent_boost")
    loss.start_epoch(epoch, 100)
    assert loss.alpha_now == pytest.approx(alpha)
    assert loss.beta_now == pytest.approx(beta)


def test_latent_boost_counts_its_components():
    latents = _randn(64, 16) * torch.tensor([10.0, 10.0] + [0.1] * 14)
    measures = losses.build("latent_boost").measures(latents, torch.arange(64) % 4)
    assert measures["latent/pca_components"].item() == 2
    assert losses.build("latent_boost", pca_threshold=None).measures(latents, latents[:, 0]) == {}


@pytest.mark.parametrize(
    ("latents", "labels"),
    [
        (_randn(4), torch.zeros(4)),
        (_randn(4, 2), torch.zeros(3)),
        (_randn(4, 2), torch.zeros(4, 1)),
    ],
)
@every_loss
def test_wrong_shapes_are_refused(name: str, params: dict[str, object], latents, labels):
    with pytest.raises(ValueError, match=r"latents must be \[B, d\] and labels \[B\]"):
        losses.build(name, **params)(latents, labels.long())

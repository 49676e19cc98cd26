"""Values and gradients equal those of the loops in `reference`."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import reference
import torch

from lbray import losses

SETTINGS = [
    *[
        ("contrastive", {"form": f, "neg_margin": m})
        for f in ("pml", "equation")
        for m in (0.5, 1.5)
    ],
    ("contrastive", {"form": "pml", "pos_margin": 0.3}),
    *[("triplet", {"form": f, "margin": m}) for f in ("pml", "equation") for m in (0.0, 0.05, 1.0)],
    *[("n_pair", {"form": f}) for f in ("pml", "equation")],
    *[
        ("magnet", {"alpha": a, "hinge": h, "variance_grad": v})
        for a, h, v in itertools.product((1.0, -2.0), (False, True), (False, True))
    ],
    *[
        (
            "latent_boost",
            {"beta": b, "sigma": s, "pca_threshold": t, "hinge": h, "variance_grad": v},
        )
        for b, s, t, h, v in itertools.product(
            ("factor", "exponent"),
            ("negative", "anchor"),
            (0.95, 0.6, None),
            (False, True),
            (False, True),
        )
    ],
    ("latent_boost", {"alpha_0": 3.0, "beta_0": 0.5}),
]


def batch(seed: int, size: int = 14, dimensions: int = 5, classes: int = 4):
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, classes, size)
    centres = generator.normal(size=(classes, dimensions)) * 1.5
    return centres[labels] + generator.normal(size=(size, dimensions)), labels.tolist()


def expected(name: str, params: dict[str, object], latents, labels, epoch: int, max_epochs: int):
    """The reference's value, and its gradient with W and σ² held where the loss holds them."""
    params = dict(params)
    function = getattr(reference, name)
    if name not in ("magnet", "latent_boost"):
        value = function(latents, labels, **params)
        return value, reference.gradient(lambda x: function(x, labels, **params), latents)
    through_variance = params.pop("variance_grad", name == "magnet")
    held: dict[str, object] = {}
    clusters = params.get("clusters") or [(label, 0) for label in labels]
    if name == "magnet":
        if not through_variance:
            held["variance"] = reference.pooled_variance(latents, clusters)
    else:
        params |= {"epoch": epoch, "max_epochs": max_epochs}
        projected = latents
        threshold = params.get("pca_threshold", 0.95)
        if threshold is not None:
            held["projection"] = reference.kept_components(latents, threshold)
            projected = latents @ held["projection"]
        if not through_variance:
            held["variances"] = reference.cluster_variances(projected, clusters)
    value = function(latents, labels, **params)
    return value, reference.gradient(lambda x: function(x, labels, **params, **held), latents)


@pytest.mark.parametrize(("name", "params"), SETTINGS, ids=str)
@pytest.mark.parametrize("epoch", [0, 3, 40])
def test_value_and_gradient_are_the_equations(name: str, params: dict[str, object], epoch: int):
    if epoch and name != "latent_boost":
        epoch = 0  # only Latent Boost has schedules; other seeds serve the others
    latents, labels = batch(seed=epoch)
    loss = losses.build(name, **params)
    loss.start_epoch(epoch, 50)
    given = torch.tensor(latents, requires_grad=True)
    value = loss(given, torch.tensor(labels))
    value.backward()
    expected_value, expected_gradient = expected(name, params, latents, labels, epoch, 50)
    assert value.item() == pytest.approx(expected_value, rel=1e-9, abs=1e-12)
    np.testing.assert_allclose(given.grad.numpy(), expected_gradient, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(("size", "dimensions"), [(9, 20), (20, 3), (12, 12), (2, 8)])
@pytest.mark.parametrize("threshold", [0.5, 0.95, 1.0])
def test_principal_components_are_those_of_the_svd(size: int, dimensions: int, threshold: float):
    from lbray.losses.principal_components import principal_components

    points = np.random.default_rng(size).normal(size=(size, dimensions)) * np.linspace(
        1, 3, dimensions
    )
    expected_directions = reference.kept_components(points, threshold - 1e-9)
    projection, kept = principal_components(torch.tensor(points), threshold - 1e-9)
    assert kept.item() == expected_directions.shape[1]
    torch.testing.assert_close(
        projection @ projection.T, torch.tensor(expected_directions @ expected_directions.T)
    )


def test_float32_loses_little():
    latents, labels = batch(seed=5, size=64, dimensions=16)
    for name, params in SETTINGS:
        loss = losses.build(name, **params)
        exact = loss(torch.tensor(latents), torch.tensor(labels)).item()
        single = loss(torch.tensor(latents).float(), torch.tensor(labels)).item()
        assert single == pytest.approx(exact, rel=2e-5, abs=2e-6), (name, params)


@pytest.mark.parametrize(
    ("name", "params"),
    [each for each in SETTINGS if each[0] in ("magnet", "latent_boost")],
    ids=str,
)
@pytest.mark.parametrize("clusters", [2, 3])
def test_of_several_clusters_value_and_gradient_are_the_equations(
    name: str, params: dict[str, object], clusters: int
):
    latents, labels = batch(seed=clusters, size=22)
    centroids = np.random.default_rng(7).normal(size=(4, clusters, 5))
    loss = losses.build(name, **params, clusters=clusters)
    loss.start_epoch(3, 50)
    loss.centroids = torch.tensor(centroids)
    given = torch.tensor(latents, requires_grad=True)
    value = loss(given, torch.tensor(labels))
    value.backward()
    named = reference.nearest_cluster(latents, labels, centroids)
    assert len(set(named)) > len(set(labels))
    wanted = expected(name, params | {"clusters": named}, latents, labels, 3, 50)
    assert value.item() == pytest.approx(wanted[0], rel=1e-9, abs=1e-12)
    np.testing.assert_allclose(given.grad.numpy(), wanted[1], rtol=1e-5, atol=1e-7)

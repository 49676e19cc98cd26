"""Several clusters per class, of magnet and Latent Boost."""

from __future__ import annotations

import pytest
import torch
from test_loss_properties import NASTY

from lbray import losses
from lbray.losses import cluster_spread

CLUSTERED = [
    ("magnet", {}),
    ("magnet", {"hinge": True, "variance_grad": False}),
    ("latent_boost", {}),
    ("latent_boost", {"pca_threshold": None, "sigma": "anchor"}),
    ("latent_boost", {"beta": "exponent", "variance_grad": True}),
]
clustered = pytest.mark.parametrize(("name", "params"), CLUSTERED, ids=str)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch(seed: int = 0, size: int = 48, dimensions: int = 6, classes: int = 4):
    """Latents [B, d] in two blobs per class, and labels [B]."""
    labels = torch.randint(0, classes, (size,), generator=generator(seed))
    blobs = torch.randint(0, 2, (size,), generator=generator(seed + 1))
    centres = 3 * torch.randn(
        classes, 2, dimensions, generator=generator(seed + 2), dtype=torch.float64
    )
    noise = torch.randn(size, dimensions, generator=generator(seed + 3), dtype=torch.float64)
    return centres[labels, blobs] + noise, labels


def refreshed(name: str, params: dict[str, object], latents, labels, clusters: int = 2):
    loss = losses.build(name, **params, clusters=clusters)
    loss.refresh(latents, labels, generator())
    return loss


@clustered
@pytest.mark.parametrize("case", NASTY)
def test_one_cluster_per_class_is_the_loss_without_clusters(
    name: str, params: dict[str, object], case: str
):
    latents, labels = NASTY[case][0], NASTY[case][1].long()
    one = losses.build(name, **params, clusters=1)
    assert not one.wants_refresh
    torch.testing.assert_close(
        one(latents, labels), losses.build(name, **params)(latents, labels), rtol=0, atol=0
    )
    refreshed_one = losses.build(name, **params)
    refreshed_one.refresh(latents, labels, generator())
    torch.testing.assert_close(refreshed_one(latents, labels), one(latents, labels), rtol=0, atol=0)


@clustered
def test_until_there_are_centroids_a_class_is_one_cluster(name: str, params: dict[str, object]):
    latents, labels = batch()
    loss = losses.build(name, **params, clusters=3)
    assert loss.wants_refresh
    assert torch.equal(loss(latents, labels), losses.build(name, **params)(latents, labels))
    loss.refresh(latents, labels, generator())
    assert not torch.equal(loss(latents, labels), losses.build(name, **params)(latents, labels))


def test_a_sample_belongs_to_the_nearest_centroid_of_its_class():
    loss = losses.build("magnet", clusters=2)
    loss.centroids = torch.tensor([[[0.0], [10.0]], [[4.0], [20.0]]])
    latents, labels = torch.tensor([[4.0], [6.0], [4.0], [13.0]]), torch.tensor([0, 0, 1, 1])
    assert loss.clusters_of(latents, labels).tolist() == [0, 1, 2, 3]


def test_clusters_are_those_of_the_training_set_to_float32_far_from_the_origin():
    latents, labels = batch(size=400)
    near = refreshed("magnet", {}, latents, labels, clusters=4)
    far = refreshed("magnet", {}, latents.float() + 4096, labels, clusters=4)
    expected, found = (
        near.clusters_of(latents, labels),
        far.clusters_of(latents.float() + 4096, labels),
    )
    assert len(expected.unique()) == 16
    assert (expected == found).float().mean() > 0.99


@clustered
@pytest.mark.parametrize("seed", range(5))
def test_order_names_origin_and_unit_do_not_matter(name: str, params: dict[str, object], seed: int):
    latents, labels = batch(seed)
    loss = refreshed(name, params, latents, labels)
    value = loss(latents, labels)
    order = torch.randperm(len(labels), generator=generator(seed))
    torch.testing.assert_close(loss(latents[order], labels[order]), value)
    names = torch.tensor([3, 5, 0, 1])
    renamed = losses.build(name, **params, clusters=2)
    renamed.centroids = torch.zeros(6, *loss.centroids.shape[1:], dtype=torch.float64)
    renamed.centroids[names] = loss.centroids
    torch.testing.assert_close(renamed(latents, names[labels]), value)
    for moved in (latents + 1e3, latents * 1e3, latents * 1e-3):
        same = refreshed(name, params, moved, labels)
        torch.testing.assert_close(same(moved, labels), value, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("magnet", {}),
        ("magnet", {"hinge": True}),
        ("latent_boost", {"pca_threshold": None, "variance_grad": True}),
        ("latent_boost", {"pca_threshold": None, "variance_grad": True, "sigma": "anchor"}),
    ],
    ids=str,
)
def test_the_gradient_is_that_of_finite_differences(name: str, params: dict[str, object]):
    latents, labels = batch(size=14)
    loss = refreshed(name, params, *batch())
    assert len(loss.clusters_of(latents, labels).unique()) > len(labels.unique())
    assert torch.autograd.gradcheck(lambda x: loss(x, labels), (latents.requires_grad_(),))


@clustered
@pytest.mark.parametrize("case", NASTY)
def test_a_legal_batch_gives_finite_values(name: str, params: dict[str, object], case: str):
    latents, labels = NASTY[case][0], NASTY[case][1].long()
    training, training_labels = batch(7, size=60, dimensions=latents.shape[1], classes=8)
    for seen in (training.float(), latents.mean() + training.float() * latents.std(correction=0)):
        loss = refreshed(name, params, seen, training_labels)
        given = latents.clone().requires_grad_()
        value = loss(given, labels)
        (gradient,) = torch.autograd.grad(value, given)
        assert value.isfinite()
        assert gradient.isfinite().all()
        if case in ("one class", "one sample"):
            assert value == 0
            assert not gradient.any()


@clustered
def test_a_batch_with_every_sample_alone_in_its_cluster_has_nothing_to_compare_in(
    name: str, params: dict[str, object]
):
    latents, labels = torch.eye(6, requires_grad=True), torch.arange(6) // 2
    loss = refreshed(name, params, latents.detach(), labels)
    value = loss(latents, labels)
    assert value == 0
    assert not torch.autograd.grad(value, latents)[0].any()


@clustered
def test_nothing_reads_the_data(name: str, params: dict[str, object]):
    loss = losses.build(name, **params, clusters=3)
    loss.centroids = torch.empty(10, 3, 5, device="meta")
    latents = torch.empty(16, 5, device="meta", requires_grad=True)
    value = loss.compare(latents, torch.empty(16, dtype=torch.int64, device="meta"))
    assert value.shape == ()
    assert torch.autograd.grad(value, latents)[0].shape == (16, 5)


@clustered
def test_empty_slots_change_nothing(
    name: str, params: dict[str, object], monkeypatch: pytest.MonkeyPatch
):
    latents, labels = batch(size=20)
    loss = refreshed(name, params, latents.requires_grad_(), labels)
    value = loss(latents, labels)
    (gradient,) = torch.autograd.grad(value, latents)
    monkeypatch.setattr(cluster_spread, "slots", lambda needed, at_most: at_most)
    as_on_an_accelerator = loss(latents, labels)
    torch.testing.assert_close(as_on_an_accelerator, value)
    torch.testing.assert_close(torch.autograd.grad(as_on_an_accelerator, latents)[0], gradient)


def test_centroids_are_found_again_and_not_stored():
    latents, labels = batch()
    loss = refreshed("magnet", {}, latents, labels)
    assert loss.centroids.shape == (4, 2, 6)
    assert loss.state_dict() == {}
    again = refreshed("magnet", {}, latents, labels)
    assert torch.equal(loss.centroids, again.centroids)


def test_a_class_smaller_than_its_clusters_is_refused():
    loss = losses.build("latent_boost", clusters=4)
    loss.check_training_set({"cat": 5, "dog": 4})
    with pytest.raises(
        ValueError,
        match="clusters is 4, but must be at most 3, the number of training images of class 'dog'",
    ):
        loss.check_training_set({"cat": 5, "dog": 3})

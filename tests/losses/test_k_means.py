from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from lbray.losses.k_means import k_means


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def blobs(seed: int, clusters: int, each: int = 30, dimensions: int = 3) -> torch.Tensor:
    """Points around centres that are far from one another."""
    centres = 40 * torch.eye(max(clusters, dimensions))[:clusters, :dimensions]
    noise = torch.randn(each, clusters, dimensions, generator=generator(seed))
    return (centres + noise).flatten(0, 1)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("clusters", [1, 2, 3])
def test_the_centroids_of_clusters_that_lie_apart_are_their_means(clusters: int, seed: int):
    points = blobs(seed, clusters)
    found = k_means(points, clusters, generator(seed))
    means = points.view(-1, clusters, 3).mean(dim=0)
    order = found.argmax(dim=1).argsort() if clusters > 1 else [0]
    torch.testing.assert_close(found[order], means)


@settings(deadline=None, max_examples=25)
@given(
    size=st.integers(1, 60),
    dimensions=st.integers(1, 8),
    clusters=st.integers(1, 6),
    seed=st.integers(0, 10**6),
)
def test_scikit_learn_finds_nothing_left_to_improve(
    size: int, dimensions: int, clusters: int, seed: int
):
    clusters = min(clusters, size)
    points = torch.randn(size, dimensions, generator=generator(seed), dtype=torch.float64)
    found = k_means(points, clusters, generator(seed)).numpy()
    continued = KMeans(clusters, init=found, n_init=1, tol=0).fit(points.numpy())
    np.testing.assert_allclose(found, continued.cluster_centers_, rtol=1e-9, atol=1e-9)


def test_it_is_no_worse_than_scikit_learns_on_average():
    points = torch.randn(400, 6, generator=generator(1), dtype=torch.float64)

    def inertia(centroids: torch.Tensor) -> float:
        return torch.cdist(points, centroids).amin(dim=1).square().sum().item()

    ours = [inertia(k_means(points, 5, generator(seed))) for seed in range(20)]
    theirs = [
        KMeans(5, n_init=1, random_state=seed).fit(points.numpy()).inertia_ for seed in range(20)
    ]
    assert np.mean(ours) < 1.02 * np.mean(theirs)


def test_the_same_generator_gives_the_same_centroids_to_the_bit():
    points = torch.randn(300, 16, generator=generator(2))
    assert torch.equal(k_means(points, 4, generator(3)), k_means(points, 4, generator(3)))
    assert not torch.equal(k_means(points, 4, generator(3)), k_means(points, 4, generator(4)))


def test_rounding_of_the_points_only_rounds_the_centroids():
    points = torch.randn(500, 8, generator=generator(5))
    rounded = points * (1 + 1e-7 * torch.randn(500, 8, generator=generator(6)))
    torch.testing.assert_close(
        k_means(points, 4, generator()), k_means(rounded, 4, generator()), rtol=1e-4, atol=1e-4
    )


def test_moved_points_have_moved_centroids():
    points = torch.randn(200, 5, generator=generator(7), dtype=torch.float64)
    moved = k_means(points + 1e4, 3, generator(8))
    torch.testing.assert_close(moved, k_means(points, 3, generator(8)) + 1e4)


@pytest.mark.parametrize("size", [3, 9])
def test_coincident_points_give_finite_centroids(size: int):
    found = k_means(torch.full((size, 4), 7.0), 3, generator())
    torch.testing.assert_close(found, torch.full((3, 4), 7.0))


def test_as_many_clusters_as_points_are_the_points():
    points = torch.randn(5, 4, generator=generator(9), dtype=torch.float64)
    found = k_means(points, 5, generator())
    torch.testing.assert_close(found[found[:, 0].argsort()], points[points[:, 0].argsort()])


def test_points_of_a_network_that_diverged_raise_nothing():
    points = torch.full((6, 2), torch.nan)
    assert k_means(points, 2, generator()).isnan().all()


def test_fewer_points_than_clusters_are_refused():
    with pytest.raises(ValueError, match="3 clusters cannot be found among 2 points"):
        k_means(torch.zeros(2, 4), 3, generator())

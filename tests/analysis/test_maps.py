"""Maps are the same from run to run, keep neighbours, and say how far they can be trusted."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import manifold

from analysis import maps
from analysis.maps import MapSettings, draw_map

KINDS = [
    MapSettings("tsne"),
    MapSettings("tsne", paper_mode=True),
    MapSettings("umap"),
]


def clusters(size: int = 150, dimensions: int = 60, classes: int = 3) -> np.ndarray:
    generator = np.random.default_rng(0)
    centres = 6 * generator.normal(size=(classes, dimensions))
    points = centres[np.arange(size) % classes] + generator.normal(size=(size, dimensions))
    return points.astype(np.float32)


@pytest.mark.parametrize("settings", KINDS, ids=lambda settings: settings.slug)
def test_a_map_is_the_same_from_run_to_run_and_keeps_clusters_apart(settings: MapSettings):
    latents = clusters()
    first, second = draw_map(latents, settings), draw_map(latents, settings)
    assert first.points.shape == (150, 2)
    np.testing.assert_array_equal(first.points, second.points)
    assert first.trustworthiness == second.trustworthiness > 0.8
    of = np.arange(150) % 3
    distances = np.linalg.norm(first.points[:, None] - first.points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    assert (of[distances.argmin(axis=1)] == of).all()


def test_maps_neither_read_nor_move_numpys_global_generator():
    np.random.seed(1)
    before = np.random.get_state()[1].copy()
    draw_map(clusters(), MapSettings("tsne"))
    np.testing.assert_array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize("neighbours", [1, 5, 15])
@pytest.mark.parametrize("noise", [0.0, 1.0, 30.0])
def test_trustworthiness_is_scikit_learns(neighbours: int, noise: float):
    latents = clusters().astype(np.float64) + 1e3
    points = latents[:, :2] + noise * np.random.default_rng(1).normal(size=(150, 2))
    expected = manifold.trustworthiness(latents, points, n_neighbors=neighbours)
    assert maps.trustworthiness(latents, points, neighbours) == pytest.approx(expected, abs=1e-12)


def test_chunks_do_not_show(monkeypatch: pytest.MonkeyPatch):
    latents = clusters()
    whole = maps.trustworthiness(latents, latents[:, :2])
    monkeypatch.setattr(maps, "_CHUNK_ENTRIES", 1000)
    assert maps.trustworthiness(latents, latents[:, :2]) == whole


def test_principal_components_are_scikit_learns_but_for_their_sign():
    from sklearn.decomposition import PCA

    latents = clusters().astype(np.float64)
    expected = PCA(5, svd_solver="full").fit_transform(latents)
    found = maps._components(latents.astype(np.float32), 5)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-3)


@pytest.mark.parametrize(
    ("latents", "message"),
    [
        (np.zeros((49, 3)), "N at least 50, not \\[49, 3\\]"),
        (np.zeros(100), "not \\[100\\]"),
        (np.full((60, 2), np.nan), "must be finite"),
        (np.full((60, 2), 0.37), "all are the same"),
    ],
)
def test_what_cannot_be_mapped_is_said(latents: np.ndarray, message: str):
    with pytest.raises(ValueError, match=message):
        draw_map(latents, MapSettings())


def test_what_can_be_mapped_is_enough_latents_that_differ():
    assert maps.can_be_mapped(clusters())
    assert not maps.can_be_mapped(clusters()[:49])
    rounding = 1e-8 * np.random.default_rng(0).normal(size=(60, 3))
    assert not maps.can_be_mapped(1 + rounding)
    assert maps.can_be_mapped(rounding)


def test_neighbours_must_be_fewer_than_half_of_the_points():
    with pytest.raises(ValueError, match="below 75, not 75"):
        maps.trustworthiness(clusters(), clusters()[:, :2], 75)

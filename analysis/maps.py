"""Maps: latents laid out in two dimensions, to be looked at and never to be measured in.

Every map is seeded and the same from run to run. Distances, silhouettes and all other structure
are computed in the latents' full dimension; what is computed here from a map is only how far it
can be trusted.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

Method = Literal["tsne", "umap"]

NEIGHBOURS = 15
"""How many neighbours of each point the trustworthiness looks at."""

FEWEST_POINTS = 50
"""Of a map: fewer have too few neighbours."""

_CHUNK_ENTRIES = 2**22


@dataclass(frozen=True)
class MapSettings:
    """How a map is made.

    Attributes:
        method: ``tsne`` or ``umap``.
        paper_mode: t-SNE with scikit-learn's defaults, as the paper most likely made its Figure 3,
            instead of 50 principal components, exact neighbours and openTSNE.
        seed: of every random draw.
    """

    method: Method = "tsne"
    paper_mode: bool = False
    seed: int = 0

    @property
    def name(self) -> str:
        """The map's kind, for people."""
        if self.method == "umap":
            return "UMAP"
        return "t-SNE (scikit-learn's defaults)" if self.paper_mode else "t-SNE"

    @property
    def slug(self) -> str:
        """The map's kind, for a file's name."""
        return f"{self.method}-paper" if self.paper_mode else self.method


@dataclass(frozen=True, eq=False)
class Map:
    """A map and how far it can be trusted.

    Attributes:
        points: float32 [N, 2].
        trustworthiness: see `trustworthiness`, with `NEIGHBOURS` neighbours.
    """

    points: NDArray[np.float32]
    trustworthiness: float


def can_be_mapped(latents: ArrayLike) -> bool:
    """Whether there are enough latents, and some differ by more than rounding: of latents that are
    all the same a map would show neighbours where there are none.

    Args:
        latents: [N, d], finite.
    """
    points = np.asarray(latents)
    return len(points) >= FEWEST_POINTS and _differ(points)


def draw_map(latents: ArrayLike, settings: MapSettings) -> Map:
    """Lay latents out in two dimensions.

    Args:
        latents: [N, d], finite, N at least 50, not all the same.
        settings: how.

    Raises:
        ValueError: the shape is another, there are too few points, one is not finite, or all are
            the same.
    """
    points = np.asarray(latents, dtype=np.float32)
    if points.ndim != 2 or len(points) < FEWEST_POINTS:
        raise ValueError(
            f"a map needs latents [N, d] with N at least {FEWEST_POINTS}, not {list(points.shape)}"
        )
    if not np.isfinite(points).all():
        raise ValueError("latents must be finite, but some are NaN or infinite")
    if not _differ(points):
        raise ValueError("latents must differ, but all are the same")
    layout = {"tsne": _paper_tsne if settings.paper_mode else _tsne, "umap": _umap}
    drawn = np.asarray(layout[settings.method](points, settings.seed), dtype=np.float32)
    return Map(drawn, trustworthiness(points, drawn))


def _differ(points: NDArray[np.float32]) -> bool:
    return bool(np.ptp(points, axis=0).max() > 1e-6 * np.abs(points).max())


def _tsne(latents: NDArray[np.float32], seed: int) -> NDArray[np.float64]:
    """t-SNE (van der Maaten and Hinton 2008) of up to 50 principal components, by openTSNE
    (Poličar, Stražar and Zupan 2024) with exact neighbours and initialised by PCA (Kobak and
    Berens 2019)."""
    from openTSNE import TSNE

    return np.asarray(TSNE(neighbors="exact", random_state=seed).fit(_components(latents, 50)))


def _paper_tsne(latents: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    from sklearn.manifold import TSNE

    return np.asarray(TSNE(random_state=seed).fit_transform(latents))


def _umap(latents: NDArray[np.float32], seed: int) -> NDArray[np.float32]:
    """UMAP (McInnes, Healy and Melville 2018) with its defaults, on one thread: only then is it
    the same from run to run."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # umap-learn warns of the one thread that is asked for
        from umap import UMAP

        return np.asarray(UMAP(random_state=seed, n_jobs=1).fit_transform(latents))


def _components(latents: NDArray[np.float32], count: int) -> NDArray[np.float64]:
    """The first principal components [N, min(count, d)], each with its sign fixed."""
    centred = latents.astype(np.float64) - latents.mean(axis=0, dtype=np.float64)
    _, axes = np.linalg.eigh(centred.T @ centred)
    leading = axes[:, ::-1][:, :count]
    largest = np.abs(leading).argmax(axis=0)
    signs = np.sign(leading[largest, np.arange(leading.shape[1])])
    return np.ascontiguousarray(centred @ (leading * signs))


def trustworthiness(latents: ArrayLike, points: ArrayLike, neighbours: int = NEIGHBOURS) -> float:
    """How few of a map's neighbours are strangers in the latent space, from 0 to 1.

    Venna and Kaski 2001: `1 − 2 / (N k (2N − 3k − 1)) Σ_i Σ_j max(0, r(i, j) − k)`, where j runs
    over the k nearest neighbours of i in the map and r(i, j) is the rank of j by its distance from
    i in the latent space. Computed exactly, in chunks, so that memory does not grow with N².

    Args:
        latents: [N, d].
        points: [N, 2].
        neighbours: k, below N / 2.

    Raises:
        ValueError: k is not below N / 2, or the lengths differ.
    """
    high, low = (torch.as_tensor(np.asarray(a, dtype=np.float64)) for a in (latents, points))
    count = len(high)
    if len(low) != count:
        raise ValueError(f"there are {count} latents, but {len(low)} points")
    if not 1 <= neighbours < count / 2:
        raise ValueError(f"neighbours must be from 1 to below {count / 2:g}, not {neighbours}")
    high, low = high - high.mean(dim=0), low - low.mean(dim=0)
    strangeness = 0
    chunk = max(1, _CHUNK_ENTRIES // count)
    for start in range(0, count, chunk):
        nearest = _distances(low, start, chunk).topk(neighbours, largest=False).indices
        distances = _distances(high, start, chunk)
        ordered, _ = distances.sort(dim=1)
        # the point itself is at infinity, so the first rank is the nearest other point's
        ranks = torch.searchsorted(ordered, distances.gather(1, nearest)) + 1
        strangeness += int((ranks - neighbours).clamp(min=0).sum())
    worst = count * neighbours * (2 * count - 3 * neighbours - 1) / 2
    return 1 - strangeness / worst


def _distances(points: torch.Tensor, start: int, chunk: int) -> torch.Tensor:
    """Squared distances [chunk, N] from some points to all; a point's own is infinite."""
    rows = points[start : start + chunk]
    squares = points.square().sum(dim=1)
    distances = torch.addmm(squares, rows, points.T, alpha=-2) + rows.square().sum(dim=1)[:, None]
    distances.diagonal(start).fill_(torch.inf)
    return distances

"""Structure of the latent space, measured once per checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from analysis.frame import Cells
from analysis.latents import latents
from analysis.silhouette import silhouette
from lbray.errors import DamagedArtefact
from lbray.store import Store

SILHOUETTE = "test/silhouette"


def with_structure(
    cells: Cells,
    store: Store,
    data_root: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Cells:
    """Add the column ``test/silhouette``: of the test images' latents, in their full dimension.

    A score is kept beside its cell, so that no checkpoint is measured twice.

    Args:
        cells: from `analysis.load`.
        store: the store that they are from.
        data_root: where datasets lie.
        progress: called with how many cells are done, and of how many.

    Returns:
        The cells; one whose weights are damaged is moved to those left out.
    """
    scores, left_out = {}, dict(cells.left_out)
    for done, (cell_id, sha256) in enumerate(
        cells.frame[["id", "weights_sha256"]].itertuples(index=False), start=1
    ):
        try:
            scores[cell_id] = _silhouette(store, cell_id, sha256, data_root)
        except DamagedArtefact as problem:
            left_out[cell_id] = str(problem)
        progress(done, len(cells.frame))
    frame = cells.frame[cells.frame["id"].isin(scores)]
    return Cells(frame.assign(**{SILHOUETTE: frame["id"].map(scores)}), left_out)


def _silhouette(store: Store, cell_id: str, sha256: str, data_root: Path | None) -> float:
    files = store.cell(cell_id)
    kept = files.scores(sha256)
    if SILHOUETTE not in kept:
        try:
            kept[SILHOUETTE] = silhouette(*latents(files, sha256, data_root))
        except ValueError as problem:
            raise DamagedArtefact(f"{files.cell().label}: {problem}.") from None
        with suppress(OSError):  # a store that is only readable is measured anew each time
            files.write_scores(sha256, kept)
    return kept[SILHOUETTE]

"""Maps of stored cells, each made once and kept beside its cell."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import torch

from analysis.maps import NEIGHBOURS, Map, MapSettings, draw_map
from analysis.outputs import outputs
from lbray.errors import StoreUnavailable
from lbray.store import Store


def stored_map(
    store: Store,
    cell_id: str,
    weights_sha256: str,
    settings: MapSettings,
    data_root: Path | None = None,
) -> Map:
    """A map of a cell's test latents by its best weights.

    It is kept under a key of all that it depends on (weights, dataset, split and map settings), so
    that nothing is mapped twice. A copy that is damaged or of another key is made anew; so is
    every map of a store that is only readable.

    Raises:
        DamagedArtefact: the weights are missing, altered, or of another architecture.
        InputError: the dataset is not to be had.
        ValueError: see `draw_map`.
    """
    files = store.cell(cell_id)
    cell = files.cell()
    dataset, _ = store.datasets.prepared(cell.dataset, data_root, **cell.split_settings)
    key = {
        "weights_sha256": weights_sha256,
        "dataset": dataset.fingerprint,
        **cell.split_settings,
        **asdict(settings),
        "neighbours": NEIGHBOURS,
    }
    kept = files.map(settings.slug, key)
    if kept is not None:
        return Map(kept["points"].numpy(), float(kept["trustworthiness"]))
    drawn = draw_map(outputs(store, cell_id, weights_sha256, "test", data_root).latents, settings)
    tensors = {
        "points": torch.from_numpy(drawn.points),
        "trustworthiness": torch.tensor(drawn.trustworthiness, dtype=torch.float64),
    }
    with suppress(StoreUnavailable):  # a read-only store is mapped anew each time
        files.write_map(settings.slug, key, tensors)
    return drawn

"""Latents of a stored cell: images through its best weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from lbray import backbones, data
from lbray.errors import DamagedArtefact
from lbray.store import CellFiles

_BATCH = 128


@torch.no_grad()
def latents(
    files: CellFiles, weights_sha256: str, data_root: Path | None = None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The latents [N, d] of a cell's test images by its best weights, and their labels [N].

    Args:
        files: the cell.
        weights_sha256: the checksum of its best weights, as its result has it.
        data_root: where datasets lie; see `lbray.data.load`.

    Raises:
        DamagedArtefact: the weights are missing, altered, or of another architecture.
        InputError: the dataset is not to be had.
    """
    cell = files.cell()
    weights, _ = files.best(weights_sha256)
    dataset, splits = data.prepared(cell.dataset, data_root, **cell.split_settings)
    with torch.random.fork_rng():
        model = backbones.build(cell.backbone, dataset.num_classes, dataset.image_shape[0])
    try:
        model.load_state_dict(weights)
    except RuntimeError as problem:
        first = str(problem).splitlines()[-1].strip()
        raise DamagedArtefact(
            f"the weights of {files.id} do not fit {cell.backbone}: {first}"
        ) from None
    model.eval()
    batches = [
        model(splits.normalise(images))[0].float() for images in splits.test.images.split(_BATCH)
    ]
    return torch.cat(batches).numpy(), splits.test.labels.numpy()

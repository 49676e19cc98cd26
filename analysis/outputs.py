"""What a stored cell's best weights give on a split: latents and logits."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from analysis.checkpoint import Checkpoint
from analysis.sample import stratified
from lbray import data
from lbray.errors import StoreUnavailable
from lbray.store import Store

SplitName = Literal["train", "validation", "test"]

TRAIN_IMAGES = 10_000
"""At most about so many training images are shown to a network, drawn stratified."""


@dataclass(frozen=True)
class Outputs:
    """A split through a network.

    Attributes:
        latents: float32 [N, d].
        logits: float32 [N, num_classes].
        labels: int64 [N].
    """

    latents: NDArray[np.float32]
    logits: NDArray[np.float32]
    labels: NDArray[np.int64]


def outputs(
    store: Store,
    cell_id: str,
    weights_sha256: str,
    split: SplitName = "test",
    data_root: Path | None = None,
) -> Outputs:
    """The outputs of a cell's best weights on a split, in the order of its images.

    Those of test and validation are kept beside the cell under a key of all that they depend on
    (weights, dataset, split settings), so that no checkpoint is run twice. A copy that is damaged
    or of another key is measured anew; so is everything in a store that is only readable. Those
    of the training images are large and not kept: about `TRAIN_IMAGES` are drawn, stratified.

    Args:
        store: where the cell is.
        cell_id: the cell.
        weights_sha256: the checksum of its best weights, as its result has it.
        split: which images.
        data_root: where datasets lie; see `lbray.data.load`.

    Raises:
        DamagedArtefact: the weights are missing, altered, or of another architecture, or the
            dataset has other images now.
        InputError: the dataset is not to be had.
    """
    files = store.cell(cell_id)
    cell = files.cell()
    dataset, splits = store.datasets.prepared(cell.dataset, data_root, **cell.split_settings)
    part: data.Split = getattr(splits, split)
    if split == "train":
        drawn = torch.from_numpy(stratified(part.labels.numpy(), TRAIN_IMAGES))
        part = data.Split(part.images[drawn], part.labels[drawn])
    key = {
        "weights_sha256": weights_sha256,
        "dataset": dataset.fingerprint,
        "split": split,
        **cell.split_settings,
    }
    kept = None if split == "train" else files.outputs(split, key)
    if kept is None:
        latents, logits = Checkpoint(store, cell_id, weights_sha256, data_root)(part.images)
        kept = {"latents": torch.from_numpy(latents), "logits": torch.from_numpy(logits)}
        if split != "train":
            with suppress(
                StoreUnavailable
            ):  # a store that is only readable is measured anew each time
                files.write_outputs(split, key, kept)
    return Outputs(kept["latents"].numpy(), kept["logits"].numpy(), part.labels.numpy())

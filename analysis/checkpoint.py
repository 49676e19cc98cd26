"""A stored cell's network at its best weights."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lbray import backbones, data
from lbray.data import Dataset, Splits
from lbray.errors import DamagedArtefact, InputError
from lbray.store import Store

_BATCH = 128


def changed_images(frame: pd.DataFrame, store: Store, data_root: Path | None) -> dict[str, str]:
    """Cells whose dataset has other images now than when they were trained, and this as a sentence.

    Only a folder can have others: datasets with a name are checked when they are read. One that is
    not to be had is not looked at.

    Args:
        frame: from `analysis.load`.
        store: the store that it is from.
        data_root: where datasets lie.
    """
    now: dict[str, str] = {}
    for name in set(frame["dataset"]) - set(data.names()):
        with suppress(DamagedArtefact, InputError):
            now[name] = data.load(name, data_root, store.datasets.provide(name)).fingerprint
    cells = frame[["id", "dataset", "images_sha256"]].itertuples(index=False)
    return {
        cell_id: _other_images(cell_id, name)
        for cell_id, name, trained_on in cells
        if name in now and isinstance(trained_on, str) and trained_on != now[name]
    }


def _other_images(cell_id: str, dataset: str) -> str:
    return f"the cell {cell_id} was trained on other images than '{dataset}' has now."


class Checkpoint:
    """The network of a cell at its best epoch, ready to be shown images.

    Args:
        store: where the cell is.
        cell_id: the cell.
        weights_sha256: the checksum of its best weights, as its result has it.
        data_root: where datasets lie; see `lbray.data.load`.

    Attributes:
        dataset: what the cell was trained on.
        splits: that dataset's splits, as the cell had them.

    Raises:
        DamagedArtefact: the weights are missing, altered, or of another architecture, the dataset
            has other images now, or the file of a backbone of the user's own has changed, which is
            then not imported.
        InputError: the dataset is not to be had.
    """

    def __init__(
        self, store: Store, cell_id: str, weights_sha256: str, data_root: Path | None = None
    ) -> None:
        files = store.cell(cell_id)
        cell, result = files.cell(), files.result()
        how = {} if result is None else result.provenance
        if how.get("backbone_code") != backbones.code_digest(cell.backbone):
            raise DamagedArtefact(
                f"the cell {cell.id} was trained with another state of the file of "
                f"'{cell.backbone}' than there is now."
            )
        weights, _ = files.best(weights_sha256)
        self.dataset: Dataset
        self.splits: Splits
        self.dataset, self.splits = store.datasets.prepared(
            cell.dataset, data_root, **cell.split_settings
        )
        if how.get("dataset") not in (None, self.dataset.fingerprint):
            raise DamagedArtefact(_other_images(cell.id, cell.dataset))
        with torch.random.fork_rng():
            model = backbones.build(
                cell.backbone, self.dataset.num_classes, self.dataset.image_shape[0]
            )
        try:
            model.load_state_dict(weights)
        except RuntimeError as problem:
            first = str(problem).splitlines()[-1].strip()
            raise DamagedArtefact(
                f"the weights of {cell_id} do not fit {cell.backbone}: {first}"
            ) from None
        self._model = model.eval()

    @torch.no_grad()
    def __call__(self, images: Tensor) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Latents [N, d] and logits [N, num_classes] of images, uint8 [N, C, H, W]."""
        parts = [self._model(self.splits.normalise(batch)) for batch in images.split(_BATCH)]
        latents, logits = (torch.cat(part).float().numpy() for part in zip(*parts, strict=True))
        return latents, logits

    @property
    def classifier(self) -> NDArray[np.float32] | None:
        """The weights [num_classes, d] that turn latents to logits; None where the head is not a
        single linear layer."""
        head = getattr(self._model, "head", None)
        return head.weight.detach().float().numpy() if isinstance(head, nn.Linear) else None

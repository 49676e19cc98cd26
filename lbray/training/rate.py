"""How fast a cell trains on this machine, from a few of its batches."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import torch

from lbray import losses
from lbray.data import Split, Splits
from lbray.errors import InputError
from lbray.spec import Cell
from lbray.store import Store
from lbray.training.trainer import Trainer

_BATCHES = 4


def epoch_seconds(
    cell: Cell,
    store: Store,
    data_root: Path | None = None,
    device: str = "cpu",
    threads: int = 1,
) -> float:
    """Seconds of one epoch, validation included, measured on the same share of both splits after
    as much for warming up. Nothing is stored.

    Args:
        cell: whose epoch; one with its distance loss in force.
        store: may have a copy of the dataset.
        data_root: where datasets lie of which the store has no copy.
        device: a torch device.
        threads: of the process, as its workers will have them.
    """
    _, splits = store.datasets.prepared(cell.dataset, data_root, device, **cell.split_settings)
    share = _enough(cell, splits)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        trainer = Trainer(cell, _part(splits, share))
        last = cell.max_epochs - 1
        trainer.run_epoch(last)
        seconds: float = trainer.run_epoch(last)["time/epoch_s"]
    finally:
        torch.set_num_threads(before)
    return seconds / share


def _enough(cell: Cell, splits: Splits) -> float:
    """The share of the images that makes the batches, or more where the loss can do nothing with so
    few."""
    share = _BATCHES * cell.batch_size / len(splits.train.labels)
    while share < 1 and not cell.is_baseline:
        few = _part(splits, share)
        try:
            losses.check_training_set(cell.loss, cell.loss_params, few.class_sizes)
        except InputError:
            share *= 2
        else:
            break
    return min(share, 1.0)


def _part(splits: Splits, share: float) -> Splits:
    return replace(
        splits, train=_first(splits.train, share), validation=_first(splits.validation, share)
    )


def _first(split: Split, share: float) -> Split:
    size = math.ceil(share * len(split.labels))
    return Split(split.images[:size], split.labels[:size])

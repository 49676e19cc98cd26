"""Everything that can be wrong with a sweep and be known before it starts."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from lbray import backbones, data, losses, streams
from lbray.data import Dataset
from lbray.errors import InputError
from lbray.planning.plan import Plan
from lbray.spec import Cell
from lbray.store import Result, Store

_BYTES_PER_WEIGHT = 4


@dataclass(frozen=True)
class Preflight:
    """What was found in cells that can run.

    Attributes:
        datasets: theirs.
        unshareable: why several workers cannot share the batches of some of them; None if they can.
    """

    datasets: list[Dataset]
    unshareable: str | None


def preflight(plan: Plan, store: Store, data_root: Path | None, at_once: int) -> Preflight:
    """Load every dataset, split it as the cells do, try every backbone and loss on it, probe
    the store.

    Args:
        plan: the cells to run, and those that have run.
        store: where artefacts will go.
        data_root: where datasets lie.
        at_once: how many cells will run at the same time.

    Raises:
        InputError: some cell could not run, or its results could not stand beside the stored ones.
    """
    datasets: dict[str, Dataset] = {}
    for cell in plan.missing:
        if cell.dataset not in datasets:
            copy = store.datasets.provide(cell.dataset)
            datasets[cell.dataset] = data.load(cell.dataset, data_root, copy)
    for cell in plan.done + plan.failed:
        _check_same_data(cell, plan.results[cell.id], datasets)
    widths: dict[tuple[str, str], int] = {}
    weights: dict[tuple[str, str], int] = {}
    unshareable = None
    for dataset, backbone in sorted({(cell.dataset, cell.backbone) for cell in plan.missing}):
        loaded = datasets[dataset]
        network = backbones.check_fit(backbone, loaded.num_classes, loaded.image_shape)
        widths[dataset, backbone] = backbones.latent_width(network, loaded.image_shape)
        weights[dataset, backbone] = sum(p.numel() for p in network.parameters())
        why_not = backbones.unshareable(network, loaded.image_shape)
        if why_not is not None:
            unshareable = f"the backbone '{backbone}' {why_not}"
    _check_losses(plan.missing, datasets, widths)
    if plan.missing:
        # each cell keeps its best weights; while it runs, of three epochs the weights and Adam's
        # moments too
        stored = sum(weights[cell.dataset, cell.backbone] for cell in plan.missing)
        under_way = 9 * at_once * max(weights.values())
        store.files.check_writable(_BYTES_PER_WEIGHT * (stored + under_way))
    return Preflight(list(datasets.values()), unshareable)


def _check_losses(
    cells: Sequence[Cell], datasets: Mapping[str, Dataset], widths: Mapping[tuple[str, str], int]
) -> None:
    """See that the losses can do with the training images and the latents that they will get."""
    training: dict[tuple[object, ...], tuple[dict[str, int], Tensor]] = {}
    rehearsed = set()
    for cell in cells:
        split = cell.dataset, *cell.split_settings.values()
        if split not in training:
            splits = data.split(datasets[cell.dataset], **cell.split_settings)
            training[split] = splits.class_sizes, splits.train.labels
        part = split, cell.backbone, cell.batch_size, cell.loss, json.dumps(cell.loss_params)
        if cell.is_baseline or part in rehearsed:
            continue
        rehearsed.add(part)
        sizes, labels = training[split]
        losses.check_training_set(cell.loss, cell.loss_params, sizes)
        order = torch.randperm(len(labels), generator=streams.generator(cell.seed, "shuffle"))
        losses.rehearse(
            cell.loss,
            cell.loss_params,
            labels[order[: cell.batch_size]],
            num_classes=len(sizes),
            embedding_size=widths[cell.dataset, cell.backbone],
            max_epochs=cell.max_epochs,
        )


def _check_same_data(cell: Cell, result: Result, datasets: dict[str, Dataset]) -> None:
    used = result.provenance.get("dataset")
    now = datasets.get(cell.dataset)
    if now is not None and used is not None and used != now.fingerprint:
        raise InputError(
            f"dataset is '{cell.dataset}' (from {now.source}), whose content differs from what the "
            f"stored cell {cell.id} was trained on; give another --store, or the data as it was."
        )

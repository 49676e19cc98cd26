"""Everything that can be wrong with a sweep and be known before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lbray import backbones, data, losses
from lbray.data import Dataset, Splits
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
    class_sizes = {
        _split_of(cell): _class_sizes(data.split(datasets[cell.dataset], **cell.split_settings))
        for cell in _unique_by_split(plan.missing)
    }
    for cell in _unique_by_loss_and_split(plan.missing):
        losses.check_training_set(cell.loss, cell.loss_params, class_sizes[_split_of(cell)])
    largest, unshareable = 0, None
    for dataset, backbone in sorted({(cell.dataset, cell.backbone) for cell in plan.missing}):
        loaded = datasets[dataset]
        network = backbones.check_fit(backbone, loaded.num_classes, loaded.image_shape)
        width = backbones.latent_width(network, loaded.image_shape)
        for cell in plan.missing:
            if (cell.dataset, cell.backbone) == (dataset, backbone) and not cell.is_baseline:
                losses.fitted(
                    cell.loss,
                    cell.loss_params,
                    num_classes=loaded.num_classes,
                    embedding_size=width,
                )
        largest = max(largest, sum(p.numel() for p in network.parameters()) * _BYTES_PER_WEIGHT)
        kind = backbones.unshareable(network)
        if kind is not None:
            unshareable = (
                f"the backbone '{backbone}' has a {kind}, which does not do with each worker's "
                "share of a batch what it does with the whole"
            )
    if plan.missing:
        # each cell keeps its best weights; while it runs, the current ones and Adam's moments too
        store.files.check_writable(largest * (len(plan.missing) + 3 * at_once))
    return Preflight(list(datasets.values()), unshareable)


def _split_of(cell: Cell) -> tuple[object, ...]:
    return cell.dataset, *cell.split_settings.values()


def _unique_by_split(cells: tuple[Cell, ...]) -> list[Cell]:
    return list({_split_of(cell): cell for cell in cells}.values())


def _unique_by_loss_and_split(cells: tuple[Cell, ...]) -> list[Cell]:
    keyed = {
        (cell.loss, *cell.loss_params.items(), *_split_of(cell)): cell
        for cell in cells
        if not cell.is_baseline
    }
    return list(keyed.values())


def _class_sizes(splits: Splits) -> dict[str, int]:
    counts = splits.train.labels.bincount(minlength=len(splits.classes))
    return dict(zip(splits.classes, counts.tolist(), strict=True))


def _check_same_data(cell: Cell, result: Result, datasets: dict[str, Dataset]) -> None:
    used = result.provenance.get("dataset")
    now = datasets.get(cell.dataset)
    if now is not None and used is not None and used != now.fingerprint:
        raise InputError(
            f"dataset is '{cell.dataset}' (from {now.source}), whose content differs from what the "
            f"stored cell {cell.id} was trained on; give another --store, or the data as it was."
        )

"""`lbray data`: list, fetch, verify and push datasets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click
from tabulate import tabulate

from lbray.cli.completion import datasets as dataset_names
from lbray.cli.options import data_root_option, store_option

if TYPE_CHECKING:
    from lbray.data import Dataset


@click.group()
def data() -> None:
    """Datasets: what there is, where it lies, whether it is sound."""


@data.command("list")
@data_root_option
def list_datasets(data_root: Path | None) -> int:
    """List the datasets that have a name, and where each was found."""
    from lbray import data as datasets

    rows = [
        (
            row.name,
            f"{row.images:,}",
            "×".join(map(str, row.image_shape)),
            row.num_classes,
            row.where,
        )
        for row in datasets.catalogue(data_root)
    ]
    click.echo(
        tabulate(rows, ["name", "images", "C×H×W", "classes", "where"], disable_numparse=True)
    )
    click.echo("Besides: folder:PATH, a folder or zip of train/CLASS/IMAGE and test/CLASS/IMAGE.")
    return 0


@data.command()
@click.argument("name", shell_complete=dataset_names)
@data_root_option
def fetch(name: str, data_root: Path | None) -> int:
    """Download dataset NAME unless it is on disk, and check it."""
    from lbray import data as datasets

    return _sound(datasets.fetch(name, data_root))


@data.command()
@click.argument("name", shell_complete=dataset_names)
@data_root_option
def verify(name: str, data_root: Path | None) -> int:
    """Check every byte of dataset NAME on disk against what was published."""
    from lbray import data as datasets

    return _sound(datasets.verify(name, data_root))


@data.command()
@click.argument("name", shell_complete=dataset_names)
@store_option
@data_root_option
def push(name: str, store: str, data_root: Path | None) -> int:
    """Copy dataset NAME into the store, from which each node of a cluster takes it once.

    NAME is as experiments have it, also folder:PATH. Sweeps on the store take the copy from then
    on, whatever lies on their machines.
    """
    from lbray import data as datasets
    from lbray.store import Store

    artefacts = Store(store)
    artefacts.files.check_writable()
    dataset = datasets.fetch(name, data_root)
    size = artefacts.datasets.push(dataset)
    click.echo(f"{name}: {size / 1e6:,.1f} MB in {store}, fingerprint {dataset.fingerprint}")
    return 0


def _sound(dataset: Dataset) -> int:
    click.echo(
        f"{dataset.name}: {len(dataset.train_labels):,} training and {len(dataset.test_labels):,} "
        f"test images of {dataset.num_classes} classes, sound; from {dataset.source}"
    )
    return 0

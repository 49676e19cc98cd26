"""Datasets by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from lbray.data import folder
from lbray.data.cifar import Cifar10, Cifar100
from lbray.data.dataset import Dataset
from lbray.data.digits import Digits
from lbray.data.fashion_mnist import FashionMnist
from lbray.data.folder import Folder
from lbray.data.locations import data_root
from lbray.data.received import received
from lbray.errors import InputError


class Source(Protocol):
    """Where one dataset is had from."""

    def where(self) -> str | None:
        """Where it was found, for people; None if it was not. Does not read it."""

    def load(self) -> Dataset:
        """The dataset, by the fastest way that gives the right content."""

    def fetch(self) -> Dataset:
        """The dataset, downloaded where it is not on disk, and checked."""

    def verify(self) -> Dataset:
        """The dataset from the files on disk, every byte of them checked."""


@dataclass(frozen=True)
class _Registered:
    images: int
    image_shape: tuple[int, int, int]
    num_classes: int
    source: Callable[[Path], Source]


_DATASETS = {
    "digits": _Registered(1_797, (1, 8, 8), 10, lambda root: Digits()),
    "fashion_mnist": _Registered(70_000, (1, 28, 28), 10, FashionMnist),
    "cifar10": _Registered(60_000, (3, 32, 32), 10, Cifar10),
    "cifar100": _Registered(60_000, (3, 32, 32), 100, Cifar100),
}


@dataclass(frozen=True)
class CatalogueRow:
    """One dataset of the catalogue; `image_shape` is (C, H, W), `where` is for people."""

    name: str
    images: int
    image_shape: tuple[int, int, int]
    num_classes: int
    where: str


def names() -> tuple[str, ...]:
    """The datasets that have a name; besides them there is the form ``folder:PATH``."""
    return tuple(_DATASETS)


def check_name(name: str) -> None:
    """See that a name is one of `names`, or has the form ``folder:PATH``. Looks at no file.

    Raises:
        InputError: it is neither.
    """
    if name == folder.PREFIX:
        raise InputError(
            f"dataset is '{name}', but must name a directory or a zip archive: folder:PATH."
        )
    if name not in _DATASETS and not name.startswith(folder.PREFIX):
        raise InputError.unknown("dataset", name, [*names(), "folder:PATH"])


def load(name: str, root: Path | str | None = None, copy: str | None = None) -> Dataset:
    """A dataset; one that is not on disk is downloaded.

    Args:
        name: one of `names`, or ``folder:PATH``; see `lbray.data.folder.Folder`.
        root: the folder of datasets; ``LBRAY_DATA``, else a folder in the user's cache, if None.
        copy: the fingerprint of a copy that was received and is to be taken instead of files.

    Raises:
        InputError: there is no such dataset, its files are not as they should be, or it can
            neither be found nor be downloaded.
    """
    return received(copy) if copy is not None else _source(name, root).load()


def fetch(name: str, root: Path | str | None = None) -> Dataset:
    """As `load`, but reads and checks every byte of the files, whatever is cached."""
    return _source(name, root).fetch()


def verify(name: str, root: Path | str | None = None) -> Dataset:
    """As `fetch`, but never downloads.

    Raises:
        InputError: the dataset is not on disk, or not as it should be.
    """
    return _source(name, root).verify()


def where(name: str, root: Path | str | None = None) -> str | None:
    """Where a dataset lies, for people; None if it was not found. Opens no file.

    Raises:
        InputError: there is no such dataset.
    """
    return _source(name, root).where()


def catalogue(root: Path | str | None = None) -> list[CatalogueRow]:
    """What there is by name, and where each was found; opens no file."""
    return [
        CatalogueRow(
            name,
            entry.images,
            entry.image_shape,
            entry.num_classes,
            entry.source(data_root(root)).where() or f"not found; lbray data fetch {name}",
        )
        for name, entry in _DATASETS.items()
    ]


def _source(name: str, root: Path | str | None) -> Source:
    check_name(name)
    if name in _DATASETS:
        return _DATASETS[name].source(data_root(root))
    return Folder(name)

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torchvision.datasets import CIFAR10, CIFAR100

from lbray import data
from lbray.errors import InputError


def _pickled(path: Path, content: dict[str, Any]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickle.dumps(content))
    return hashlib.md5(path.read_bytes()).hexdigest()


def _fabricate(name: str, root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An archive in the published layout, of two images a batch, whose checksums hold."""
    kind = {"cifar10": CIFAR10, "cifar100": CIFAR100}[name]
    key = {"cifar10": "labels", "cifar100": "fine_labels"}[name]
    classes = {"cifar10": 10, "cifar100": 100}[name]
    folder = root / kind.base_folder
    lists = {}
    for part in ("train_list", "test_list"):
        lists[part] = []
        for at, (file, _) in enumerate(getattr(kind, part)):
            pixels = np.arange(2 * 3072).reshape(2, 3072).astype(np.uint8)
            batch = {"data": pixels, key: [at, classes - 1]}
            lists[part].append([file, _pickled(folder / file, batch)])
        monkeypatch.setattr(kind, part, lists[part])
    names = [f"class {i}" for i in range(classes)]
    md5 = _pickled(folder / kind.meta["filename"], {kind.meta["key"]: names})
    monkeypatch.setattr(kind, "meta", {**kind.meta, "md5": md5})
    return folder


@pytest.mark.parametrize(("name", "train", "classes"), [("cifar10", 10, 10), ("cifar100", 2, 100)])
def test_images_are_channels_first_and_labels_are_fine(
    name: str, train: int, classes: int, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = _fabricate(name, data_root, monkeypatch)
    for read in (data.load, data.load, data.fetch, data.verify):
        dataset = read(name)
        assert dataset.train_images.shape == (train, 3, 32, 32)
        assert dataset.train_images[0, 1, 0, :3].tolist() == [0, 1, 2]  # 1024 mod 256 onwards
        assert dataset.train_images[0, 0, 1, :3].tolist() == [32, 33, 34]
        assert dataset.train_labels[:2].tolist() == [0, classes - 1]
        assert len(dataset.test_labels) == 2
        assert dataset.classes[-1] == f"class {classes - 1}"
        assert str(folder) in dataset.source
    row = next(row for row in data.catalogue() if row.name == name)
    assert row.where == str(folder)


@pytest.mark.parametrize("file", ["data_batch_3", "test_batch", "batches.meta"])
def test_a_file_that_is_not_the_published_one_is_named_and_never_unpickled(
    file: str, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _fabricate("cifar10", data_root, monkeypatch) / file
    path.write_bytes(path.read_bytes() + b"\0")
    monkeypatch.setattr("pickle.load", None)
    for read in (data.load, data.fetch, data.verify):
        with pytest.raises(InputError, match=f"{path} has the MD5 .* but the published file has"):
            read("cifar10")


@pytest.mark.usefixtures("offline")
def test_a_missing_batch_is_named(data_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (_fabricate("cifar10", data_root, monkeypatch) / "data_batch_2").unlink()
    with pytest.raises(InputError, match="lacks data_batch_2"):
        data.load("cifar10")

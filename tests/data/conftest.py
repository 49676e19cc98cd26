from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from fabricated_datasets import WriteImage, idx_bytes
from PIL import Image

from lbray.data import fashion_mnist


@pytest.fixture(autouse=True)
def data_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Datasets and decoded copies lie below tmp_path, whatever the machine has."""
    root = tmp_path / "datasets"
    monkeypatch.setenv("LBRAY_DATA", str(root))
    monkeypatch.setenv("LBRAY_CACHE", str(tmp_path / "decoded"))
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "debian")
    return root


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("socket.create_connection", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)


@pytest.fixture
def small_fashion(monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """The four files, decompressed, of a Fashion-MNIST of 60 + 20 images; its checksums hold."""
    random = np.random.default_rng(0)
    files = {}
    for part, count in (("train", 60), ("t10k", 20)):
        images = random.integers(0, 256, (count, 28, 28)).astype(np.uint8)
        labels = (np.arange(count) % 10).astype(np.uint8)
        files[f"{part}-images-idx3-ubyte"] = idx_bytes(images)
        files[f"{part}-labels-idx1-ubyte"] = idx_bytes(labels)
    sums = {stem: hashlib.sha256(content).hexdigest() for stem, content in files.items()}
    monkeypatch.setattr(fashion_mnist, "SHA256", sums)
    return files


@pytest.fixture
def write_image(tmp_path: Path) -> WriteImage:
    """Write one image of a constant value under tmp_path/images; returns that folder."""

    def write(name: str, value: int, mode: str = "L", size: tuple[int, int] = (5, 4)) -> Path:
        path = tmp_path / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new(mode, size, value if mode in "L1" else (value, 1, 2)).save(path)
        return tmp_path / "images"

    return write

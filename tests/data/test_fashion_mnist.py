from __future__ import annotations

import gzip
import hashlib
from pathlib import Path
from typing import Any

import pytest
from fabricated_datasets import write_gzipped

from lbray import data
from lbray.data import fashion_mnist
from lbray.errors import InputError

IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
Files = dict[str, bytes]


@pytest.mark.parametrize("folder", ["fashion-mnist", "fashion_mnist", "FashionMNIST/raw"])
def test_it_is_found_in_each_folder(folder: str, small_fashion: Files, data_root: Path) -> None:
    write_gzipped(data_root / folder, small_fashion)
    dataset = data.load("fashion_mnist")
    assert dataset.image_shape == (1, 28, 28)
    assert dataset.train_labels.tolist() == [i % 10 for i in range(60)]
    assert dataset.train_images.numpy().tobytes() == small_fashion[IMAGES][16:]
    assert dataset.classes[9] == "Ankle boot"
    assert str(data_root / folder) in dataset.source


def test_it_is_found_in_debians_package_and_unzipped(small_fashion: Files) -> None:
    fashion_mnist.DEBIAN.mkdir()
    for stem, content in small_fashion.items():
        (fashion_mnist.DEBIAN / stem).write_bytes(content)
    assert str(fashion_mnist.DEBIAN) in data.load("fashion_mnist").source


def test_a_second_load_reads_the_copy_and_verify_the_files(
    small_fashion: Files, data_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_gzipped(data_root / "fashion-mnist", small_fashion)
    first = data.load("fashion_mnist")
    with monkeypatch.context() as patch:
        patch.setattr("lbray.data.idx.read", None)
        assert data.load("fashion_mnist").fingerprint == first.fingerprint
        with pytest.raises(TypeError):
            data.verify("fashion_mnist")
    assert data.verify("fashion_mnist").fingerprint == first.fingerprint


def test_a_file_that_changed_since_it_was_copied_is_read_again(
    small_fashion: Files, data_root: Path
) -> None:
    write_gzipped(data_root / "fashion-mnist", small_fashion)
    data.load("fashion_mnist")
    (data_root / "fashion-mnist" / f"{IMAGES}.gz").write_bytes(b"not gzip")
    with pytest.raises(InputError, match="not a whole gzip file"):
        data.load("fashion_mnist")


def _damaged(content: bytes, how: str) -> bytes:
    match how:
        case "magic":
            return gzip.compress(b"\0\0\x0d\x03" + content[4:])
        case "header":
            return gzip.compress(content[:9])
        case "length":
            return gzip.compress(content[:-1])
        case "pixel":
            return gzip.compress(content[:-1] + bytes([content[-1] ^ 1]))
        case "truncated":
            return gzip.compress(content)[:-20]
        case "garbage":
            packed = bytearray(gzip.compress(content))
            packed[200:260] = b"\xff" * 60
            return bytes(packed)
        case _:
            return b""


@pytest.mark.parametrize(
    ("how", "found"),
    [
        ("magic", "begins with 0x00000d03, but .* 0x00000803"),
        ("header", "has 9 bytes, but its header alone needs 16"),
        ("length", r"has 47055 bytes, but its header promises 60×28×28 values, 47056 bytes"),
        ("pixel", "has the SHA-256 [0-9a-f]{64} .* but the published file has [0-9a-f]{64}"),
        ("truncated", "not a whole gzip file"),
        ("garbage", "not a whole gzip file"),
        ("empty", "begins with 0x, but"),
    ],
)
def test_a_damaged_file_is_named_with_what_was_found_and_expected(
    how: str, found: str, small_fashion: Files, data_root: Path
) -> None:
    write_gzipped(data_root / "fashion-mnist", small_fashion)
    path = data_root / "fashion-mnist" / f"{IMAGES}.gz"
    path.write_bytes(_damaged(small_fashion[IMAGES], how))
    for read in (data.load, data.fetch, data.verify):
        with pytest.raises(InputError, match=f"{path} .*{found}"):
            read("fashion_mnist")


@pytest.mark.usefixtures("offline")
def test_a_missing_companion_is_named(small_fashion: Files, data_root: Path) -> None:
    del small_fashion[LABELS]
    write_gzipped(data_root / "fashion-mnist", small_fashion)
    with pytest.raises(InputError, match=f"fashion-mnist .lacks {LABELS}.gz."):
        data.load("fashion_mnist")


def test_a_download_goes_where_it_is_found_again_and_is_verified(
    small_fashion: Files,
    data_root: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    resources = []
    for stem, content in small_fashion.items():
        packed = gzip.compress(content, mtime=0)
        resources.append((f"{stem}.gz", hashlib.md5(packed).hexdigest()))

    def serve(url: str, filename: str, **kwargs: Any) -> None:
        print("progress")
        Path(filename).write_bytes(gzip.compress(small_fashion[Path(url).stem], mtime=0))

    monkeypatch.setattr("torchvision.datasets.FashionMNIST.resources", resources)
    monkeypatch.setattr("torchvision.datasets.utils._get_redirect_url", lambda url, **_: url)
    monkeypatch.setattr("torchvision.datasets.utils._urlretrieve", serve)
    dataset = data.fetch("fashion_mnist")
    assert len(dataset.train_labels) == 60
    assert capsys.readouterr().out == ""
    assert [path.name for path in data_root.iterdir()] == ["FashionMNIST"]
    monkeypatch.setattr("torchvision.datasets.utils._urlretrieve", None)
    assert data.load("fashion_mnist").fingerprint == dataset.fingerprint

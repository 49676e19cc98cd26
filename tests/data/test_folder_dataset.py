from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from fabricated_datasets import WriteImage
from PIL import Image

from lbray import data
from lbray.errors import InputError


def _zipped(folder: Path, top: str = "") -> Path:
    path = folder.with_suffix(".zip")
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, f"{top}{file.relative_to(folder)}")
    return path


@pytest.fixture
def parted(write_image: WriteImage) -> Path:
    for part in ("train", "test"):
        for at in range(3):
            write_image(f"{part}/cat/{at}.png", at)
            write_image(f"{part}/ant/{at}.bmp", 10 + at)
    return write_image("train/cat/upper.PNG", 3)


@pytest.fixture
def flat(write_image: WriteImage) -> Path:
    for at in range(10):
        write_image(f"b/{at}.png", at)
        folder = write_image(f"a/{at}.png", 100 + at)
    return folder


def test_train_and_test_folders(parted: Path) -> None:
    dataset = data.load(f"folder:{parted}")
    assert dataset.classes == ("ant", "cat")
    assert dataset.image_shape == (1, 4, 5)
    assert dataset.train_labels.tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert dataset.train_images[:, 0, 0, 0].tolist() == [10, 11, 12, 0, 1, 2, 3]
    assert len(dataset.test_labels) == 6
    assert dataset.name == f"folder:{parted}"
    assert dataset.source == str(parted)


@pytest.mark.parametrize("top", ["", "archive/"])
def test_a_zip_is_its_folder(parted: Path, top: str) -> None:
    (parted / "__MACOSX" / "train" / "cat").mkdir(parents=True)
    (parted / "__MACOSX" / "train" / "cat" / "0.png").write_bytes(b"resource fork")
    (parted / "train" / "cat" / "._0.png").write_bytes(b"resource fork")
    (parted / "README.txt").write_text("not an image")
    zipped, folder = data.load(f"folder:{_zipped(parted, top)}"), data.load(f"folder:{parted}")
    assert zipped.fingerprint == folder.fingerprint
    assert zipped.classes == folder.classes


def test_without_parts_a_stratified_fifth_is_the_test(flat: Path) -> None:
    dataset = data.load(f"folder:{flat}")
    assert dataset.test_labels.bincount().tolist() == [2, 2]
    assert dataset.train_labels.bincount().tolist() == [8, 8]
    assert dataset.fingerprint == data.verify(f"folder:{flat}").fingerprint


def test_one_colour_image_makes_three_channels(flat: Path, write_image: WriteImage) -> None:
    grey = data.load(f"folder:{flat}")
    write_image("b/9.png", 200, mode="RGB")
    colour = data.load(f"folder:{flat}")
    assert grey.image_shape == (1, 4, 5)
    assert colour.image_shape == (3, 4, 5)
    pixels = {tuple(p) for p in colour.train_images[:, :, 0, 0].tolist()}
    pixels |= {tuple(p) for p in colour.test_images[:, :, 0, 0].tolist()}
    assert (200, 1, 2) in pixels
    assert (100, 100, 100) in pixels


def test_a_relative_path_starts_at_the_working_directory(
    flat: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(flat.parent)
    assert data.load("folder:images").source == str(flat)


def test_a_second_load_decodes_nothing_and_changed_content_everything(
    flat: Path, write_image: WriteImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = data.load(f"folder:{flat}")
    with monkeypatch.context() as patch:
        patch.setattr("PIL.Image.open", None)
        assert data.load(f"folder:{flat}").fingerprint == first.fingerprint
    write_image("b/9.png", 77)
    assert data.load(f"folder:{flat}").fingerprint != first.fingerprint


@pytest.mark.parametrize("damage", ["truncated", "flipped", "emptied", "unreadable"])
def test_a_damaged_copy_is_rebuilt(flat: Path, tmp_path: Path, damage: str) -> None:
    first = data.load(f"folder:{flat}")
    (copy,) = (tmp_path / "decoded").iterdir()
    content = copy.read_bytes()
    match damage:
        case "truncated":
            copy.write_bytes(content[:-7])
        case "flipped":
            copy.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        case "emptied":
            copy.write_bytes(b"")
        case "unreadable":
            copy.write_bytes(b"\xff" * 64)
    assert data.load(f"folder:{flat}").fingerprint == first.fingerprint
    assert copy.read_bytes() == content


def test_without_a_place_for_copies_it_is_loaded_all_the_same(
    flat: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("LBRAY_CACHE", str(tmp_path / "file" / "below"))
    assert len(data.load(f"folder:{flat}").train_labels) == 16


def test_sizes_that_differ_are_named(flat: Path, write_image: WriteImage) -> None:
    write_image("b/7.png", 0, size=(6, 4))
    with pytest.raises(InputError, match=r"b/7.png is 6×4 .* a/0.png is 5×4"):
        data.load(f"folder:{flat}")


@pytest.mark.parametrize("content", [b"", b"not an image", None])
def test_a_broken_image_is_named(flat: Path, content: bytes | None) -> None:
    path = flat / "b" / "7.png"
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    for place in (flat, _zipped(flat)):
        with pytest.raises(InputError, match=r"b/7.png cannot be decoded as an image \(.+\)"):
            data.load(f"folder:{place}")


def test_sixteen_bits_are_refused(flat: Path) -> None:
    Image.fromarray(np.full((4, 5), 4000, np.uint16)).save(flat / "b" / "7.png")
    with pytest.raises(InputError, match=r"b/7.png has more than 8 bits"):
        data.load(f"folder:{flat}")


@pytest.mark.parametrize("kept", [0.5, 0.0])
def test_a_truncated_zip_is_named(flat: Path, kept: float) -> None:
    path = _zipped(flat)
    path.write_bytes(path.read_bytes()[: int(kept * path.stat().st_size)])
    with pytest.raises(InputError, match=r"images.zip is not a whole zip archive"):
        data.load(f"folder:{path}")


def test_a_zip_with_a_flipped_bit_is_named(flat: Path) -> None:
    path = _zipped(flat)
    content = bytearray(path.read_bytes())
    content[60] ^= 1
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"images.zip: a/0.png cannot be unpacked"):
        data.load(f"folder:{path}")


def test_a_missing_path_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere does not exist"):
        data.load(f"folder:{tmp_path / 'nowhere'}")


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty holds no images"):
        data.load(f"folder:{tmp_path / 'empty'}")


@pytest.mark.parametrize(
    ("images", "problem"),
    [
        (["train/a/0.png", "train/b/0.png", "test/c/0.png"], r"test/c/0.png is of class 'c'"),
        (["train/a/0.png", "train/b/0.png"], r"images in train/ but none in test/"),
        (["test/a/0.png", "test/b/0.png"], r"images in test/ but none in train/"),
        (["a/0.png", "a/1.png"], r"only one class, 'a'"),
        (["train/a/0.png", "test/a/1.png"], r"only one class, 'a'"),
        (["train/a/0.png", "test/a/1.png", "val/a/1.png"], r"val/a/1.png must lie directly in"),
        (["a/0.png", "b/0.png", "c.png"], r"c.png must lie directly in"),
        (["a/0.png", "b/c/0.png"], r"b/c/0.png must lie directly in"),
        (["a/0.png", "b/0.png"], r"smallest class, 'a', has 1"),
        (["0.png"], r"0.png must lie directly in"),
        (["notes/.hidden.png"], r"holds no images"),
    ],
)
def test_a_wrong_layout_is_explained(
    images: list[str], problem: str, write_image: WriteImage
) -> None:
    for name in images:
        folder = write_image(name, 0)
    for place in (folder, _zipped(folder)):
        with pytest.raises(InputError, match=problem) as raised:
            data.load(f"folder:{place}")
        assert str(place) in str(raised.value)

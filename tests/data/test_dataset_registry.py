from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lbray import data
from lbray.errors import InputError

# what can be had here without a download, before the fixtures hide it
FOUND = {row.name: row.where for row in data.catalogue() if row.name in ("digits", "fashion_mnist")}
REAL = [name for name, where in FOUND.items() if not where.startswith("not found")]


@pytest.mark.parametrize("name", [*data.names(), "folder:somewhere/else.zip"])
def test_existing_names_pass_without_looking_at_the_disk(name: str) -> None:
    data.check_name(name)


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match=r"unknown dataset 'fashion-mnist'.*'fashion_mnist'"):
        data.check_name("fashion-mnist")
    with pytest.raises(InputError, match="folder:PATH"):
        data.load("mnist")
    with pytest.raises(InputError, match="folder:PATH"):
        data.check_name("folder:")


@pytest.mark.parametrize("name", REAL)
def test_real_datasets_are_as_the_catalogue_says(name: str) -> None:
    where = Path(FOUND[name])
    root = where.parents[1] if where.name == "raw" else where.parent
    dataset = data.load(name, root)
    row = next(row for row in data.catalogue() if row.name == name)
    assert len(dataset.train_images) + len(dataset.test_images) == row.images
    assert dataset.image_shape == row.image_shape
    assert dataset.num_classes == row.num_classes
    assert set(dataset.train_labels.tolist()) == set(range(row.num_classes))
    assert dataset.train_images.dtype == torch.uint8
    assert dataset.train_labels.dtype == torch.int64
    assert int(dataset.train_images.max()) == 255


def test_digits_are_the_same_every_time() -> None:
    first, second = data.load("digits"), data.fetch("digits")
    assert len(first.train_labels) == 1437
    assert first.fingerprint == second.fingerprint == data.verify("digits").fingerprint
    assert first.test_labels.bincount().min() >= 35


def test_the_catalogue_says_how_to_get_what_is_not_there(data_root: Path) -> None:
    rows = {row.name: row for row in data.catalogue()}
    assert tuple(rows) == data.names()
    assert rows["cifar100"].where == "not found; lbray data fetch cifar100"
    assert not data_root.exists()


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("fashion_mnist", "apt install dataset-fashion-mnist"),
        ("cifar10", "unpack cifar-10-python.tar.gz from https"),
        ("cifar100", "unpack cifar-100-python.tar.gz from https"),
    ],
)
def test_a_dataset_that_cannot_be_had_is_one_sentence_and_leaves_nothing(
    name: str, advice: str, data_root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InputError, match=advice) as problem:
        data.load(name)
    assert str(data_root) in str(problem.value)
    assert "no network" in str(problem.value)
    assert "\n" not in str(problem.value)
    assert capsys.readouterr().out == ""
    assert list(data_root.iterdir()) == []
    with pytest.raises(InputError, match=f"not found in .*lbray data fetch {name}"):
        data.verify(name)


def test_a_root_that_is_a_file_is_an_input_error(tmp_path: Path) -> None:
    root = tmp_path / "file"
    root.touch()
    with pytest.raises(InputError, match="could not be downloaded"):
        data.load("cifar10", root)

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lbray import data
from lbray.data import Dataset, Split, Splits
from lbray.errors import InputError


def _numbered(labels: Tensor, first: int) -> Tensor:
    """Images [N, 1, 1, 4] that spell their own number, so that no two are the same."""
    numbers = torch.arange(first, first + len(labels), dtype=torch.int32)
    return numbers.view(torch.uint8).view(len(labels), 1, 1, 4)


def _dataset(train: list[int], test: list[int]) -> Dataset:
    parts = [
        torch.arange(len(sizes)).repeat_interleave(torch.tensor(sizes)) for sizes in (train, test)
    ]
    return Dataset(
        "numbered",
        tuple(f"class {i}" for i in range(len(train))),
        _numbered(parts[0], 0),
        parts[0],
        _numbered(parts[1], 1_000_000),
        parts[1],
        "a test",
    )


def _numbers(images: Tensor) -> list[int]:
    return images.contiguous().view(torch.int32).flatten().tolist()


class_sizes = st.lists(st.integers(20, 60), min_size=2, max_size=5)


@settings(deadline=None, max_examples=60)
@given(
    sizes=class_sizes,
    split_seed=st.integers(0, 2**32 - 1),
    fraction=st.floats(0.1, 0.5),
    share=st.one_of(st.none(), st.floats(0.6, 0.95)),
)
def test_splits_are_disjoint_stratified_and_deterministic(
    sizes: list[int], split_seed: int, fraction: float, share: float | None
) -> None:
    dataset = _dataset(sizes, sizes)
    chosen = sum(sizes) if share is None else int(share * sum(sizes))
    wanted = {
        "validation_fraction": fraction,
        "split_seed": split_seed,
        "train_size": None if share is None else chosen,
        "test_size": None if share is None else chosen,
    }
    splits = data.split(dataset, **wanted)
    parts = (splits.train, splits.validation, splits.test)
    train, validation, test = (_numbers(part.images) for part in parts)

    assert len({*train, *validation, *test}) == len(train) + len(validation) + len(test)
    assert len(train) + len(validation) == len(test) == chosen
    assert len(validation) == math.ceil(fraction * chosen)
    assert max(train + validation) < 1_000_000 <= min(test)
    for part, numbers in zip(parts, (train, validation, test), strict=True):
        counts = part.labels.bincount(minlength=len(sizes))
        expected = torch.tensor(sizes) * len(numbers) / sum(sizes)
        assert (counts - expected).abs().max() < 2
    assert torch.equal(
        splits.train.labels, dataset.train_labels[torch.tensor(train, dtype=torch.int64)]
    )

    torch.manual_seed(split_seed % 97)
    np.random.seed(split_seed % 89)
    state = torch.get_rng_state()
    again = data.split(dataset, **wanted)
    assert torch.equal(torch.get_rng_state(), state)
    assert _numbers(again.train.images) == train
    assert _numbers(again.validation.images) == validation
    assert _numbers(again.test.images) == test


def test_another_split_seed_gives_other_images_and_the_same_test() -> None:
    digits = data.load("digits")
    first, second = data.split(digits), data.split(digits, split_seed=1)
    assert not torch.equal(first.train.images, second.train.images)
    assert torch.equal(first.test.images, digits.test_images)
    assert torch.equal(second.test.images, digits.test_images)
    assert first.classes == digits.classes


def _check_normalisation(splits: Splits) -> None:
    scaled = splits.train.images.double() / 255
    mean = scaled.mean(dim=(0, 2, 3))
    std = scaled.std(dim=(0, 2, 3), unbiased=False)
    assert splits.mean.dtype == splits.std.dtype == torch.float32
    assert torch.equal(splits.mean, mean.float())
    torch.testing.assert_close(splits.std, std.float(), rtol=1e-6, atol=0)
    shape = (-1, 1, 1)
    expected = (splits.test.images.double() / 255 - mean.view(shape)) / std.view(shape)
    normalised = splits.normalise(splits.test.images)
    assert normalised.dtype == torch.float32
    torch.testing.assert_close(normalised, expected.float(), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("train_size", [None, 300])
def test_the_normalisation_is_that_of_the_images_trained_on(train_size: int | None) -> None:
    _check_normalisation(data.split(data.load("digits"), train_size=train_size))


def test_channels_are_normalised_each_on_its_own() -> None:
    random = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (80, 3, 4, 4), generator=random, dtype=torch.uint8)
    images[:, 1] //= 9
    labels = torch.arange(80) % 2
    dataset = Dataset("noise", ("a", "b"), images, labels, images, labels, "a test")
    _check_normalisation(data.split(dataset))


def test_a_constant_channel_is_left_finite() -> None:
    images, labels = torch.full((40, 1, 2, 2), 51, dtype=torch.uint8), torch.arange(40) % 2
    splits = data.split(Dataset("blank", ("a", "b"), images, labels, images, labels, "a test"))
    torch.testing.assert_close(splits.mean, torch.tensor([0.2]))
    assert splits.std.tolist() == [1.0]
    assert splits.normalise(images).abs().max() < 1e-6


def test_splits_move_to_a_device_whole() -> None:
    splits = data.split(data.load("digits"))
    moved = splits.to("meta")
    parts = (moved.train, moved.validation, moved.test)
    tensors = [moved.mean, moved.std, *(t for part in parts for t in (part.images, part.labels))]
    assert {tensor.device.type for tensor in tensors} == {"meta"}
    assert moved.normalise(moved.test.images).device.type == "meta"


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        ({"train_size": 101}, r"train_size is 101, but numbered has 100 train images"),
        ({"test_size": 51}, r"test_size is 51, but numbered has 50 test images"),
        ({"train_size": 0}, r"train_size is 0, but numbered has 100"),
        ({"train_size": 1}, r"train_size is 1, which cannot.*allowed: from 2 to 98"),
        ({"train_size": 99}, r"train_size is 99, which cannot.*allowed: from 2 to 98"),
        ({"train_size": 4}, r"validation_fraction is 0.1, which cannot.* 4 images.*0.5 to 0.5"),
        ({"train_size": 2}, r"validation_fraction is 0.1, which cannot.*at least 4 images"),
        ({"validation_fraction": 0.001}, r"validation_fraction is 0.001, which cannot"),
        ({"validation_fraction": 0.0}, r"validation_fraction is 0.0, but must be"),
        ({"validation_fraction": 1.0}, r"validation_fraction is 1.0, but must be"),
        ({"validation_fraction": math.nan}, r"validation_fraction is nan, but must be"),
        ({"split_seed": -1}, r"split_seed is -1, but must be"),
        ({"split_seed": 2**32}, r"split_seed is 4294967296, but must be"),
    ],
)
def test_an_impossible_wish_is_refused_with_what_is_allowed(
    wanted: dict[str, float], problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        data.split(_dataset([50, 50], [25, 25]), **wanted)  # type: ignore[arg-type]


@pytest.mark.parametrize("rare", [1, 2])
def test_a_class_that_would_be_absent_from_a_split_is_named(rare: int) -> None:
    with pytest.raises(InputError, match=f"smallest class, 'class 1', has {rare};"):
        data.split(_dataset([97, rare], [25, 25]))


def test_the_fingerprint_is_of_the_content() -> None:
    first, same, other = (
        _dataset([9, 9], [3, 3]),
        _dataset([9, 9], [3, 3]),
        _dataset([9, 8], [3, 3]),
    )
    assert first.fingerprint == same.fingerprint
    assert first.fingerprint != other.fingerprint
    assert len(first.fingerprint) == 64


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ([0, 1, 2, 2], "train labels hold 2, but must be from 0 to 1: there are 2 classes"),
        ([0, 1, -1, 0], "train labels hold -1, but must be from 0 to 1"),
        ([0, 1, 1], r"train labels are \[3\], but must be one for each of the 4 images"),
    ],
)
def test_labels_that_do_not_fit_the_images_or_classes_are_refused(labels: list[int], sentence: str):
    images = torch.zeros(4, 1, 2, 2, dtype=torch.uint8)
    good = Split(images, torch.tensor([0, 1, 0, 1]))
    with pytest.raises(InputError, match=sentence):
        Splits(
            train=Split(images, torch.tensor(labels)),
            validation=good,
            test=good,
            classes=("cat", "dog"),
            mean=torch.zeros(1),
            std=torch.ones(1),
        )

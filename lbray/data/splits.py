"""Training, validation and test images of a cell, and their normalisation."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from lbray.data.dataset import Dataset
from lbray.data.stratified import draw
from lbray.errors import InputError


@dataclass(frozen=True, eq=False)
class Split:
    """Images (uint8 [N, C, H, W]) and their labels (int64 [N])."""

    images: Tensor
    labels: Tensor

    def to(self, device: torch.device | str) -> Split:
        """The same on a device."""
        return Split(self.images.to(device), self.labels.to(device))


@dataclass(frozen=True, eq=False)
class Splits:
    """What a cell trains on, chooses its epoch by and is judged by.

    Raises:
        InputError: there are not as many labels as images, or a label has no class.

    Attributes:
        train: the images to train on.
        validation: a stratified share of the training images that is not trained on.
        test: touched once, at the end.
        classes: class names; label i is ``classes[i]``.
        mean: float32 [C], of the pixels of `train` scaled to 0..1.
        std: float32 [C], their population standard deviation; 1 for a channel that is constant.
    """

    train: Split
    validation: Split
    test: Split
    classes: tuple[str, ...]
    mean: Tensor
    std: Tensor

    def __post_init__(self) -> None:
        for part in ("train", "validation", "test"):
            _check_labels(part, getattr(self, part), len(self.classes))

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every image."""
        _, channels, height, width = self.train.images.shape
        return channels, height, width

    @property
    def class_sizes(self) -> dict[str, int]:
        """How many training images each class has, by the class's name."""
        counts = self.train.labels.bincount(minlength=len(self.classes))
        return dict(zip(self.classes, counts.tolist(), strict=True))

    def normalise(self, images: Tensor) -> Tensor:
        """(x/255 − mean) / std of each channel.

        Args:
            images: uint8 [B, C, H, W] on the device of these splits.

        Returns:
            float32 of the same shape, in channels-last memory format, which convolutions and
            pools are fastest with.
        """
        pixels = images.to(torch.float32, memory_format=torch.channels_last)
        return pixels.mul_(self._scale).add_(self._shift)

    def to(self, device: torch.device | str) -> Splits:
        """The same on a device."""
        return replace(
            self,
            train=self.train.to(device),
            validation=self.validation.to(device),
            test=self.test.to(device),
            mean=self.mean.to(device),
            std=self.std.to(device),
        )

    @cached_property
    def _scale(self) -> Tensor:
        return (1 / (255 * self.std)).view(-1, 1, 1)

    @cached_property
    def _shift(self) -> Tensor:
        return (-self.mean / self.std).view(-1, 1, 1)


def split(
    dataset: Dataset,
    *,
    validation_fraction: float = 0.1,
    split_seed: int = 0,
    train_size: int | None = None,
    test_size: int | None = None,
) -> Splits:
    """Draw the splits of a dataset; the same settings give the same images in the same order.

    Args:
        dataset: what to split.
        validation_fraction: share of the training images, after `train_size`, to validate on.
        split_seed: for every draw; independent of the seed that a cell trains with.
        train_size: how many training images to draw first, stratified; None for all.
        test_size: how many test images to draw, stratified; None for all.

    Raises:
        InputError: a setting is out of its range, or cannot be met with every class present.
    """
    if not 0 < validation_fraction < 1:
        raise InputError(
            f"validation_fraction is {validation_fraction}, but must be a number between 0 and 1, "
            "neither of them included."
        )
    if not 0 <= split_seed < 2**32:
        raise InputError(
            f"split_seed is {split_seed}, but must be a whole number from 0 to 2³² − 1."
        )
    chosen = _subset(dataset, dataset.train_labels, "train", train_size, split_seed)
    test = _subset(dataset, dataset.test_labels, "test", test_size, split_seed)
    validation, train = draw(
        dataset.train_labels[chosen],
        validation_fraction,
        split_seed,
        dataset.classes,
        "validation_fraction",
    )
    train_split = _take(dataset.train_images, dataset.train_labels, chosen[train])
    mean, std = _mean_std(train_split.images)
    return Splits(
        train=train_split,
        validation=_take(dataset.train_images, dataset.train_labels, chosen[validation]),
        test=_take(dataset.test_images, dataset.test_labels, test),
        classes=dataset.classes,
        mean=mean,
        std=std,
    )


def _check_labels(part: str, split: Split, classes: int) -> None:
    if split.labels.shape != split.images.shape[:1]:
        raise InputError(
            f"{part} labels are {list(split.labels.shape)}, but must be one for each of the "
            f"{len(split.images)} images."
        )
    if len(split.labels) and split.labels.device.type == "cpu":  # moving them changes none
        for label in torch.stack(split.labels.aminmax()).tolist():
            if not 0 <= label < classes:
                raise InputError(
                    f"{part} labels hold {label}, but must be from 0 to {classes - 1}: there are "
                    f"{classes} classes."
                )


def _subset(dataset: Dataset, labels: Tensor, part: str, size: int | None, seed: int) -> Tensor:
    available = len(labels)
    if size is None or size == available:
        return torch.arange(available)
    if not 0 < size < available:
        least = dataset.num_classes
        raise InputError(
            f"{part}_size is {size}, but {dataset.name} has {available} {part} images; give a "
            f"whole number from {least} to {available - least}, or null for all."
        )
    drawn, _ = draw(labels, size, seed, dataset.classes, f"{part}_size")
    return drawn


def _take(images: Tensor, labels: Tensor, positions: Tensor) -> Split:
    return Split(images[positions], labels[positions])


def _mean_std(images: Tensor) -> tuple[Tensor, Tensor]:
    """Per channel, over pixels scaled to 0..1, from exact sums of whole numbers."""
    means, stds = [], []
    for channel in images.unbind(dim=1):
        counts = torch.bincount(channel.flatten(), minlength=256).tolist()
        number = sum(counts)
        total = sum(value * count for value, count in enumerate(counts))
        squares = sum(value * value * count for value, count in enumerate(counts))
        deviation = math.sqrt(number * squares - total * total) / (255 * number)
        means.append(total / (255 * number))
        stds.append(deviation or 1.0)
    return torch.tensor(means), torch.tensor(stds)

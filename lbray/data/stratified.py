"""A stratified draw: each class keeps its share on both sides."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lbray.errors import InputError


def draw(
    labels: Tensor, size: int | float, seed: int, classes: tuple[str, ...], field: str
) -> tuple[Tensor, Tensor]:
    """Divide positions in two, with every class of `labels` on both sides in its proportion.

    Args:
        labels: int64 [N].
        size: how many to draw, or which share of them (a float between 0 and 1).
        seed: for `sklearn.model_selection.train_test_split`.
        classes: class names, for the error message.
        field: what the user calls `size`, for the error message.

    Returns:
        The positions drawn and the others, int64, each in ascending order.

    Raises:
        InputError: some class would be absent from one of the two sides.
    """
    from sklearn.model_selection import train_test_split

    present, counts = np.unique(labels.numpy(), return_counts=True)
    try:
        others, drawn = train_test_split(
            np.arange(len(labels)), test_size=size, stratify=labels.numpy(), random_state=seed
        )
        complete = all(
            len(np.unique(labels.numpy()[side])) == len(present) for side in (others, drawn)
        )
    except ValueError:
        complete = False
    if not complete:
        smallest = int(counts.argmin())
        raise InputError(
            f"{field} is {size}, which cannot be drawn stratified from {len(labels)} images of "
            f"{len(present)} classes: at least one image of every class must be drawn and one "
            f"left, and the smallest class, '{classes[present[smallest]]}', has "
            f"{counts[smallest]}; {_allowed(size, len(labels), len(present))}."
        )
    return torch.from_numpy(np.sort(drawn)), torch.from_numpy(np.sort(others))


def _allowed(size: int | float, images: int, classes: int) -> str:
    if images < 2 * classes:
        return f"at least {2 * classes} images are needed"
    low, high = classes, images - classes
    bounds = (
        f"{low} to {high}"
        if isinstance(size, int)
        else f"{low / images:.3g} to {high / images:.3g}"
    )
    return f"allowed: from {bounds}, a narrower range where classes are uneven"

"""A smaller set of positions in which every class keeps its share."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def stratified(labels: ArrayLike, size: int, seed: int = 0) -> NDArray[np.int64]:
    """Positions of about `size` samples, drawn per class, in ascending order.

    Each class gives its share rounded up, so that none is lost, however small; the number drawn
    exceeds `size` by less than the number of classes. All positions, where there are not more.

    Args:
        labels: [N].
        size: how many to draw.
        seed: the same gives the same positions.
    """
    truth = np.asarray(labels)
    if len(truth) <= size:
        return np.arange(len(truth))
    shuffled = np.random.default_rng(seed).permutation(len(truth))
    drawn = []
    for label in np.unique(truth):
        members = shuffled[truth[shuffled] == label]
        drawn.append(members[: -(-len(members) * size // len(truth))])
    return np.sort(np.concatenate(drawn))

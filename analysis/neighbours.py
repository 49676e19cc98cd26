"""What the nearest latents say: k-NN accuracy and recall@k, by Euclidean distance, exact."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from analysis.labelled import Labelled


def knn_accuracy(
    train_latents: ArrayLike,
    train_labels: ArrayLike,
    latents: ArrayLike,
    labels: ArrayLike,
    k: int = 20,
) -> float:
    """The share of samples whose k nearest training latents vote for their class.

    A tie goes to the smaller label. With fewer than k training latents, all of them vote.

    Args:
        train_latents: [M, d].
        train_labels: [M].
        latents: [N, d].
        labels: [N].
        k: how many vote.
    """
    from sklearn.neighbors import KNeighborsClassifier

    references = np.asarray(train_latents)
    voters = KNeighborsClassifier(min(k, len(references)), algorithm="brute")
    voters.fit(references, np.asarray(train_labels))
    return float(np.mean(voters.predict(np.asarray(latents)) == np.asarray(labels)))


def recall_at(latents: ArrayLike, labels: ArrayLike, ks: Sequence[int]) -> dict[int, float]:
    """For each k, the share of samples with one of their class among the k nearest others.

    As in metric learning (Jégou et al. 2011; Musgrave et al. 2020). Samples that are alone in
    their class have nothing to recall and are not counted; NaN where all are.

    Args:
        latents: [N, d].
        labels: [N].
        ks: from 1; where there are fewer others, all of them are looked at.

    Raises:
        ValueError: see `Labelled.of`.
    """
    from sklearn.neighbors import NearestNeighbors

    data = Labelled.of(latents, labels)
    asked = data.counts[data.codes] > 1
    if not asked.any():
        return dict.fromkeys(ks, math.nan)
    others = len(data.points) - 1
    finder = NearestNeighbors(n_neighbors=min(max(ks), others), algorithm="brute")
    found = finder.fit(data.points).kneighbors(return_distance=False)
    hits = data.codes[found] == data.codes[:, None]
    return {k: float(hits[asked, :k].any(axis=1).mean()) for k in ks}

"""Whether the network's probabilities mean what they say."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import log_softmax


def expected_calibration_error(logits: ArrayLike, labels: ArrayLike, bins: int = 15) -> float:
    """Mean distance between confidence and accuracy, over equally wide bins of confidence weighted
    by their samples (Guo et al. 2017, Eq. 3), from 0 to 1.

    Args:
        logits: [N, num_classes].
        labels: [N].
        bins: of (0, 1], open to the left.
    """
    probabilities = np.exp(_log_probabilities(logits))
    confidence = probabilities.max(axis=1)
    correct = probabilities.argmax(axis=1) == np.asarray(labels)
    edges = np.linspace(0, 1, bins + 1)[1:-1]
    bin_of = np.searchsorted(edges, confidence, side="left")
    gaps = np.bincount(bin_of, weights=correct - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(confidence))


def brier_score(logits: ArrayLike, labels: ArrayLike) -> float:
    """Mean squared distance of the probabilities to the truth, summed over classes (Brier 1950),
    from 0 to 2.

    Args:
        logits: [N, num_classes].
        labels: [N].
    """
    probabilities = np.exp(_log_probabilities(logits))
    probabilities[np.arange(len(probabilities)), np.asarray(labels)] -= 1
    return float(np.square(probabilities).sum(axis=1).mean())


def negative_log_likelihood(logits: ArrayLike, labels: ArrayLike) -> float:
    """Mean cross-entropy, in nats.

    Args:
        logits: [N, num_classes].
        labels: [N].
    """
    log_probabilities = _log_probabilities(logits)
    return float(-log_probabilities[np.arange(len(log_probabilities)), np.asarray(labels)].mean())


def _log_probabilities(logits: ArrayLike) -> NDArray[np.float64]:
    found: NDArray[np.float64] = log_softmax(np.asarray(logits, dtype=np.float64), axis=1)
    return found

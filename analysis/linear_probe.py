"""How well a linear classifier reads the classes off frozen latents (Alain and Bengio 2016)."""

from __future__ import annotations

import math
import warnings

import numpy as np
from numpy.typing import ArrayLike


def linear_probe_accuracy(
    train_latents: ArrayLike, train_labels: ArrayLike, latents: ArrayLike, labels: ArrayLike
) -> float:
    """Accuracy of a logistic regression that was fitted on training latents.

    Latents are standardised by the training latents; scikit-learn's L2 penalty of C = 1. NaN where
    the training latents have one class only.

    Args:
        train_latents: [M, d].
        train_labels: [M].
        latents: [N, d].
        labels: [N].
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    if len(np.unique(np.asarray(train_labels))) < 2:
        return math.nan
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=100, tol=1e-3))
    with warnings.catch_warnings():  # the accuracy settles long before the weights do
        warnings.simplefilter("ignore", ConvergenceWarning)
        probe.fit(np.asarray(train_latents), np.asarray(train_labels))
    return float(probe.score(np.asarray(latents), np.asarray(labels)))

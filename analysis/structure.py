"""What the latent space of each cell is like, measured once per checkpoint."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from analysis.calibration import (
    brier_score,
    expected_calibration_error,
    negative_log_likelihood,
)
from analysis.checkpoint import Checkpoint, changed_images
from analysis.corruptions import CORRUPTIONS, SEVERITIES
from analysis.dimension import components_for, participation_ratio
from analysis.frame import leave_out, with_columns
from analysis.linear_probe import linear_probe_accuracy
from analysis.margins import margins
from analysis.neighbours import knn_accuracy, recall_at
from analysis.neural_collapse import nc1, nc2, nc3, nc4
from analysis.novelty import auroc, energy, fpr95, mahalanobis, neighbour_distance
from analysis.outputs import Outputs, outputs
from analysis.sample import stratified
from analysis.scores import keep_scores, kept_scores
from analysis.separation import calinski_harabasz, davies_bouldin
from analysis.silhouette import silhouette_by_class, silhouette_samples
from analysis.similarity import PAIR
from analysis.strange_images import foreign, shuffled
from lbray.data import Split, Splits
from lbray.errors import DamagedArtefact
from lbray.store import Store

PROBED_IMAGES = 2_000
"""About so many test images, drawn stratified, are corrupted and shuffled."""


@dataclass(frozen=True)
class Evidence:
    """What a cell's measures are made from; each part is had when it is first asked for.

    Attributes:
        store: where the cell is.
        cell_id: the cell.
        weights_sha256: the checksum of its best weights.
        data_root: where datasets lie.
    """

    store: Store
    cell_id: str
    weights_sha256: str
    data_root: Path | None

    @cached_property
    def test(self) -> Outputs:
        """The test images through the network."""
        return outputs(self.store, self.cell_id, self.weights_sha256, "test", self.data_root)

    @cached_property
    def train(self) -> Outputs:
        """Training images through the network."""
        return outputs(self.store, self.cell_id, self.weights_sha256, "train", self.data_root)

    @cached_property
    def network(self) -> Checkpoint:
        """The network itself."""
        return Checkpoint(self.store, self.cell_id, self.weights_sha256, self.data_root)


def _silhouettes(cell: Evidence) -> dict[str, float]:
    if len(np.unique(cell.test.labels)) < 2:
        return {"test/silhouette": math.nan, "test/silhouette_macro": math.nan}
    scores = silhouette_samples(cell.test.latents, cell.test.labels)
    by_class = silhouette_by_class(scores, cell.test.labels)
    return {
        "test/silhouette": float(scores.mean()),
        "test/silhouette_macro": float(np.mean(list(by_class.values()))),
    }


def _separation(cell: Evidence) -> dict[str, float]:
    latents, labels = cell.test.latents, cell.test.labels
    pairs = margins(latents, labels)
    known = pairs[np.isfinite(pairs)]
    return {
        "test/calinski_harabasz": calinski_harabasz(latents, labels),
        "test/davies_bouldin": davies_bouldin(latents, labels),
        "test/margin_smallest": float(known.min()) if len(known) else math.nan,
        "test/margin_mean": float(known.mean()) if len(known) else math.nan,
    }


def _neighbours(cell: Evidence) -> dict[str, float]:
    test, train = cell.test, cell.train
    recall = recall_at(test.latents, test.labels, (1, 10))
    return {
        "test/knn_acc": knn_accuracy(train.latents, train.labels, test.latents, test.labels),
        "test/recall@1": recall[1],
        "test/recall@10": recall[10],
    }


def _probe(cell: Evidence) -> dict[str, float]:
    test, train = cell.test, cell.train
    accuracy = linear_probe_accuracy(train.latents, train.labels, test.latents, test.labels)
    return {"test/probe_acc": accuracy}


def _collapse(cell: Evidence) -> dict[str, float]:
    test, classifier = cell.test, cell.network.classifier
    norms, angles, largest = nc2(test.latents, test.labels)
    return {
        "test/nc1": nc1(test.latents, test.labels),
        "test/nc2_norms": norms,
        "test/nc2_angles": angles,
        "test/nc2_largest": largest,
        "test/nc3": math.nan if classifier is None else nc3(test.latents, test.labels, classifier),
        "test/nc4": nc4(test.latents, test.labels, test.logits),
    }


def _dimension(cell: Evidence) -> dict[str, float]:
    return {
        "test/components_95": components_for(cell.test.latents, 0.95),
        "test/participation_ratio": participation_ratio(cell.test.latents),
    }


def _calibration(cell: Evidence) -> dict[str, float]:
    logits, labels = cell.test.logits, cell.test.labels
    return {
        "test/ece": expected_calibration_error(logits, labels),
        "test/brier": brier_score(logits, labels),
        "test/nll": negative_log_likelihood(logits, labels),
    }


def _novelty(cell: Evidence) -> dict[str, float]:
    network, train = cell.network, cell.train

    def scores(latents: np.ndarray, logits: np.ndarray) -> dict[str, np.ndarray]:
        return {
            "energy": energy(logits),
            "mahalanobis": mahalanobis(train.latents, train.labels, latents),
            "knn": neighbour_distance(train.latents, latents),
        }

    known = scores(cell.test.latents, cell.test.logits)
    found = {}
    for kind, images in _strangers(network.dataset.name, network.splits).items():
        for score, strange in scores(*network(images)).items():
            found[f"{kind}/{score}_auroc"] = auroc(known[score], strange)
            found[f"{kind}/{score}_fpr95"] = fpr95(known[score], strange)
    return found


def _corrupted(cell: Evidence) -> dict[str, float]:
    labels, images = _worse_images(cell.network.splits)
    found = {
        f"corrupted/{kind}_acc": float(
            np.mean([np.mean(cell.network(each)[1].argmax(axis=1) == labels) for each in worse])
        )
        for kind, worse in images.items()
    }
    return {"corrupted/acc": float(np.mean(list(found.values()))), **found}


# the cells of a grid are shown the same images, so the last ones are kept


@lru_cache(maxsize=1)
def _strangers(name: str, splits: Splits) -> dict[str, Tensor]:
    """Foreign images, and test images with shuffled pixels."""
    return {
        "ood": foreign(name, splits.image_shape),
        "shuffled": shuffled(_probed(splits).images),
    }


@lru_cache(maxsize=1)
def _worse_images(splits: Splits) -> tuple[NDArray[np.int64], dict[str, list[Tensor]]]:
    """Labels, and by kind of corruption the images at each severity."""
    probed = _probed(splits)
    worse = {
        kind: [corrupt(probed.images, severity) for severity in SEVERITIES]
        for kind, corrupt in CORRUPTIONS.items()
    }
    return probed.labels.numpy(), worse


def _probed(splits: Splits) -> Split:
    drawn = torch.from_numpy(stratified(splits.test.labels.numpy(), PROBED_IMAGES))
    return Split(splits.test.images[drawn], splits.test.labels[drawn])


_MEASURES: dict[str, Callable[[Evidence], dict[str, float]]] = {
    "test/silhouette_macro": _silhouettes,
    "test/margin_mean": _separation,
    "test/knn_acc": _neighbours,
    "test/probe_acc": _probe,
    "test/nc1": _collapse,
    "test/components_95": _dimension,
    "test/ece": _calibration,
    "ood/energy_auroc": _novelty,
    "corrupted/acc": _corrupted,
}
"""What measures a cell, by one of the columns that it gives."""


def with_structure(
    frame: pd.DataFrame,
    store: Store,
    data_root: Path | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> pd.DataFrame:
    """Add a column for each scalar measure of the latent space, in its full dimension.

    ``test/…`` are of the test images' latents and logits; ``ood/…`` and ``shuffled/…`` tell test
    images from foreign ones and from ones with shuffled pixels; ``corrupted/…`` are accuracies.
    docs/analysis.md says what each is. The scores are kept beside each cell, so that no
    checkpoint is measured twice. NaN where a measure is not defined, as its function says.

    Args:
        frame: from `analysis.load`.
        store: the store that it is from.
        data_root: where datasets lie.
        progress: called with a line before each cell that has to be measured.

    Returns:
        The frame with the columns; a cell whose weights are damaged, whose latents are not finite,
        or whose dataset has other images now is moved to those left out.

    Raises:
        InputError: a dataset is not to be had.
    """
    scores: dict[str, dict[str, float]] = {}
    frame = leave_out(frame, changed_images(frame, store, data_root))
    absent = {}
    for number, (cell_id, sha256) in enumerate(
        frame[["id", "weights_sha256"]].itertuples(index=False), start=1
    ):
        cell = Evidence(store, cell_id, sha256, data_root)
        try:
            scores[cell_id] = _scores(cell, f"measuring {number} of {len(frame)}", progress)
        except DamagedArtefact as problem:
            absent[cell_id] = str(problem)
    rest = leave_out(frame, absent)
    measured = pd.DataFrame([scores[cell_id] for cell_id in rest["id"]], index=rest.index)
    return with_columns(rest, measured)


def _columns(kept: dict[str, float]) -> dict[str, float]:
    """Without what is kept of pairs of cells."""
    return {name: score for name, score in kept.items() if not name.startswith(PAIR)}


def _scores(cell: Evidence, what: str, progress: Callable[[str], None]) -> dict[str, float]:
    kept = kept_scores(cell.store, cell.cell_id, cell.weights_sha256)
    missing = [measure for column, measure in _MEASURES.items() if column not in kept]
    if not missing:
        return _columns(kept)
    label = cell.store.cell(cell.cell_id).cell().label
    progress(f"{what}: {label}")
    if not (np.isfinite(cell.test.latents).all() and np.isfinite(cell.test.logits).all()):
        raise DamagedArtefact(f"{label}: its latents or logits are not finite.")
    for measure in missing:
        kept |= measure(cell)
    keep_scores(cell.store, cell.cell_id, cell.weights_sha256, kept)
    return _columns(kept)

"""Classification metrics of a model on a split."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from lbray.data import Split, Splits
from lbray.training.precision import autocast
from lbray.training.workers import ALONE, Workers

_BATCH = {"cpu": 128, "cuda": 2048}
"""Images at a time: on a CPU as many as its caches like, on a GPU enough to keep it busy."""


@torch.no_grad()
def outputs(
    model: nn.Module, splits: Splits, images: Tensor, precision: str
) -> Iterator[tuple[Tensor, Tensor]]:
    """Latents and logits, in float32, of images (uint8 [N, C, H, W]) in evaluation mode, batch by
    batch and in their order."""
    model.eval()
    for batch in images.split(_BATCH.get(images.device.type, 128)):
        with autocast(batch.device, precision):
            latents, logits = model(splits.normalise(batch))
        yield latents.float(), logits.float()


@torch.no_grad()
def evaluate(
    model: nn.Module,
    splits: Splits,
    split: Split,
    precision: str,
    prefix: str,
    workers: Workers = ALONE,
) -> dict[str, float]:
    """Accuracy, micro-F1, macro-F1 (fractions) and mean cross-entropy (nats).

    Args:
        model: returns latents and logits; it is put into evaluation mode.
        splits: for their normalisation.
        split: the images and labels to evaluate on.
        precision: ``float32`` or ``bfloat16``.
        prefix: put before each name, as in ``val/acc``.
        workers: among whom the images are shared; each gets the metrics of all.
    """
    rows = workers.rows(len(split.labels))
    parts = [logits for _, logits in outputs(model, splits, split.images[rows], precision)]
    logits = workers.gather(torch.cat(parts), len(split.labels))
    cross_entropy = functional.cross_entropy(logits.double(), split.labels)
    accuracy, macro = _accuracy_and_macro_f1(split.labels, logits)
    return {
        f"{prefix}/acc": accuracy,
        f"{prefix}/f1_micro": accuracy,  # the same where each image has one label
        f"{prefix}/f1_macro": macro,
        f"{prefix}/loss": float(cross_entropy),
    }


def _accuracy_and_macro_f1(labels: Tensor, logits: Tensor) -> tuple[float, float]:
    """As scikit-learn's `accuracy_score` and `f1_score`: classes that neither the labels nor the
    predictions have are left out of the mean of `F1 = 2 hits / (labels + predictions)`."""
    classes = logits.shape[1]
    predicted = logits.argmax(dim=1)
    pairs = torch.bincount(classes * labels + predicted, minlength=classes**2)
    confusion = pairs.view(classes, classes).double().cpu()
    hits, either = confusion.diagonal(), confusion.sum(dim=0) + confusion.sum(dim=1)
    f1 = 2 * hits[either > 0] / either[either > 0]
    return float(hits.sum() / confusion.sum()), float(f1.mean())

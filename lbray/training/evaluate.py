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
    from sklearn.metrics import accuracy_score, f1_score

    rows = workers.rows(len(split.labels))
    parts = [logits for _, logits in outputs(model, splits, split.images[rows], precision)]
    logits = workers.gather(torch.cat(parts), len(split.labels))
    cross_entropy = functional.cross_entropy(logits.double(), split.labels)
    truth, predicted = split.labels.cpu().numpy(), logits.argmax(dim=1).cpu().numpy()
    return {
        f"{prefix}/acc": float(accuracy_score(truth, predicted)),
        f"{prefix}/f1_micro": float(f1_score(truth, predicted, average="micro")),
        f"{prefix}/f1_macro": float(f1_score(truth, predicted, average="macro", zero_division=0.0)),
        f"{prefix}/loss": float(cross_entropy),
    }

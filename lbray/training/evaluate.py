"""Classification metrics of a model on a split."""

from __future__ import annotations

import torch
from sklearn.metrics import accuracy_score, f1_score
from torch import nn
from torch.nn import functional

from lbray.data import Split, Splits
from lbray.training.precision import autocast

_BATCH = 128


@torch.no_grad()
def evaluate(
    model: nn.Module, splits: Splits, split: Split, precision: str, prefix: str
) -> dict[str, float]:
    """Accuracy, micro-F1, macro-F1 (fractions) and mean cross-entropy (nats).

    Args:
        model: returns latents and logits; it is put into evaluation mode.
        splits: for their normalisation.
        split: the images and labels to evaluate on.
        precision: ``float32`` or ``bfloat16``.
        prefix: put before each name, as in ``val/acc``.
    """
    model.eval()
    predictions, cross_entropy = [], torch.zeros((), dtype=torch.float64)
    cross_entropy = cross_entropy.to(split.labels.device)
    for images, labels in zip(split.images.split(_BATCH), split.labels.split(_BATCH), strict=True):
        with autocast(images.device, precision):
            _, logits = model(splits.normalise(images))
        cross_entropy += functional.cross_entropy(logits.float(), labels, reduction="sum")
        predictions.append(logits.argmax(dim=1))
    truth, predicted = split.labels.cpu().numpy(), torch.cat(predictions).cpu().numpy()
    return {
        f"{prefix}/acc": float(accuracy_score(truth, predicted)),
        f"{prefix}/f1_micro": float(f1_score(truth, predicted, average="micro")),
        f"{prefix}/f1_macro": float(f1_score(truth, predicted, average="macro", zero_division=0.0)),
        f"{prefix}/loss": float(cross_entropy) / len(truth),
    }

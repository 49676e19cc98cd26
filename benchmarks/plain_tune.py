"""What a user writes without lbray for a grid: the plain PyTorch script as a Ray Tune trainable,
a process and a core per trial, which reports validation accuracy after each epoch.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import ray
import torch
from plain_pytorch import ImageDataset, PlainCNN, shuffled, train_epoch
from ray import tune
from torch import nn
from torch.utils.data import DataLoader


def trial(config: dict[str, Any], images: np.ndarray, labels: np.ndarray) -> None:
    """Train one cell on cross-entropy; a tenth of the images is for validation."""
    torch.set_num_threads(1)
    torch.manual_seed(config["seed"])
    held_out = len(labels) // 10
    train = shuffled(images[held_out:], labels[held_out:], workers=0)
    validation = DataLoader(ImageDataset(images[:held_out], labels[:held_out]), batch_size=128)
    model, criterion = PlainCNN(), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters())
    for _ in range(config["epochs"]):
        model.train()
        loss = train_epoch(model, train, criterion, optimizer)
        model.eval()
        with torch.no_grad():
            correct = sum(int((model(x).argmax(dim=1) == y).sum()) for x, y in validation)
        tune.report({"loss": loss, "accuracy": correct / held_out})


def sweep(images: np.ndarray, labels: np.ndarray, cells: int, epochs: int, folder: str) -> None:
    """Run as many trials as there are cells, a core each."""
    ray.init(address="local")  # and not one that something else has started here
    trainable = tune.with_parameters(trial, images=images, labels=labels)
    results = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        param_space={"seed": tune.grid_search(list(range(cells))), "epochs": epochs},
        run_config=tune.RunConfig(storage_path=folder, name="plain", verbose=0),
    ).fit()
    if results.errors:
        raise SystemExit(f"{len(results.errors)} trials failed: {results.errors[0]}")

"""The script of `plain_pytorch` as a Lightning module: what a user of Lightning writes."""

from __future__ import annotations

import logging
import time
import warnings

import lightning
import numpy as np
import torch
from plain_pytorch import PlainCNN, shuffled
from torch import nn


class LightningCNN(lightning.LightningModule):
    """Cross-entropy and Adam; notes when each epoch began and ended."""

    def __init__(self) -> None:
        super().__init__()
        self.model, self.criterion = PlainCNN(), nn.CrossEntropyLoss()
        self.began: list[float] = []
        self.ended: list[float] = []

    def training_step(self, batch: tuple[torch.Tensor, torch.Tensor], _: int) -> torch.Tensor:
        """The loss of a batch."""
        images, labels = batch
        loss = self.criterion(self.model(images), labels)
        self.log("train/loss", loss, on_step=False, on_epoch=True)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        """As the plain script's."""
        return torch.optim.Adam(self.parameters())

    def on_train_epoch_start(self) -> None:
        """Note the time."""
        self.began.append(time.perf_counter())

    def on_train_epoch_end(self) -> None:
        """Note the time."""
        self.ended.append(time.perf_counter())


def train(images: np.ndarray, labels: np.ndarray, epochs: int, workers: int) -> float:
    """Samples per second over the epochs after the first, in which the workers start."""
    warnings.filterwarnings("ignore")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    module = LightningCNN()
    lightning.Trainer(
        max_epochs=epochs + 1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    ).fit(module, shuffled(images, labels, workers))
    return epochs * len(labels) / (module.ended[-1] - module.began[1])

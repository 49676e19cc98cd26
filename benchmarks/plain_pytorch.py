"""What a user writes without lbray: torchvision transforms on PIL images, a DataLoader with
workers, the layers of `torch.nn` in their usual order, a loss read out at every step.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms


class ImageDataset(Dataset):
    """Images [N, H, W] as PIL images, as `torchvision.datasets.FashionMNIST` gives them."""

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self.images = images
        self.labels = labels
        self.transform = transforms.Compose(
            [transforms.ToTensor(), transforms.Normalize((0.286,), (0.353,))]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), int(self.labels[index])


class PlainCNN(nn.Module):
    """The layers of lbray's `cnn`."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)),
            *(nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.25)),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
        )
        self.head = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 10))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of images [B, 1, H, W]."""
        return self.head(self.features(images))


def shuffled(images: np.ndarray, labels: np.ndarray, workers: int) -> DataLoader:
    """Batches of 128 in random order."""
    return DataLoader(
        ImageDataset(images, labels),
        batch_size=128,
        shuffle=True,
        num_workers=workers,
        persistent_workers=workers > 0,
    )


class InMemory:
    """Batches of 128 in random order, from images that were made tensors once."""

    def __init__(self, images: np.ndarray, labels: np.ndarray) -> None:
        self.images = (torch.from_numpy(images)[:, None] / 255 - 0.286) / 0.353
        self.labels = torch.from_numpy(labels)

    def __len__(self) -> int:
        return -(-len(self.labels) // 128)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for rows in torch.randperm(len(self.labels)).split(128):
            yield self.images[rows], self.labels[rows]


def train_epoch(
    model: nn.Module,
    loader: DataLoader | InMemory,
    criterion: nn.Module,
    optimizer: torch.optim.Optimizer,
) -> float:
    """One pass over the batches; returns the mean loss."""
    running = 0.0
    for batch, target in loader:
        optimizer.zero_grad()
        loss = criterion(model(batch), target)
        loss.backward()
        optimizer.step()
        running += loss.item()
    return running / len(loader)


def train(images: np.ndarray, labels: np.ndarray, epochs: int, workers: int | None) -> float:
    """Train with cross-entropy at batch 128; returns samples per second over the epochs after
    the first, in which the workers start. Without a number of workers, from memory."""
    loader = InMemory(images, labels) if workers is None else shuffled(images, labels, workers)
    model, criterion = PlainCNN(), nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters())
    model.train()
    started = 0.0
    for epoch in range(epochs + 1):
        if epoch == 1:
            started = time.perf_counter()
        train_epoch(model, loader, criterion, optimizer)
    return epochs * len(labels) / (time.perf_counter() - started)

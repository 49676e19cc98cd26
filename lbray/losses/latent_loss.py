"""What every distance loss is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn


class LatentLoss(nn.Module, ABC):
    """A loss on a batch of latents and labels, always in float32 or better.

    A subclass takes its settings as keyword-only parameters with defaults, checks them with
    `lbray.losses.parameters`, and writes `compare`. On any legal batch the value is finite; where
    there is nothing to compare it is 0, with a zero gradient that stays attached to the graph.

    Attributes:
        default_warmup_epochs: epochs with λ = 0 at the start of a training, unless it sets them.
    """

    default_warmup_epochs: ClassVar[int] = 0

    @abstractmethod
    def compare(self, latents: Tensor, labels: Tensor) -> Tensor:
        """The loss of latents [B, d] in float32 or float64 and labels [B]; a scalar."""

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        """The loss of a batch.

        Args:
            latents: [B, d], floating point; half precision is computed in float32.
            labels: [B], int64. Not every class need be present.

        Raises:
            ValueError: the shapes are not these.
        """
        if latents.ndim != 2 or labels.shape != latents.shape[:1]:
            raise ValueError(
                f"latents must be [B, d] and labels [B], not {list(latents.shape)} and "
                f"{list(labels.shape)}"
            )
        with torch.autocast(latents.device.type, enabled=False):
            return self.compare(_promoted(latents), labels)

    def start_epoch(self, epoch: int, max_epochs: int) -> None:
        """Take note that epoch `epoch` (from 0) of at most `max_epochs` begins."""

    @property
    def wants_refresh(self) -> bool:
        """Whether `refresh` is to be called; it costs a pass over the training images."""
        return False

    def refresh(self, latents: Tensor, labels: Tensor, generator: torch.Generator) -> None:
        """Take note of the training set as the network sees it before an epoch with λ > 0.

        What is kept of it must depend on the arguments alone: a training that continues calls this
        again, with the same ones.

        Args:
            latents: [N, d] of all training images, float32, without dropout; no gradient.
            labels: [N], int64.
            generator: of the CPU, at the start of a stream of this epoch's own.
        """

    def check_training_set(self, class_sizes: Mapping[str, int]) -> None:
        """See, before anything is trained, that a training set will do.

        Args:
            class_sizes: how many training images each class has, by the class's name.

        Raises:
            ValueError: it will not; the message says which parameter is what, and what is allowed.
        """

    def measures(self, latents: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """What there is to report of a batch besides the loss: scalars by metric name."""
        return {}


def _promoted(latents: Tensor) -> Tensor:
    return latents if latents.dtype == torch.float64 else latents.float()

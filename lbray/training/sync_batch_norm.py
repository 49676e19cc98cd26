"""Batch normalisation over the samples of all workers, on any device."""

from __future__ import annotations

from typing import cast

import torch
import torch.distributed.nn.functional as collectives
from torch import Tensor, nn


def with_sync_batch_norm(model: nn.Module) -> nn.Module:
    """Make every `torch.nn.BatchNorm2d` of a model take its statistics from all workers.

    `torch.nn.SyncBatchNorm` does the same, but on GPUs only. The parameters, the buffers and their
    names stay, so that weights fit models with and without.
    """
    for module in model.modules():
        if type(module) is nn.BatchNorm2d:
            module.__class__ = _SyncBatchNorm2d
    return model


class _SyncBatchNorm2d(nn.BatchNorm2d):
    def forward(self, features: Tensor) -> Tensor:
        if not self.training:
            return super().forward(features)
        values = features.to(cast(Tensor, self.running_mean).dtype)
        here = values.new_tensor([values.numel() // self.num_features])
        count = collectives.all_reduce(here)
        mean = collectives.all_reduce(values.sum(dim=(0, 2, 3))) / count
        centred = values - mean[:, None, None]
        variance = collectives.all_reduce(centred.square().sum(dim=(0, 2, 3))) / count
        self._track(mean.detach(), variance.detach() * count / (count - 1))
        scale = cast(Tensor, self.weight) * torch.rsqrt(variance + self.eps)
        normalised = torch.addcmul(
            cast(Tensor, self.bias)[:, None, None], centred, scale[:, None, None]
        )
        return normalised.to(features.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor) -> None:
        momentum = cast(float, self.momentum)
        cast(Tensor, self.running_mean).lerp_(mean, momentum)
        cast(Tensor, self.running_var).lerp_(variance, momentum)
        cast(Tensor, self.num_batches_tracked).add_(1)

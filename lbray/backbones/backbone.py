"""A network in two parts, with the latent space between them."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Backbone(nn.Module):
    """A trunk that maps images to latents, and a head that maps latents to logits.

    Args:
        trunk: images [B, C, H, W] → latents [B, d].
        head: latents [B, d] → logits [B, num_classes].
    """

    def __init__(self, trunk: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        self.head = head

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Latents [B, d] and logits [B, num_classes] of normalised images [B, C, H, W]."""
        latents = self.trunk(images)
        return latents, self.head(latents)


def blank_images(image_shape: tuple[int, int, int]) -> Tensor:
    """Two of them [2, C, H, W], float32, on the CPU, in the memory format that backbones take."""
    return torch.zeros(2, *image_shape).contiguous(memory_format=torch.channels_last)


@torch.no_grad()
def latent_width(backbone: nn.Module, image_shape: tuple[int, int, int]) -> int:
    """d of the latents [B, d] of images (C, H, W), by passing two blank ones on the CPU."""
    training = backbone.training
    backbone.eval()
    latents, _ = backbone(blank_images(image_shape))
    backbone.train(training)
    return int(latents.shape[1])

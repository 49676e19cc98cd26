"""ResNet-50 for small images."""

from __future__ import annotations

from torch import nn

from lbray.backbones.backbone import Backbone


def resnet50(num_classes: int, in_channels: int) -> Backbone:
    """torchvision's ResNet-50 with a 3×3 stem of stride 1 and no stem pool; latent 2048 (§3.3).

    Args:
        num_classes: width of the logits.
        in_channels: channels of the images.
    """
    from torchvision import models

    trunk = models.resnet50(weights=None)
    trunk.conv1 = nn.Conv2d(in_channels, 64, kernel_size=3, padding=1, bias=False)
    trunk.maxpool = nn.Identity()
    trunk.fc = nn.Identity()
    return Backbone(trunk, nn.Linear(2048, num_classes))

"""VGG-16 for 32×32 images."""

from __future__ import annotations

from torch import nn

from lbray.backbones.backbone import Backbone
from lbray.backbones.dropout import Dropout


def vgg16(num_classes: int, in_channels: int) -> Backbone:
    """torchvision's 13 convolutions to a latent of 512, then three linear layers (§3.3).

    With batch normalisation, so that it trains from scratch: VGG's authors had to start their
    deeper networks from shallower trained ones (Simonyan and Zisserman 2015, §3.1). The head keeps
    the latent's width where VGG's original has 4096, which was made for 224×224 images.

    Args:
        num_classes: width of the logits.
        in_channels: channels of the images, which must be at least 32×32.
    """
    from torchvision.models import vgg16_bn

    features = vgg16_bn(weights=None).features
    features[0] = nn.Conv2d(in_channels, 64, kernel_size=3, padding=1)
    trunk = nn.Sequential(features, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    head = nn.Sequential(
        *(nn.Linear(512, 512), nn.ReLU(), Dropout(0.5)),
        *(nn.Linear(512, 512), nn.ReLU(), Dropout(0.5)),
        nn.Linear(512, num_classes),
    )
    return Backbone(trunk, head)

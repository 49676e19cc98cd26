"""The paper's CNN for Fashion-MNIST."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from lbray.backbones.backbone import Backbone
from lbray.backbones.dropout import Dropout


class _Stage(nn.Module):
    """Convolution, ReLU, max-pool, dropout of a quarter."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1)
        self.dropout = Dropout(0.25)

    def forward(self, features: Tensor) -> Tensor:
        # ReLU is monotonic, so it may follow the pool, where it has a quarter of the work
        pooled = functional.max_pool2d(self.convolution(features), 2)
        dropped: Tensor = self.dropout(functional.relu(pooled, inplace=True))
        return dropped


class _GlobalAveragePool(nn.Module):
    def forward(self, features: Tensor) -> Tensor:
        # over positions as channels-last memory has them, so that the gradient keeps that order
        return features.permute(0, 2, 3, 1).flatten(1, 2).mean(dim=1)


def cnn(num_classes: int, in_channels: int) -> Backbone:
    """Two convolutions to a latent of 64, then two linear layers (§3.3 of the paper).

    The paper says that the feature maps are "flattened" to a latent of 64 dimensions, and that
    "fully connected layers" follow: 64 channels after global average pooling are the reading
    that gives 64, and the hidden linear layer has twice as many.

    Args:
        num_classes: width of the logits.
        in_channels: channels of the images, which must be at least 4×4.
    """
    trunk = nn.Sequential(_Stage(in_channels, 32), _Stage(32, 64), _GlobalAveragePool())
    head = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, num_classes))
    return Backbone(trunk, head)

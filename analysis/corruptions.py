"""Images made worse, as in CIFAR-10-C (Hendrycks and Dietterich 2019), vectorised and seeded."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

SEVERITIES = (1, 3, 5)
"""Of the five that are defined, those that are measured."""


def gaussian_noise(images: Tensor, severity: int, seed: int = 0) -> Tensor:
    """Add normal noise with a standard deviation of 0.04, 0.06, 0.08, 0.09 or 0.10.

    Args:
        images: uint8 [N, C, H, W]; white is 1.
        severity: from 1 to 5.
        seed: the same gives the same noise.
    """
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(images.shape, generator=generator)
    return _bytes(_pixels(images) + (0.04, 0.06, 0.08, 0.09, 0.10)[severity - 1] * noise)


def gaussian_blur(images: Tensor, severity: int) -> Tensor:
    """Blur with a normal kernel of 0.4, 0.6, 0.7, 0.8 or 1 pixel; edges are repeated outwards.

    Args:
        images: uint8 [N, C, H, W].
        severity: from 1 to 5.
    """
    deviation = (0.4, 0.6, 0.7, 0.8, 1.0)[severity - 1]
    offsets = torch.arange(-4, 5)
    kernel = torch.exp(-offsets.square() / (2 * deviation**2))
    kernel = kernel / kernel.sum()
    number, channels, height, width = images.shape
    planes = _pixels(images).reshape(-1, 1, height, width)
    padded = functional.pad(planes, (4, 4, 4, 4), mode="replicate")
    blurred = functional.conv2d(padded, kernel.view(1, 1, -1, 1))
    blurred = functional.conv2d(blurred, kernel.view(1, 1, 1, -1))
    return _bytes(blurred.reshape(number, channels, height, width))


def contrast(images: Tensor, severity: int) -> Tensor:
    """Shrink each channel's distance to its mean to 0.75, 0.5, 0.4, 0.3 or 0.15 of it.

    Args:
        images: uint8 [N, C, H, W].
        severity: from 1 to 5.
    """
    pixels = _pixels(images)
    means = pixels.mean(dim=(2, 3), keepdim=True)
    return _bytes(means + (0.75, 0.5, 0.4, 0.3, 0.15)[severity - 1] * (pixels - means))


def brightness(images: Tensor, severity: int) -> Tensor:
    """Add 0.05, 0.1, 0.15, 0.2 or 0.3 to every channel; what exceeds white is white.

    Args:
        images: uint8 [N, C, H, W]; white is 1.
        severity: from 1 to 5.
    """
    return _bytes(_pixels(images) + (0.05, 0.1, 0.15, 0.2, 0.3)[severity - 1])


CORRUPTIONS: dict[str, Callable[[Tensor, int], Tensor]] = {
    "noise": gaussian_noise,
    "blur": gaussian_blur,
    "contrast": contrast,
    "brightness": brightness,
}
"""By name: images [N, C, H, W] and a severity from 1 to 5 to worse images of the same shape."""


def _pixels(images: Tensor) -> Tensor:
    return images.float() / 255


def _bytes(pixels: Tensor) -> Tensor:
    return (pixels * 255).round().clamp(0, 255).to(torch.uint8)

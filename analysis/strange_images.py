"""Images from outside a dataset's distribution that are always at hand."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

_PATCHES = 1_500


def foreign(name: str, image_shape: tuple[int, int, int]) -> Tensor:
    """Images of another kind than a dataset's, uint8 [M, C, H, W].

    The 1,797 handwritten digits that come with scikit-learn, resized bilinearly and the same in
    every channel; for ``digits`` itself, 1,500 square patches of the two photographs that come
    with it (positions drawn with a fixed seed, sides from 32 to 128 pixels, in grey).

    Args:
        name: the dataset that they are to be foreign to.
        image_shape: (C, H, W).
    """
    if name == "digits":
        return _photograph_patches(image_shape)
    from sklearn.datasets import load_digits

    digits = torch.from_numpy(load_digits().images * 255 / 16).float().unsqueeze(1)
    return _fitted(digits, image_shape)


def shuffled(images: Tensor, seed: int = 0) -> Tensor:
    """Images with their pixels in random places, of unchanged brightness; uint8 [N, C, H, W].

    Each image has a permutation of its own, the same in all its channels.

    Args:
        images: uint8 [N, C, H, W].
        seed: the same gives the same images.
    """
    number, channels, height, width = images.shape
    generator = torch.Generator().manual_seed(seed)
    places = torch.rand(number, 1, height * width, generator=generator).argsort(dim=2)
    flat = images.reshape(number, channels, -1)
    return flat.gather(2, places.expand(-1, channels, -1)).reshape(images.shape)


def _photograph_patches(image_shape: tuple[int, int, int]) -> Tensor:
    from sklearn.datasets import load_sample_images

    generator = np.random.default_rng(0)
    patches = []
    for photograph in load_sample_images().images:
        grey = torch.from_numpy(photograph.mean(axis=2)).float()[None, None]
        for _ in range(_PATCHES // 2):
            side = int(generator.integers(32, 129))
            top = int(generator.integers(grey.shape[2] - side + 1))
            left = int(generator.integers(grey.shape[3] - side + 1))
            patch = grey[:, :, top : top + side, left : left + side]
            patches.append(_fitted(patch, image_shape))
    return torch.cat(patches)


def _fitted(grey: Tensor, image_shape: tuple[int, int, int]) -> Tensor:
    channels, height, width = image_shape
    resized = functional.interpolate(
        grey, (height, width), mode="bilinear", align_corners=False, antialias=True
    )
    return resized.round().clamp(0, 255).to(torch.uint8).expand(-1, channels, -1, -1).contiguous()

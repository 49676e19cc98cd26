"""Corrupted and strange images: what was promised of them, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from analysis.corruptions import CORRUPTIONS, brightness, contrast, gaussian_blur, gaussian_noise
from analysis.strange_images import foreign, shuffled

IMAGES = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (5, 3, 12, 9), dtype=np.uint8))


@pytest.mark.parametrize("corrupt", CORRUPTIONS.values(), ids=CORRUPTIONS.keys())
def test_a_corruption_is_repeatable_and_worse_with_severity(corrupt):
    changes = []
    for severity in range(1, 6):
        worse = corrupt(IMAGES, severity)
        assert worse.dtype == torch.uint8
        assert worse.shape == IMAGES.shape
        assert torch.equal(worse, corrupt(IMAGES, severity))
        changes.append((worse.double() - IMAGES.double()).square().mean().item())
    assert changes == sorted(changes)
    assert changes[0] > 0


def test_blur_is_scipys():
    expected = gaussian_filter(
        IMAGES.double().numpy(), sigma=(0, 0, 1, 1), mode="nearest", radius=(0, 0, 4, 4)
    )
    np.testing.assert_allclose(gaussian_blur(IMAGES, 5).double(), expected, atol=0.51)


def test_contrast_and_brightness_are_of_pixels():
    pixels = IMAGES.double().numpy()
    for image, found in zip(pixels, contrast(IMAGES, 4).double().numpy(), strict=True):
        for channel in range(3):
            mean = image[channel].mean()
            expected = mean + 0.3 * (image[channel] - mean)
            np.testing.assert_allclose(found[channel], expected, atol=0.51)
    expected = np.minimum(pixels + 0.2 * 255, 255)
    np.testing.assert_allclose(brightness(IMAGES, 4).double(), expected, atol=0.51)


def test_noise_is_normal():
    grey = torch.full((50, 1, 20, 20), 128, dtype=torch.uint8)
    change = (gaussian_noise(grey, 5).double() - 128) / 255
    assert change.mean().abs() < 0.002
    assert change.std().item() == pytest.approx(0.10, rel=0.02)


def test_shuffled_images_keep_their_pixels_and_lose_their_places():
    strange = shuffled(IMAGES)
    assert torch.equal(strange, shuffled(IMAGES))
    for before, after in zip(IMAGES, strange, strict=True):
        columns = [sorted(map(tuple, image.flatten(1).T.tolist())) for image in (before, after)]
        assert columns[0] == columns[1]
        assert not torch.equal(before, after)


@pytest.mark.parametrize(("name", "number"), [("cifar10", 1797), ("digits", 1500)])
def test_foreign_images_have_the_shape_and_content(name: str, number: int):
    images = foreign(name, (3, 16, 12))
    assert images.shape == (number, 3, 16, 12)
    assert images.dtype == torch.uint8
    assert torch.equal(images[:, 0], images[:, 2])
    assert torch.equal(images, foreign(name, (3, 16, 12)))
    assert len(torch.unique(images.flatten(1), dim=0)) > 0.99 * number
    assert images.float().std() > 20

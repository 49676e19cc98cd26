"""The 1,797 handwritten digits that are bundled with scikit-learn."""

from __future__ import annotations

import torch

from lbray.data.dataset import Dataset
from lbray.data.stratified import draw

_TEST_IMAGES = 360


class Digits:
    """8×8 grey images in 10 classes; values 0..16 are scaled to 0..255.

    The test part is 360 images, drawn once and for all with seed 0.
    """

    def where(self) -> str:
        """Bundled, always."""
        return "bundled with scikit-learn"

    def load(self) -> Dataset:
        """The dataset."""
        from sklearn.datasets import load_digits

        bundled = load_digits()
        images = torch.from_numpy(bundled.images * 255 / 16).round().to(torch.uint8).unsqueeze(1)
        labels = torch.from_numpy(bundled.target).to(torch.int64)
        classes = tuple(str(digit) for digit in bundled.target_names)
        test, train = draw(labels, _TEST_IMAGES, 0, classes, "test images")
        return Dataset(
            "digits",
            classes,
            images[train],
            labels[train],
            images[test],
            labels[test],
            self.where(),
        )

    def fetch(self) -> Dataset:
        """As `load`: there is nothing to download."""
        return self.load()

    def verify(self) -> Dataset:
        """As `load`: there are no files to check."""
        return self.load()

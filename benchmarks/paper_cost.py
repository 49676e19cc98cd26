"""What the paper's grid takes on this machine, by its dry run.

    python benchmarks/paper_cost.py [--executor fused] [--price-per-hour 2.5]

Whatever is given is passed on to `lbray sweep experiments/paper.yaml --dry-run`. A dataset that is
not on disk is not downloaded: random images of its size stand in for it, in a store that is thrown
away, since what a step takes does not depend on what an image shows.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from torch import Tensor

from lbray import data
from lbray.data import Dataset
from lbray.data.registry import CatalogueRow
from lbray.store import Store

EXPERIMENT = Path(__file__).parents[1] / "experiments" / "paper.yaml"
DATASETS = ("fashion_mnist", "cifar10", "cifar100")
TEST_IMAGES = 10_000


def stand_in(row: CatalogueRow) -> Dataset:
    """Random images and labels, as many and as large as a dataset of the catalogue has."""
    generator = torch.Generator().manual_seed(0)

    def part(images: int) -> tuple[Tensor, Tensor]:
        shape = (images, *row.image_shape)
        pixels = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
        return pixels, torch.arange(images) % row.num_classes

    classes = tuple(map(str, range(row.num_classes)))
    train, test = part(row.images - TEST_IMAGES), part(TEST_IMAGES)
    return Dataset(row.name, classes, *train, *test, "random images of the same size")


def main() -> None:
    """Print what the dry run says, without the cells."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store(f"{folder}/store")
        for row in data.catalogue():
            if row.name in DATASETS and data.where(row.name) is None:
                store.datasets.push(stand_in(row))
        words = ["sweep", str(EXPERIMENT), "--dry-run", "--store", store.location, *sys.argv[1:]]
        program = "from lbray.cli import main; main()"
        subprocess.run(
            [sys.executable, "-c", program, *words],
            check=True,
            stdout=subprocess.DEVNULL,
            env=os.environ | {"LBRAY_CACHE": f"{folder}/cache"},
        )


if __name__ == "__main__":
    main()

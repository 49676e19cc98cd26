"""Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017; arXiv:1708.07747)."""

from __future__ import annotations

from pathlib import Path

import torch

from lbray.data import idx
from lbray.data.dataset import Dataset
from lbray.data.published import Published

SHA256 = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
"""Of each file's decompressed content: distributions differ in how they were gzipped."""

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
"""Where Debian's package dataset-fashion-mnist puts the files."""


class FashionMnist(Published):
    """28×28 grey images in 10 classes, from four IDX files, gzipped or not."""

    name = "fashion_mnist"

    def files(self) -> list[Path]:
        """The four files in the first folder that has them all, plain ones before gzipped."""
        for folder in self._folders():
            found = [path for stem in SHA256 if (path := _file(folder, stem))]
            if len(found) == len(SHA256):
                return found
        return []

    def checksums(self) -> list[str]:
        """SHA-256 of the decompressed files."""
        return list(SHA256.values())

    def read(self) -> Dataset:
        """Check and decode the four files."""
        from torchvision.datasets import FashionMNIST as Torchvision

        files = self.files()
        train_images, train_labels, test_images, test_labels = (
            idx.read(path, 3 if "images" in path.name else 1, sha256)
            for path, sha256 in zip(files, SHA256.values(), strict=True)
        )
        return Dataset(
            self.name,
            tuple(Torchvision.classes),
            train_images.unsqueeze(1),
            train_labels.to(torch.int64),
            test_images.unsqueeze(1),
            test_labels.to(torch.int64),
            f"{files[0].parent} (SHA-256 as published)",
        )

    def download(self, folder: Path) -> dict[Path, Path]:
        """The gzipped files, through torchvision and its checksums."""
        from torchvision.datasets import FashionMNIST as Torchvision

        raw = Path(Torchvision(folder, download=True).raw_folder)
        target = self._root / "FashionMNIST" / "raw"
        return {raw / f"{stem}.gz": target / f"{stem}.gz" for stem in SHA256}

    def searched(self) -> str:
        """Each folder, and what a folder with only some of the files lacks."""
        places = []
        for folder in self._folders():
            lacking = [f"{stem}.gz" for stem in SHA256 if not _file(folder, stem)]
            partial = 0 < len(lacking) < len(SHA256)
            places.append(f"{folder} (lacks {', '.join(lacking)})" if partial else str(folder))
        return ", ".join(places)

    def advice(self) -> str:
        """Put the files there or install Debian's package."""
        return (
            f"put {', '.join(f'{stem}.gz' for stem in SHA256)} in {self._folders()[0]}, or on "
            "Debian run 'apt install dataset-fashion-mnist'"
        )

    def _folders(self) -> list[Path]:
        root = self._root
        own = [root / "fashion-mnist", root / "fashion_mnist", root / "FashionMNIST" / "raw"]
        return [*own, DEBIAN]


def _file(folder: Path, stem: str) -> Path | None:
    candidates = (folder / stem, folder / f"{stem}.gz")
    return next((path for path in candidates if path.is_file()), None)

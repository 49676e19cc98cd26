"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009), read by torchvision.

They are published as Python pickles, which can run code when they are read. lbray unpickles
nothing itself, and torchvision opens only files whose MD5 is that of the published ones. lbray
compares the same sums first, to name the file that differs.
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lbray.data.dataset import Dataset
from lbray.data.published import Published
from lbray.errors import InputError


class Cifar10(Published):
    """32×32 RGB images in 10 classes."""

    name = "cifar10"

    @cached_property
    def _torchvision(self) -> Any:
        from torchvision.datasets import CIFAR10

        return CIFAR10

    def files(self) -> list[Path]:
        """The batches and the class names, if all are there."""
        paths = [self._folder / name for name in self._md5]
        return paths if all(path.is_file() for path in paths) else []

    def checksums(self) -> list[str]:
        """MD5 of the published files."""
        return list(self._md5.values())

    def read(self) -> Dataset:
        """Check and decode the files."""
        for name, md5 in self._md5.items():
            path = self._folder / name
            try:
                found = hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
            except OSError as problem:
                raise InputError(f"{path} cannot be read ({problem.strerror}).") from None
            if found != md5:
                raise InputError(
                    f"{path} has the MD5 {found}, but the published file has {md5}; remove "
                    f"{self._folder} and run 'lbray data fetch {self.name}'."
                )
        train = self._torchvision(self._root, train=True)
        test = self._torchvision(self._root, train=False)
        return Dataset(
            self.name,
            tuple(train.classes),
            *_channels_first(train),
            *_channels_first(test),
            f"{self._folder} (MD5 as published)",
        )

    def download(self, folder: Path) -> dict[Path, Path]:
        """The unpacked archive, through torchvision and its checksum."""
        self._torchvision(folder, download=True)
        base = self._torchvision.base_folder
        return {folder / base / name: self._folder / name for name in self._md5}

    def searched(self) -> str:
        """The folder that torchvision uses, and what it lacks if it is there."""
        lacking = [name for name in self._md5 if not (self._folder / name).is_file()]
        partial = 0 < len(lacking) < len(self._md5)
        return f"{self._folder} (lacks {', '.join(lacking)})" if partial else str(self._folder)

    def advice(self) -> str:
        """Unpack the archive there."""
        return f"unpack {self._torchvision.filename} from {self._torchvision.url} in {self._root}"

    @property
    def _folder(self) -> Path:
        return self._root / str(self._torchvision.base_folder)

    @property
    def _md5(self) -> dict[str, str]:
        source = self._torchvision
        batches = dict([*source.train_list, *source.test_list])
        return {**batches, source.meta["filename"]: source.meta["md5"]}


class Cifar100(Cifar10):
    """32×32 RGB images in 100 (fine) classes."""

    name = "cifar100"

    @cached_property
    def _torchvision(self) -> Any:
        from torchvision.datasets import CIFAR100

        return CIFAR100


def _channels_first(part: Any) -> tuple[Tensor, Tensor]:
    images = torch.from_numpy(part.data).permute(0, 3, 1, 2).contiguous()
    return images, torch.tensor(part.targets, dtype=torch.int64)

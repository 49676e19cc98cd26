"""Datasets that are files of known content, found on disk or downloaded."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import sys
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path

from lbray.data.cache import cached
from lbray.data.dataset import Dataset
from lbray.data.turns import turn
from lbray.errors import InputError

_TIMEOUT_S = 10.0


class Published(ABC):
    """Finds, downloads and caches; a subclass knows the files and how to read them.

    `load` reads every byte of the files and compares checksums the first time, and keeps the
    decoded images in the cache. Afterwards the files are taken as they were for as long as their
    paths, sizes and modification times stay the same; `verify` and `fetch` always read them.

    Args:
        root: the folder of datasets; need not exist, nor be writable.
    """

    name: str

    def __init__(self, root: Path) -> None:
        self._root = root

    @abstractmethod
    def files(self) -> list[Path]:
        """All files of the dataset, as they lie on disk; empty where they do not."""

    @abstractmethod
    def checksums(self) -> list[str]:
        """What the content of the files is known by."""

    @abstractmethod
    def read(self) -> Dataset:
        """Check and decode the files that `files` has found."""

    @abstractmethod
    def download(self, folder: Path) -> dict[Path, Path]:
        """Download into an empty folder; return where each file lies and where it belongs."""

    @abstractmethod
    def searched(self) -> str:
        """Where the files were looked for, for people."""

    @abstractmethod
    def advice(self) -> str:
        """What to do when the files are neither found nor to be downloaded, for people."""

    def where(self) -> str | None:
        """The folder in which the dataset was found, if it was."""
        files = self.files()
        return str(files[0].parent) if files else None

    def load(self) -> Dataset:
        """The dataset, downloaded where it is not on disk."""
        self._provide()
        stamps = [
            (str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns)
            for path in self.files()
        ]
        return cached(json.dumps([self.name, self.checksums(), stamps]), self.read)

    def fetch(self) -> Dataset:
        """Download where it is not on disk, and check every byte."""
        self._provide()
        return self.read()

    def verify(self) -> Dataset:
        """Check every byte of what is on disk."""
        if not self.files():
            raise InputError(
                f"dataset is '{self.name}', which was not found in {self.searched()}; "
                f"run 'lbray data fetch {self.name}' to download it."
            )
        return self.read()

    def _provide(self) -> None:
        """Download what is missing to a temporary folder, then move it file by file, so that a
        download that was cut off leaves nothing half-written. One process does it, others wait."""
        if self.files():
            return
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            with (
                turn(f"download-{self.name}"),
                tempfile.TemporaryDirectory(prefix=".download-", dir=self._root) as folder,
                _impatient(),
                contextlib.redirect_stdout(sys.stderr),
            ):
                fetched = {} if self.files() else self.download(Path(folder))
                for path, target in fetched.items():
                    target.parent.mkdir(parents=True, exist_ok=True)
                    path.replace(target)
        except (OSError, RuntimeError, http.client.HTTPException) as problem:
            reason = " ".join(str(problem).split()) or type(problem).__name__
            raise InputError(
                f"dataset is '{self.name}', which was not found in {self.searched()}, and could "
                f"not be downloaded to {self._root} ({reason}); {self.advice()}, or choose "
                "another dataset ('digits' needs no files)."
            ) from None


@contextlib.contextmanager
def _impatient() -> Iterator[None]:
    """Bound every wait for the network; torchvision's downloads set no limit of their own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_S)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)

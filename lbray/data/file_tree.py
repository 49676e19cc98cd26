"""The files of a directory or of a zip archive, by relative name."""

from __future__ import annotations

import hashlib
import zipfile
import zlib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Protocol

from lbray.errors import InputError

_DEEPEST = 5


class FileTree(Protocol):
    """Names with slashes, sorted, without hidden files and what macOS adds; and contents."""

    def names(self) -> list[str]:
        """The relative names of all files."""

    def read(self, name: str) -> bytes:
        """The content of one of them."""

    def sha256(self) -> str:
        """Of everything that `names` and `read` give, or of more."""


class Directory:
    """A directory's files, at most five levels deep: links may form a loop."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> list[str]:
        """The relative names of all files."""
        try:
            files = list(_files(self._path, _DEEPEST))
        except OSError as problem:
            raise InputError(f"{problem.filename} cannot be read ({problem.strerror}).") from None
        return _visible(path.relative_to(self._path).as_posix() for path in files)

    def read(self, name: str) -> bytes:
        """The content of one of them."""
        try:
            return (self._path / name).read_bytes()
        except OSError as problem:
            raise InputError(f"{self._path / name} cannot be read ({problem.strerror}).") from None

    def sha256(self) -> str:
        """Of the sorted names and contents."""
        digest = hashlib.sha256()
        for name in self.names():
            content = self.read(name)
            digest.update(f"{name}\0{len(content)}\0".encode("utf-8", "surrogateescape"))
            digest.update(content)
        return digest.hexdigest()


class ZipArchive:
    """A zip archive's files, read in memory and never extracted."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> list[str]:
        """The relative names of all files."""
        return _visible(info.filename for info in self._zip.infolist() if not info.is_dir())

    def read(self, name: str) -> bytes:
        """The content of one of them."""
        archive = self._zip
        try:
            return archive.read(name)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as problem:
            raise InputError(f"{self._path}: {name} cannot be unpacked ({problem}).") from None

    def sha256(self) -> str:
        """Of the archive as a file."""
        try:
            with self._path.open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as problem:
            raise InputError(f"{self._path} cannot be read ({problem.strerror}).") from None

    @cached_property
    def _zip(self) -> zipfile.ZipFile:
        try:
            return zipfile.ZipFile(self._path)
        except (zipfile.BadZipFile, EOFError, NotImplementedError) as problem:
            raise InputError(f"{self._path} is not a whole zip archive ({problem}).") from None
        except OSError as problem:
            raise InputError(f"{self._path} cannot be read ({problem.strerror}).") from None


def open_tree(path: Path) -> FileTree:
    """The tree at a path.

    Raises:
        InputError: there is nothing, or neither a directory nor a zip archive.
    """
    if path.is_dir():
        return Directory(path)
    if path.exists():
        return ZipArchive(path)
    raise InputError(f"{path} does not exist; give a directory or a zip archive of class folders.")


def _files(folder: Path, levels: int) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir():
            if levels > 1:
                yield from _files(path, levels - 1)
        else:
            yield path


def _visible(names: Iterator[str]) -> list[str]:
    return sorted(
        name
        for name in set(names)
        if not any(part.startswith(".") or part == "__MACOSX" for part in name.split("/"))
    )

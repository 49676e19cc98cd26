"""A dataset of the user's own: class folders of images, in a directory or a zip archive."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from lbray.data.cache import cached
from lbray.data.dataset import Dataset
from lbray.data.file_tree import FileTree, open_tree
from lbray.data.stratified import draw
from lbray.errors import InputError

PREFIX = "folder:"
_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp"})
_PARTS = ("train", "test")
_TEST_SHARE = 0.2
_GREY = frozenset({"1", "L"})
_BEYOND_8_BITS = ("I", "F")


class Folder:
    """``train/CLASS/*`` and ``test/CLASS/*``, or ``CLASS/*``, of which a fifth becomes the test.

    Images are PNG, JPEG, BMP or WebP of one size; if all are grey there is one channel, else
    three. Other files and hidden ones are ignored. All may lie in one more folder. Classes are
    in alphabetical order. The decoded images are cached by the content of the directory or zip.

    Args:
        name: ``folder:PATH``; ``~`` is expanded, and a relative path starts at the working
            directory.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        try:
            self._path = Path(name.removeprefix(PREFIX)).expanduser()
        except RuntimeError:
            raise InputError(
                f"dataset is '{name}', but no such user is known whose home directory '~' could "
                "stand for."
            ) from None

    def where(self) -> str | None:
        """The path, if there is something."""
        return str(self._path) if self._path.exists() else None

    def load(self) -> Dataset:
        """The dataset, decoded or from the cache."""
        tree = open_tree(self._path)
        dataset = cached(f"{PREFIX}{tree.sha256()}", lambda: self._decode(tree))
        return replace(dataset, name=self._name, source=str(self._path.resolve()))

    def fetch(self) -> Dataset:
        """As `load`: there is nothing to download."""
        return self.load()

    def verify(self) -> Dataset:
        """Decode every image."""
        return self._decode(open_tree(self._path))

    def _decode(self, tree: FileTree) -> Dataset:
        members = self._members(tree.names())
        classes = self._classes(members)
        pixels = self._pixels(tree, members)
        labels = torch.tensor([classes.index(member.label) for member in members])
        if members[0].part:
            is_test = torch.tensor([member.part == "test" for member in members])
            test, train = is_test.nonzero().flatten(), (~is_test).nonzero().flatten()
        else:
            what = f"{self._path} has no train/ and test/, and the share to test on"
            test, train = draw(labels, _TEST_SHARE, 0, classes, what)
        return Dataset(
            self._name,
            classes,
            pixels[train],
            labels[train],
            pixels[test],
            labels[test],
            str(self._path.resolve()),
        )

    def _members(self, names: Iterable[str]) -> list[_Member]:
        paths = [PurePosixPath(name) for name in names]
        images = [path for path in paths if path.suffix.lower() in _SUFFIXES]
        if not images:
            raise InputError(
                f"{self._path} holds no images; it needs train/CLASS/* and test/CLASS/*, or "
                f"CLASS/*, with files that end in {', '.join(sorted(_SUFFIXES))}."
            )
        tops = {path.parts[0] for path in images}
        nested = len(tops) == 1 and not tops & set(_PARTS)
        skip = 1 if nested and all(len(path.parts) > 2 for path in images) else 0
        parted = any(len(path.parts) > skip + 1 and path.parts[skip] in _PARTS for path in images)
        return [self._member(path, path.parts[skip:], parted) for path in images]

    def _member(self, path: PurePosixPath, parts: tuple[str, ...], parted: bool) -> _Member:
        if parted and len(parts) == 3 and parts[0] in _PARTS:
            return _Member(str(path), parts[1], parts[0])
        if not parted and len(parts) == 2:
            return _Member(str(path), parts[0], "")
        expected = (
            "train/CLASS/ or test/CLASS/" if parted else "CLASS/, train/CLASS/ or test/CLASS/"
        )
        raise InputError(f"{self._path}: {path} must lie directly in {expected}; move it.")

    def _classes(self, members: list[_Member]) -> tuple[str, ...]:
        parts = {member.part for member in members}
        if parts < set(_PARTS):
            (there,), (absent,) = parts, set(_PARTS) - parts
            raise InputError(
                f"{self._path} has images in {there}/ but none in {absent}/; it needs both."
            )
        classes = {member.label for member in members if member.part != "test"}
        for member in members:
            if member.label not in classes:
                raise InputError(
                    f"{self._path}: {member.name} is of class '{member.label}', which has no "
                    f"images in train/; the classes there are {', '.join(sorted(classes))}."
                )
        if len(classes) < 2:
            raise InputError(
                f"{self._path} has only one class, '{classes.pop()}'; at least two are needed."
            )
        return tuple(sorted(classes))

    def _pixels(self, tree: FileTree, members: list[_Member]) -> Tensor:
        first = self._image(tree, members[0])
        pixels = np.empty((len(members), *first.shape), np.uint8)
        for at, member in enumerate(members):
            image = self._image(tree, member)
            if image.shape[1:] != pixels.shape[2:]:
                raise InputError(
                    f"{self._path}: {member.name} is {_size(image)} (width × height), but "
                    f"{members[0].name} is {_size(first)}; all images must have one size."
                )
            if len(image) > pixels.shape[1]:
                pixels = pixels.repeat(3, axis=1)
            pixels[at] = image
        return torch.from_numpy(pixels)

    def _image(self, tree: FileTree, member: _Member) -> NDArray[np.uint8]:
        """[1, H, W] of a grey image, [3, H, W] of any other."""
        content = tree.read(member.name)
        try:
            with Image.open(io.BytesIO(content)) as image:
                mode = image.mode
                array = np.asarray(image.convert("L" if mode in _GREY else "RGB"))
        except Exception as problem:  # Pillow's decoders raise many kinds for broken files
            unknown = isinstance(problem, UnidentifiedImageError)
            reason = "not of a known format" if unknown else " ".join(str(problem).split())
            raise InputError(
                f"{self._path}: {member.name} cannot be decoded as an image ({reason})."
            ) from None
        if mode.startswith(_BEYOND_8_BITS):
            raise InputError(
                f"{self._path}: {member.name} has more than 8 bits a channel (mode '{mode}'); "
                "convert it to 8 bits."
            )
        return array[np.newaxis] if mode in _GREY else array.transpose(2, 0, 1)


@dataclass(frozen=True)
class _Member:
    """An image file: its name in the tree, its class, and ``train``, ``test`` or neither."""

    name: str
    label: str
    part: str


def _size(image: NDArray[np.uint8]) -> str:
    return f"{image.shape[2]}×{image.shape[1]}"

"""IDX files, the format of MNIST and its successors, plain or gzipped."""

from __future__ import annotations

import gzip
import hashlib
import math
import zlib
from pathlib import Path

import torch
from torch import Tensor

from lbray.errors import InputError

_UNSIGNED_BYTE = 0x08


def read(path: Path, dimensions: int, sha256: str) -> Tensor:
    """The uint8 array of an IDX file whose content is known.

    Args:
        path: the file; a name that ends in ``.gz`` is decompressed.
        dimensions: how many the array must have.
        sha256: of the decompressed file.

    Raises:
        InputError: the file cannot be read, is not such a file, or is another one.
    """
    content = _content(path)
    magic = bytes([0, 0, _UNSIGNED_BYTE, dimensions])
    header = 4 + 4 * dimensions
    if content[:4] != magic:
        raise InputError(
            f"{path} begins with 0x{content[:4].hex()}, but an IDX file of bytes in "
            f"{dimensions} dimensions with 0x{magic.hex()}; replace it with the published file."
        )
    if len(content) < header:
        raise InputError(
            f"{path} has {len(content)} bytes, but its header alone needs {header}; "
            "replace it with the published file."
        )
    shape = [int.from_bytes(content[at : at + 4], "big") for at in range(4, header, 4)]
    if len(content) != header + math.prod(shape):
        raise InputError(
            f"{path} has {len(content)} bytes, but its header promises "
            f"{'×'.join(map(str, shape))} values, {header + math.prod(shape)} bytes in all; "
            "replace it with the published file."
        )
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise InputError(
            f"{path} has the SHA-256 {found} (decompressed), but the published file has {sha256}; "
            "replace it with the published file."
        )
    return torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=header).view(shape)


def _content(path: Path) -> bytes:
    try:
        content = path.read_bytes()
        return gzip.decompress(content) if path.suffix == ".gz" else content
    except (gzip.BadGzipFile, EOFError, zlib.error) as problem:
        raise InputError(
            f"{path} is not a whole gzip file ({problem}); replace it with the published file."
        ) from None
    except OSError as problem:
        raise InputError(f"{path} cannot be read ({problem.strerror}).") from None

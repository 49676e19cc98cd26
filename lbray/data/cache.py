"""Decoded datasets on disk, read through a memory map.

A copy is one safetensors file named after a key. What the key must cover is up to the caller: a
copy is used for as long as its key is asked for. Processes that read the same copy share its
pages. A copy that is truncated or altered is rebuilt, and where nothing can be written there is
no copy, and no error.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import safetensors

from lbray.data import decoded_file
from lbray.data.dataset import Dataset
from lbray.data.locations import decoded_cache

_FORMAT = "lbray decoded dataset 1"


def cached(key: str, build: Callable[[], Dataset]) -> Dataset:
    """The decoded copy of this key, or what `build` gives, from now on with a copy of it.

    Args:
        key: everything that determines the content, in any form.
        build: decodes the dataset; called where there is no sound copy.
    """
    digest = hashlib.sha256(f"{_FORMAT}/{key}".encode()).hexdigest()
    path = decoded_cache() / f"{digest}.safetensors"
    copy = decoded_file.read(path)
    if copy is not None:
        return copy
    dataset = build()
    try:
        decoded_file.write(path, dataset)
    except (OSError, safetensors.SafetensorError):
        return dataset
    return decoded_file.read(path) or dataset

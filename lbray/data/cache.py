"""Decoded datasets on disk, read through a memory map.

A copy is one safetensors file named after a key. What the key must cover is up to the caller: a
copy is used for as long as its key is asked for. Processes that read the same copy share its
pages. A copy that is truncated or altered is rebuilt, and where nothing can be written there is
no copy, and no error.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from pathlib import Path

import safetensors
import safetensors.torch

from lbray.data.dataset import Dataset
from lbray.data.locations import decoded_cache

_FORMAT = "lbray decoded dataset 1"
_TENSORS = ("train_images", "train_labels", "test_images", "test_labels")


def cached(key: str, build: Callable[[], Dataset]) -> Dataset:
    """The decoded copy of this key, or what `build` gives, from now on with a copy of it.

    Args:
        key: everything that determines the content, in any form.
        build: decodes the dataset; called where there is no sound copy.
    """
    digest = hashlib.sha256(f"{_FORMAT}/{key}".encode()).hexdigest()
    path = decoded_cache() / f"{digest}.safetensors"
    copy = _read(path)
    if copy is not None:
        return copy
    dataset = build()
    try:
        _write(path, dataset)
    except (OSError, safetensors.SafetensorError):
        return dataset
    return _read(path) or dataset


def _read(path: Path) -> Dataset | None:
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            stored = json.loads(file.metadata()["dataset"])
            tensors = {name: file.get_tensor(name) for name in _TENSORS}
    except (OSError, safetensors.SafetensorError, ValueError, KeyError, TypeError):
        return None
    dataset = Dataset(stored["name"], tuple(stored["classes"]), **tensors, source=stored["source"])
    return dataset if dataset.fingerprint == stored["fingerprint"] else None


def _write(path: Path, dataset: Dataset) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    stored = {
        "name": dataset.name,
        "classes": dataset.classes,
        "source": dataset.source,
        "fingerprint": dataset.fingerprint,
    }
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        safetensors.torch.save_file(
            {name: getattr(dataset, name) for name in _TENSORS},
            temporary,
            {"dataset": json.dumps(stored)},
        )
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)

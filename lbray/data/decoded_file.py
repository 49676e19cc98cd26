"""A decoded dataset as one safetensors file, which tells its own fingerprint."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import safetensors
import safetensors.torch
from torch import Tensor

from lbray import json_text
from lbray.data.dataset import Dataset

_TENSORS = ("train_images", "train_labels", "test_images", "test_labels")


def pack(dataset: Dataset) -> bytes:
    """The bytes of a dataset's file."""
    return bytes(safetensors.torch.save(*_content(dataset)))


def read(path: Path) -> Dataset | None:
    """The dataset through a memory map; None where there is no file, or one that was truncated or
    altered."""
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            stored = json_text.parse(file.metadata()["dataset"])
            tensors = {name: file.get_tensor(name) for name in _TENSORS}
        name, classes, source = stored["name"], tuple(stored["classes"]), stored["source"]
        dataset = Dataset(name, classes, **tensors, source=source)
        return dataset if dataset.fingerprint == stored["fingerprint"] else None
    except (OSError, safetensors.SafetensorError, ValueError, KeyError, TypeError):
        return None


def write(path: Path, dataset: Dataset) -> None:
    """Replace a file as a whole.

    Raises:
        OSError, safetensors.SafetensorError: it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    tensors, metadata = _content(dataset)
    try:
        safetensors.torch.save_file(tensors, temporary, metadata)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _content(dataset: Dataset) -> tuple[dict[str, Tensor], dict[str, str]]:
    stored = {
        "name": dataset.name,
        "classes": dataset.classes,
        "source": dataset.source,
        "fingerprint": dataset.fingerprint,
    }
    # safetensors refuses views into the same storage
    tensors = {name: getattr(dataset, name).contiguous().clone() for name in _TENSORS}
    return tensors, {"dataset": json.dumps(stored)}

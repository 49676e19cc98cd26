"""Copies of datasets in a store, from which each machine of a cluster takes its own, once."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from lbray import data, json_text
from lbray.data import Dataset, Splits
from lbray.errors import DamagedArtefact, InputError
from lbray.store.files import Files


class DatasetCopies:
    """Datasets by name under ``datasets/``, as they were when they were pushed.

    Args:
        files: of the store.
    """

    def __init__(self, files: Files) -> None:
        self._files = files

    def push(self, dataset: Dataset) -> int:
        """Write a copy, for all who ask for the dataset by its name; returns its bytes."""
        content = data.pack(replace(dataset, source=f"a copy of {dataset.source}"))
        self._files.write(_content(dataset.fingerprint), content)
        record = {
            "name": dataset.name,
            "fingerprint": dataset.fingerprint,
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        # last: who finds the record finds the copy
        self._files.write(_record(dataset.name), json.dumps(record, indent=2).encode())
        return len(content)

    def has(self, name: str) -> bool:
        """Whether there is a copy of a dataset."""
        return self._files.read(_record(name)) is not None

    def provide(self, name: str) -> str | None:
        """Have a dataset's copy on this machine; its fingerprint, or None if there is none.

        Raises:
            DamagedArtefact: the copy's record is unreadable.
            InputError: the copy is damaged, or cannot be kept here.
        """
        content = self._files.read(_record(name))
        if content is None:
            return None
        try:
            record = json_text.parse(content)
            fingerprint, sha256 = str(record["fingerprint"]), str(record["sha256"])
        except (ValueError, KeyError, TypeError) as problem:
            raise DamagedArtefact(f"{_record(name)}: not a dataset's copy ({problem}).") from None
        data.receive(fingerprint, sha256, lambda: self._fetch(name, fingerprint))
        return fingerprint

    def prepared(
        self, name: str, root: Path | None = None, device: str = "cpu", **split_settings: Any
    ) -> tuple[Dataset, Splits]:
        """A dataset and its splits, as `lbray.data.prepared` gives them: from the copy if there is
        one, else from where it lies.

        Raises:
            DamagedArtefact, InputError: see `provide` and `lbray.data.prepared`.
        """
        return data.prepared(name, root, device, copy=self.provide(name), **split_settings)

    def _fetch(self, name: str, fingerprint: str) -> bytes:
        content = self._files.read(_content(fingerprint))
        if content is None:
            raise InputError(
                f"dataset is '{name}', whose copy in the store '{self._files.location}' is gone; "
                f"push it again with 'lbray data push {name}'."
            )
        return content


def _record(name: str) -> str:
    # a name may be a path: its digest is a name in a store
    return f"datasets/{hashlib.sha256(name.encode()).hexdigest()[:16]}.json"


def _content(fingerprint: str) -> str:
    return f"datasets/{fingerprint}.safetensors"

"""Datasets that this machine was given as decoded files, and keeps by fingerprint."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from pathlib import Path

from lbray.data import decoded_file
from lbray.data.dataset import Dataset
from lbray.data.locations import decoded_cache
from lbray.data.turns import turn
from lbray.errors import InputError


def receive(fingerprint: str, sha256: str, fetch: Callable[[], bytes]) -> None:
    """Have a dataset here: fetched once for all processes of this machine, and verified.

    Args:
        fingerprint: of the dataset.
        sha256: of its file, in hexadecimal.
        fetch: gives the file's bytes; called where there is no sound one yet.

    Raises:
        InputError: what was fetched is not that dataset, or cannot be kept here.
    """
    if not re.fullmatch("[0-9a-f]{64}", fingerprint):
        raise InputError(f"a dataset's fingerprint is '{fingerprint}', but must be a SHA-256.")
    path = _path(fingerprint)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with turn(f"receive-{fingerprint[:16]}"):
            if _is_sound(path, fingerprint):
                return
            content = fetch()
            if hashlib.sha256(content).hexdigest() == sha256:
                temporary = path.with_suffix(".tmp")
                temporary.write_bytes(content)
                temporary.replace(path)
    except OSError as problem:
        raise InputError(
            f"LBRAY_CACHE is '{path.parent}', where a dataset cannot be kept: {problem.strerror}; "
            "name a folder that can be written and has room."
        ) from None
    if not _is_sound(path, fingerprint):
        path.unlink(missing_ok=True)
        raise InputError(
            f"the store's copy of the dataset {fingerprint[:12]} is damaged; push it again with "
            "'lbray data push'."
        )


def received(fingerprint: str) -> Dataset:
    """A dataset that this machine has received, through a memory map.

    Raises:
        InputError: it is not there, or no longer sound.
    """
    dataset = decoded_file.read(_path(fingerprint))
    if dataset is None or dataset.fingerprint != fingerprint:
        raise InputError(
            f"the copy {_path(fingerprint)} of a dataset is damaged or gone; the same command "
            "again takes it from the store."
        )
    return dataset


def _is_sound(path: Path, fingerprint: str) -> bool:
    dataset = decoded_file.read(path)
    return dataset is not None and dataset.fingerprint == fingerprint


def _path(fingerprint: str) -> Path:
    return decoded_cache() / f"received-{fingerprint}.safetensors"

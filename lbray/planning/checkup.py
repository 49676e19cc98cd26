"""Whether a machine can run cells: what is on it, and what it lacks."""

from __future__ import annotations

import hashlib
import os
import platform
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import torch

import lbray
from lbray import data
from lbray.errors import LbrayError
from lbray.store import Store

_COMPARED = ("ray", "lbray")
"""Ray itself lets no process join a cluster whose Python is another."""


@dataclass(frozen=True)
class Checkup:
    """A machine, as one of its own processes sees it.

    Attributes:
        host: its name.
        versions: of Python, Ray, torch and lbray; lbray's with a digest of its code.
        cores: how many this process may use.
        gpus: their names.
        store: that the store can be used from there; None if no store was asked for.
        datasets: where each dataset that was asked for is, for people.
        problems: a sentence for each thing that is in the way.
    """

    host: str
    versions: dict[str, str]
    cores: int
    gpus: list[str]
    store: str | None
    datasets: dict[str, str]
    problems: list[str]

    def differences(self, other: Checkup) -> list[str]:
        """A sentence for each version on another machine that differs from the one here."""
        return [
            f"{kind} is {other.versions[kind]} on {other.host}, but {self.versions[kind]} here; "
            "both must be the same: install the same constraints.txt, and carry the same tree."
            for kind in _COMPARED
            if self.versions[kind] != other.versions[kind]
        ]


def checkup(
    store: str | None = None, data_root: Path | None = None, datasets: Sequence[str] = ()
) -> Checkup:
    """Look at the machine of this process.

    Args:
        store: where artefacts will go; a file is written there, read and deleted.
        data_root: where datasets lie.
        datasets: names of those that must be there, or in the store, or to be downloaded.
    """
    host = socket.gethostname()
    problems: list[str] = []
    artefacts, found = None, {}
    if store is not None:
        try:
            artefacts = Store(store)
            artefacts.files.check_writable()
        except LbrayError as problem:
            artefacts = None
            problems.append(f"on {host}, {problem}")
    for name in datasets:
        try:
            place = _where(name, artefacts, data_root)
        except LbrayError as problem:
            problems.append(f"on {host}, {problem}")
            continue
        if place is None and name in data.names():
            found[name] = "neither here nor in the store; a sweep downloads it"
        elif place is None:
            problems.append(
                f"on {host}, dataset is '{name}', which is neither there nor in the store; run "
                f"'lbray data push {name} --store {store or 'URI'}' where it is."
            )
        else:
            found[name] = place
    return Checkup(
        host,
        {
            "python": platform.python_version(),
            "ray": version("ray"),
            "torch": torch.__version__,
            "lbray": f"{lbray.__version__} (code {_code()})",
        },
        len(os.sched_getaffinity(0)),
        [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())],
        None if artefacts is None else f"{artefacts.location} can be read and written",
        found,
        problems,
    )


def _where(name: str, store: Store | None, data_root: Path | None) -> str | None:
    if store is not None and store.datasets.has(name):
        return f"a copy in {store.location}"
    return data.where(name, data_root)


@cache
def _code() -> str:
    """Eight digits that tell one state of lbray's source from another."""
    digest = hashlib.sha256()
    folder = Path(lbray.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        digest.update(f"{path.relative_to(folder)}".encode() + path.read_bytes())
    return digest.hexdigest()[:8]

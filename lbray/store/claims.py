"""Which sweep runs which cell, so that two sweeps on one store never run the same one.

A sweep has a lease, which it renews while it lives, and claims a cell by a file beside all other
claims. Who finds a lease void removes it and the sweep's claims, and so tells a sweep that was only
cut off or asleep that its cells are another's now.

Stores of objects cannot create a file only if it is absent, so each first writes its claim, then
looks for others: of two that claim at once, the later to write sees the earlier, and whoever sees
another withdraws. At worst both do, and try again.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import threading
import time
import uuid
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from lbray import json_text
from lbray.errors import StoreUnavailable
from lbray.store.cell_files import CellFiles
from lbray.store.files import ABANDONED_S, Files

LEASE_S = 480
"""A lease that was not renewed for so many seconds is void, unless its process is seen to live. A
sweep that does not reach the store gives up before, after `PATIENCE_S`; clocks of machines on one
store may differ by two minutes."""
_RENEW_S = 20.0
_TAKEN = (
    f"this sweep was not heard of for more than {LEASE_S} s, so that another sweep has taken its "
    "cells."
)
_CLAIM = re.compile(r"([0-9a-f]+)-([0-9a-f]+)\.json")
_LEASE = re.compile(r"([0-9a-f]+)\.json")
_TOGETHER = 20
"""Of many cells so many are claimed at a time: few, as two sweeps that claim the same ones at once
both withdraw; and not one by one, as all claims are listed each time."""


class Claims:
    """Claims cells on a sweep's behalf, in any process.

    Args:
        files: of the store.
        sweep: the sweep's id.
    """

    def __init__(self, files: Files, sweep: str) -> None:
        self._files = files
        self._sweep = sweep

    def claim(self, cell_id: str) -> str | None:
        """Claim a cell; returns None, or which other sweep has it. Claiming again does no harm."""
        return self.claim_all([cell_id]).get(cell_id)

    def claim_all(self, cell_ids: Sequence[str]) -> dict[str, str]:
        """Claim cells; returns which of them another sweep has, and which sweep."""
        held: dict[str, str] = {}
        for start in range(0, len(cell_ids), _TOGETHER):
            together = cell_ids[start : start + _TOGETHER]
            for cell_id in together:
                self._files.mark(_claim(cell_id, self._sweep))
            for cell_id, holder in self.holders(together).items():
                self.release(cell_id)
                held[cell_id] = holder
        return held

    def verify(self, cell_id: str) -> None:
        """See that a cell which was claimed is this sweep's still.

        Raises:
            StoreUnavailable: another sweep took this one for dead, and the cell with it.
        """
        if self._files.read(_claim(cell_id, self._sweep)) is None:
            raise StoreUnavailable(_TAKEN)

    def release(self, cell_id: str) -> None:
        """Give a claim back, if there is one."""
        self._files.delete(_claim(cell_id, self._sweep))

    def holders(self, cell_ids: Collection[str]) -> dict[str, str]:
        """Which of the cells another living sweep claims, and which sweep; dead ones that claim one
        lose all that they have."""
        others: dict[str, list[str]] = {}
        for cell_id, sweep in _claims(self._files):
            if cell_id in cell_ids and sweep != self._sweep:
                others.setdefault(sweep, []).append(cell_id)
        held: dict[str, str] = {}
        for sweep, claimed in others.items():
            holder = _living(self._files, sweep)
            if holder is None:
                _bury(self._files, sweep)
            else:
                held.update(dict.fromkeys(claimed, holder))
        return held


class Lease(Claims):
    """A sweep's claim to be alive, for the length of a ``with`` block.

    Attributes:
        id: the sweep's.
        failure: why the lease is not renewed: what the store said, or that others took it for void
            and this sweep has no cells any more; None while it is.
    """

    def __init__(self, files: Files) -> None:
        self.id = uuid.uuid4().hex[:12]
        self.failure: str | None = None
        super().__init__(files, self.id)
        self._ended = threading.Event()
        self._renewing = threading.Thread(target=self._renew, name="lease", daemon=True)

    def __enter__(self) -> Lease:
        self._clear_dead()
        self._write()
        self._renewing.start()
        return self

    def others(self) -> list[str]:
        """The ids of the other sweeps on this store that live."""
        leases = _leases(self._files)
        return [each for each in leases if each != self.id and lives(self._files, each)]

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._renewing.join()
        with contextlib.suppress(StoreUnavailable):  # the next sweep clears what this one left
            _bury(self._files, self.id)
            self._clear_dead()

    def _clear_dead(self) -> None:
        """Remove what killed sweeps left."""
        for folder in ("sweeps", "experiments", "datasets"):
            self._files.sweep_temporaries(folder, ABANDONED_S)
        claiming = {sweep for _, sweep in _claims(self._files)}
        for sweep in claiming.union(_leases(self._files)):
            if not lives(self._files, sweep):
                _bury(self._files, sweep)

    def _renew(self) -> None:
        while not self._ended.wait(_RENEW_S):
            try:
                if self._files.read(_lease(self.id)) is None:
                    self.failure = _TAKEN
                    return
                self._write()
                self.failure = None
            except StoreUnavailable as problem:
                self.failure = str(problem)

    def _write(self) -> None:
        # as long as the one before, so that who reads meanwhile reads one of them
        lease = {**_this_process(), "expires": int(time.time()) + LEASE_S}
        self._files.write(_lease(self.id), json.dumps(lease).encode())


def lives(files: Files, sweep: str) -> bool:
    """Whether a sweep is alive, as far as can be seen from here."""
    return _living(files, sweep) is not None


def scratch(sweep: str) -> str:
    """The folder in the store for what a sweep needs only while it runs."""
    return f"scratch-{sweep}"


def _claim(cell_id: str, sweep: str) -> str:
    return f"claims/{cell_id}-{sweep}.json"


def _claims(files: Files) -> list[tuple[str, str]]:
    """The cells that are claimed, and by which sweeps."""
    found = map(_CLAIM.fullmatch, files.list("claims"))
    return [(each[1], each[2]) for each in found if each is not None]


def _lease(sweep: str) -> str:
    return f"sweeps/{sweep}.json"


def _leases(files: Files) -> list[str]:
    """The sweeps that have a lease, which may be void."""
    found = map(_LEASE.fullmatch, files.list("sweeps"))
    return [each[1] for each in found if each is not None]


def _bury(files: Files, sweep: str) -> None:
    """Remove all that a sweep has which is dead or ends."""
    files.delete_folder(scratch(sweep))
    for cell_id, claiming in _claims(files):
        if claiming == sweep:
            CellFiles(files, cell_id).tidy()
            files.delete(_claim(cell_id, sweep))
    files.delete(_lease(sweep))


def _living(files: Files, sweep: str) -> str | None:
    """Who a sweep is, if it is alive: its process is there, or, where that cannot be seen from
    here, its lease is valid."""
    try:
        lease = json_text.parse(files.read(_lease(sweep)) or b"")
        described = f"process {lease['pid']} on {lease['host']}"
        if lease["machine"] is not None and lease["machine"] == _this_process()["machine"]:
            alive = lease["began"] == _began(lease["pid"])
        else:
            alive = lease["expires"] > time.time()
    except (ValueError, KeyError, TypeError):
        return None
    return described if alive else None


def _this_process() -> dict[str, Any]:
    """Host and process, and what tells whether another process shares our view of processes."""
    machine = None
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        machine = f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    pid = os.getpid()
    return {"host": socket.gethostname(), "pid": pid, "machine": machine, "began": _began(pid)}


def _began(pid: int) -> str | None:
    """When a process began, in the system's ticks; None if there is no such process."""
    try:
        stat = Path(f"/proc/{int(pid)}/stat").read_text()
    except OSError:
        return None
    state, *rest = stat.rpartition(")")[2].split()
    return None if state == "Z" else rest[18]

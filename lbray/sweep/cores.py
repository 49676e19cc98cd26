"""One process, one core."""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path

_claimed: list[int] = []
"""Descriptors of the locks that this process holds until it ends, however it ends."""


def claim_core() -> int | None:
    """Pin this process to a core that no other claims; None if there is none left.

    Claims are locks on files, which the system drops with the process.
    """
    if _claimed:
        return None
    for core in sorted(os.sched_getaffinity(0)):
        path = Path(tempfile.gettempdir()) / f"lbray-core-{os.getuid()}-{core}.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            continue
        os.sched_setaffinity(0, {core})
        _claimed.append(descriptor)
        return core
    return None

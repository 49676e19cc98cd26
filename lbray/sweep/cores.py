"""Where a process computes, and with how many threads."""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path

import torch

from lbray.planning import Placement

_claimed: dict[int, int] = {}
"""The core that this process has claimed, and the descriptor of its lock."""


def settle(placement: Placement) -> None:
    """Prepare the calling process to train as placed: a single thread on the CPU has a core of its
    own."""
    if placement.device == "cpu" and placement.threads == 1:
        claim_core()
    torch.set_num_threads(placement.threads)


def claim_core() -> int | None:
    """Pin the calling thread to a core that no other process claims; None if there is none left.

    A process claims one core at most, for all its threads that ask. Claims are locks on files,
    which the system drops with the process, however it ends.
    """
    if not _claimed:
        _claim_a_free_core()
    for core in _claimed:
        os.sched_setaffinity(0, {core})
        return core
    return None


def _claim_a_free_core() -> None:
    for core in sorted(os.sched_getaffinity(0)):
        path = Path(tempfile.gettempdir()) / f"lbray-core-{os.getuid()}-{core}.lock"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
        else:
            _claimed[core] = descriptor
            return

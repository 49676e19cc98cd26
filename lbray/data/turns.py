"""Processes of one machine that take turns, so that what all need is fetched once."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def turn(what: str) -> Iterator[None]:
    """Be the only process of this user and machine that does something, for a ``with`` block.

    The others wait. A turn ends with its process, however that ends.

    Args:
        what: names it; part of a file's name.
    """
    path = Path(tempfile.gettempdir()) / f"lbray-{what}-{os.getuid()}.lock"
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

"""The processes of this machine, as /proc shows them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path


def processes() -> Iterator[tuple[int, str]]:
    """Each process's id and command."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            yield int(entry.name), command_of(int(entry.name))


def command_of(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="ignore")
    return ""


def environment_of(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="ignore")
    return ""


def descendants(pid: int) -> list[int]:
    """What a process has started, and what that has."""
    children = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(OSError):
            children += [int(child) for child in (task / "children").read_text().split()]
    return children + [each for child in children for each in descendants(child)]

"""The C library's memory allocator, told that a training asks for the same sizes at every step."""

from __future__ import annotations

import ctypes
from functools import cache

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_NEVER = 2**31 - 1
_LARGEST = 2**30


@cache
def keep_freed_memory() -> None:
    """Let this process keep the memory it frees, for the next step to take up again.

    glibc gives large blocks back to the system at once, and the system clears every page when it
    hands them out anew: a sixth of a step of the small CNN on a CPU. Where the C library is
    another, nothing happens.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_THRESHOLD, _LARGEST)
    mallopt(_M_TRIM_THRESHOLD, _NEVER)

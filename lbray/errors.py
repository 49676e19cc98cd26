"""What can go wrong, in one small tree.

LbrayError
├── InputError       the user gave something that cannot be used; the command line exits with 2
├── DamagedArtefact  a stored file is truncated, altered or not ours; it is never used
├── StoreUnavailable the store does not answer or takes no more; a sweep ends, and continues later
└── Diverged         a training left the finite numbers; its cell is recorded as failed
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class LbrayError(Exception):
    """Base of every error that lbray raises on purpose."""


class InputError(LbrayError):
    """One sentence that names the field, the value that was given and what is allowed."""

    @classmethod
    def unknown(
        cls, kind: str, given: object, allowed: Iterable[str], shown: str | None = None
    ) -> InputError:
        """An `InputError` for a name that does not exist, with the nearest one that does.

        Args:
            kind: what has such a name.
            given: the name.
            allowed: every name that exists.
            shown: what to say is allowed, where the names are too many to be read.
        """
        names = sorted(allowed)
        close = difflib.get_close_matches(str(given), names, n=1)
        hint = f"did you mean '{close[0]}'? Allowed" if close else "allowed"
        return cls(f"unknown {kind} '{given}'; {hint}: {shown or ', '.join(names) or 'none'}.")


class DamagedArtefact(LbrayError):
    """A stored file does not match its checksum or is not of the format that its name says."""


class StoreUnavailable(LbrayError):
    """The store cannot be read or written: its disk is full, it is gone, or it refuses us.

    It says nothing about a cell, so no cell is recorded as failed for it.
    """


class Diverged(LbrayError):
    """The training loss became NaN or infinite."""

"""What a proof tells while it runs."""

from __future__ import annotations

import time

_LINES = 12


class Narrator:
    """Prints what happens, with the seconds since the beginning; shown by ``pytest -s``."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def say(self, *words: str) -> None:
        """A step."""
        print(f"\n{time.monotonic() - self._began:5.0f} s  {' '.join(words)}", end="", flush=True)

    def quote(self, text: str) -> None:
        """What a command printed: its end, if it was much."""
        lines = text.strip().splitlines()
        shown = lines if len(lines) <= _LINES else ["…", *lines[-_LINES:]]
        for line in shown:
            print(f"\n         | {line}", end="", flush=True)

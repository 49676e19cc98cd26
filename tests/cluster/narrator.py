"""What a proof tells while it runs."""

from __future__ import annotations

import time


class Narrator:
    """Prints what happens, with the seconds since the beginning; shown by ``pytest -s``."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    def say(self, *words: str) -> None:
        """A step."""
        print(f"\n{time.monotonic() - self._began:5.0f} s  {' '.join(words)}", end="", flush=True)

    def quote(self, text: str) -> None:
        """What a command printed."""
        for line in text.strip().splitlines():
            print(f"\n         | {line}", end="", flush=True)

"""Where a user sits: a folder, and commands whose output the proof tells."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from narrator import Narrator

PROGRAMS = {
    "ray": "import sys; from ray.scripts.scripts import main; sys.exit(main())",
    "lbray": "from lbray.cli import main; main()",
}


class Laptop:
    """Runs commands in a folder.

    Args:
        folder: where.
        narrator: tells each command, and what it said.
        environment: what the user has set.
    """

    def __init__(self, folder: Path, narrator: Narrator, **environment: str) -> None:
        self._folder = folder
        self._narrator = narrator
        self._environment = {**os.environ, **environment}

    def call(self, *words: str, code: int = 0) -> str:
        """Run ``ray …`` or ``lbray …`` to its end, with this exit code; returns what it said."""
        self._narrator.say("$", *words)
        ended = subprocess.run(
            self._command(words),
            cwd=self._folder,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        said = ended.stdout + ended.stderr
        self._narrator.quote(said)
        assert ended.returncode == code, said
        return said

    def begin(self, *words: str) -> subprocess.Popen[bytes]:
        """Start such a command, silently."""
        self._narrator.say("$", *words, "&")
        return subprocess.Popen(
            self._command(words),
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def _command(self, words: tuple[str, ...]) -> list[str]:
        return [sys.executable, "-c", PROGRAMS[words[0]], *words[1:]]

"""The events of an experiment: an append-only record that others can follow while it grows."""

from __future__ import annotations

import json
import threading
import time
import uuid
from datetime import UTC, datetime
from typing import Any

from lbray.errors import StoreUnavailable
from lbray.store.files import Files

_FLUSH_S = 2.0


class EventLog:
    """Appends events, and reads those that it has not read yet; any number of processes may.

    In a local folder it is one file, ``experiments/NAME.events.jsonl``. Objects cannot grow, so an
    object store gets a new one every few seconds, in ``experiments/NAME.events/``.

    Args:
        files: of the store.
        experiment: the experiment's name.
    """

    def __init__(self, files: Files, experiment: str) -> None:
        self._files = files
        self._file = f"experiments/{experiment}.events.jsonl"
        self._folder = f"experiments/{experiment}.events"
        self._position = 0
        self._seen: set[str] = set()
        self._waiting: list[str] = []
        self._lock = threading.Lock()

    def append(self, event: str, **details: Any) -> dict[str, Any]:
        """Add what happened; returns it as it will be read, with the time."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        added = {"time": now, "event": event, **details}
        line = json.dumps(added)
        if self._files.is_local:
            self._files.append(self._file, line)
            return added
        with self._lock:
            self._waiting.append(line)
            if len(self._waiting) == 1:
                self._flush_soon()
        return added

    def flush(self) -> None:
        """Make all that was appended visible to others now.

        Raises:
            StoreUnavailable: it is kept, and a later call tries again.
        """
        with self._lock:
            lines, self._waiting = self._waiting, []
        if not lines:
            return
        name = f"{self._folder}/{time.time_ns()}-{uuid.uuid4().hex[:8]}.jsonl"
        try:
            self._files.write(name, "".join(f"{line}\n" for line in lines).encode())
        except StoreUnavailable:
            with self._lock:
                self._waiting = lines + self._waiting
            raise

    def _flush_soon(self) -> None:
        def flush() -> None:
            try:
                self.flush()
            except StoreUnavailable:
                self._flush_soon()

        timer = threading.Timer(_FLUSH_S, flush)
        timer.daemon = True
        timer.start()

    def read(self) -> list[dict[str, Any]]:
        """The events since the last call, in order; at first, all. A line that is not whole, or no
        event, is left out."""
        if self._files.is_local:
            added = self._files.read_from(self._file, self._position)
            whole = added[: added.rfind(b"\n") + 1]
            self._position += len(whole)
            return _events(whole)
        new = [name for name in self._files.list(self._folder) if name not in self._seen]
        self._seen.update(new)
        contents = (self._files.read(f"{self._folder}/{name}") for name in new)
        return [event for content in contents for event in _events(content or b"")]


def _events(lines: bytes) -> list[dict[str, Any]]:
    found = []
    for line in lines.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if _is_event(event):
            found.append(event)
    return found


def _is_event(line: object) -> bool:
    try:
        return isinstance(line, dict) and bool(
            datetime.fromisoformat(line["time"]) and line["event"]
        )
    except (KeyError, TypeError, ValueError):
        return False

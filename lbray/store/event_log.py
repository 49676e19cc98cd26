"""The events of an experiment: an append-only record that others can follow while it grows."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections import Counter
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any

from lbray import json_text
from lbray.errors import StoreUnavailable
from lbray.store.files import Files

_FLUSH_S = 2.0
_LINES = 200


class EventLog:
    """Appends events, and reads those that it has not read yet; any number of processes may.

    In a local folder it is one file, ``experiments/NAME.events.jsonl``. In an object store each
    writer replaces an object in ``experiments/NAME.events/`` every few seconds by a longer one,
    until that has `_LINES` lines and the next is begun.

    Args:
        files: of the store.
        experiment: the experiment's name.
    """

    def __init__(self, files: Files, experiment: str) -> None:
        self._files = files
        self._file = f"experiments/{experiment}.events.jsonl"
        self._folder = f"experiments/{experiment}.events"
        self._position: Counter[str] = Counter()
        self._object = ""
        self._written: list[str] = []
        self._waiting: list[str] = []
        self._lock = threading.Lock()
        self._writing = threading.Lock()

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
        with self._writing:  # what a timer took is written too when this returns
            with self._lock:
                lines, self._waiting = self._waiting, []
            if not lines:
                return
            if not 0 < len(self._written) < _LINES:
                self._object = f"{time.time_ns()}-{uuid.uuid4().hex[:8]}.jsonl"
                self._written = []
            content = "".join(f"{line}\n" for line in self._written + lines).encode()
            try:
                self._files.write(f"{self._folder}/{self._object}", content)
            except StoreUnavailable:
                with self._lock:
                    self._waiting = lines + self._waiting
                raise
            self._written += lines

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
            return self._events_from(self._file)
        sizes = self._files.sizes(self._folder)
        grown = [name for name in sorted(sizes) if (sizes[name] or 0) > self._position[name]]
        found = self._files.several(self._events_from, [f"{self._folder}/{n}" for n in grown])
        return sorted((event for events in found for event in events), key=itemgetter("time"))

    def _events_from(self, path: str) -> list[dict[str, Any]]:
        """Those of a file that were not read yet."""
        name = path.rpartition("/")[2]
        added = self._files.read(path, self._position[name]) or b""
        whole = added[: added.rfind(b"\n") + 1]
        self._position[name] += len(whole)
        return _events(whole)


def _events(lines: bytes) -> list[dict[str, Any]]:
    found = []
    for line in lines.splitlines():
        try:
            event = json_text.parse(line)
        except ValueError:
            continue
        if _is_event(event):
            found.append(event)
    return found


def _is_event(line: object) -> bool:
    try:
        return isinstance(line, dict) and bool(
            datetime.fromisoformat(line["time"]).tzinfo and line["event"]
        )
    except (KeyError, TypeError, ValueError):
        return False

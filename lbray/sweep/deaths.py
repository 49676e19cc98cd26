"""What a process died of, and whether its cell may be to blame."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

RETRIES = 2
"""How often a cell is continued after a process died under it, before it is recorded as failed."""

# a process that is unavailable is on a node that does not answer: of one that died on its own, the
# node says so; SIGTERM is what a machine that is taken away sends to all that runs on it
_NODE_LOST = re.compile(
    r"node has died|node was terminated|NodeDiedError|preempt|actor is (temporarily )?unavailable"
    r"|receives a SIGTERM",
    re.IGNORECASE,
)


def lost_with_its_node(error: str) -> bool:
    """Whether a process died because its whole node did, as spot nodes do: no fault of a cell."""
    return _NODE_LOST.search(error) is not None


def last_error(trial: Any) -> str:
    """What a Tune trial said when it died last; nothing if it could not speak."""
    try:
        text = Path(trial.error_file or "").read_text(errors="replace")
    except OSError:
        return ""
    return text.rpartition("Failure # ")[2].strip()

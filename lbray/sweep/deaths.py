"""What a process died of, and whether its cell may be to blame."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from lbray.errors import DamagedArtefact
from lbray.store import Store

RETRIES = 2
"""How often a cell is continued after a process died under it, before it is recorded as failed."""
TERMINATIONS = 10
"""How often a process may be terminated under a cell that gets no epoch further in between, before
that counts as a death: so machines that are taken away are told from a guard of one that has too
little memory for the cell."""

# a process that is unavailable is on a node that does not answer: of one that died on its own, the
# node says so; SIGTERM is what a machine that is taken away sends to all that runs on it
_NODE_LOST = re.compile(
    r"node has died|node was terminated|NodeDiedError|preempt|actor is (temporarily )?unavailable"
    r"|receives a SIGTERM",
    re.IGNORECASE,
)


class Deaths:
    """The deaths of processes under cells.

    Args:
        store: whose histories tell how far cells are.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._counted: Counter[str] = Counter()
        self._terminated: Counter[tuple[str, int]] = Counter()

    def of_the_node(self, cell_id: str, error: str) -> bool:
        """Whether a process died because its whole node did, as spot nodes do: no fault of the cell
        that it was training."""
        if not _NODE_LOST.search(error):
            return False
        if "SIGTERM" not in error:
            return True
        epochs = 0
        with suppress(DamagedArtefact):
            epochs = len(self._store.cell(cell_id).history())
        self._terminated[cell_id, epochs] += 1
        return self._terminated[cell_id, epochs] <= TERMINATIONS

    def one_too_many(self, cell_id: str) -> bool:
        """Count a death that may be a cell's fault; whether the cell is to be given up."""
        self._counted[cell_id] += 1
        return self._counted[cell_id] > RETRIES


def last_error(trial: Any) -> str:
    """What a Tune trial said when it died last; nothing if it could not speak."""
    try:
        text = Path(trial.error_file or "").read_text(errors="replace")
    except OSError:
        return ""
    return text.rpartition("Failure # ")[2].strip()

"""What a Tune trial is given, and what it tells."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ray import tune

from lbray.planning import Placement
from lbray.spec import Cell
from lbray.store import Claims, Store, scratch

GROUP = "group"
"""The name in a trial's config under which the number of its group stands. Tune sends, copies and
stores the whole config with each report, so the cells themselves do not stand there."""
ONE_BY_ONE = "one_by_one"
"""The name under which ids of cells may stand that are not to be trained beside others."""
PLACED = "placement_group"
"""The name in a report under which the id stands of what a worker group has of the machines."""


@dataclass(frozen=True)
class Task:
    """All that the processes of a trial need, as plain values.

    Attributes:
        store_location: of the store.
        sweep: id of the sweep on whose behalf cells are claimed.
        data_root: where datasets lie.
        placement: who runs the cells.
    """

    store_location: str
    sweep: str
    data_root: str | None
    placement: Placement

    @cached_property
    def store(self) -> Store:
        """The store, opened in this process."""
        return Store(self.store_location).patient()

    @cached_property
    def claims(self) -> Claims:
        """By which a cell is claimed for the sweep."""
        return Claims(self.store.files, self.sweep)

    @property
    def scratch(self) -> dict[str, Any]:
        """Where Ray may write what it writes, in its own words: in the store, where all nodes
        can. The sweep removes it when it ends."""
        files = self.store.files
        return {
            "storage_filesystem": files.filesystem,
            "storage_path": files.path(scratch(self.sweep)),
        }

    @property
    def root(self) -> Path | None:
        """Where datasets lie, as a path."""
        return None if self.data_root is None else Path(self.data_root)


def claimed(cells: Sequence[Cell], task: Task) -> list[Cell]:
    """Those of the cells that this sweep has now, or had already, to itself. Of the others, Tune is
    told which sweep holds them."""
    held = task.claims.claim_all([cell.id for cell in cells])
    for cell_id, holder in held.items():
        tune.report({"cell": cell_id, "holder": holder})
    return [cell for cell in cells if cell.id not in held]


def told(cell: Cell, metrics: Mapping[str, Any]) -> dict[str, Any]:
    """What Tune is told of an epoch of a cell."""
    return {**metrics, "cell": cell.id, "epochs": metrics["epoch"] + 1}


def pack(cells: Iterable[Cell]) -> str:
    """Cells as JSON, which is sent to other processes faster than objects are."""
    return json.dumps([cell.settings for cell in cells])


def unpack(packed: str) -> list[Cell]:
    """What `pack` was given."""
    return [Cell.resolved(settings) for settings in json.loads(packed)]


def cells_of(config: Mapping[str, Any], groups: Sequence[str]) -> list[Cell]:
    """The cells of a trial."""
    return unpack(groups[config[GROUP]])

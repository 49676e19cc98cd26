"""Stored cells as one tidy frame: a row per cell."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from lbray.errors import DamagedArtefact
from lbray.store import Store


@dataclass(frozen=True)
class Cells:
    """An experiment's cells.

    Attributes:
        frame: a row per finished cell: `id`, every setting, `loss_label`, `weights_sha256`, and
            every metric of its result by name.
        left_out: for each other cell, its id and why it is not in the frame.
    """

    frame: pd.DataFrame
    left_out: dict[str, str]


def load(store: Store | str, experiment: str) -> Cells:
    """Read an experiment's cells.

    Args:
        store: a store, or where it is.
        experiment: the experiment's name.

    Raises:
        InputError: the store has no such experiment.
    """
    store = Store(store) if isinstance(store, str) else store
    rows, left_out = [], {}
    for cell_id in store.experiment_cell_ids(experiment):
        files = store.cell(cell_id)
        try:
            result = files.result()
            if result is None:
                left_out[cell_id] = "it has no result yet"
            elif not result.done:
                left_out[cell_id] = f"{files.cell().label} {result.status}: {result.reason}"
            else:
                cell = files.cell()
                rows.append(
                    {
                        "id": cell_id,
                        **cell.settings,
                        "loss_label": cell.loss_label,
                        "weights_sha256": result.weights_sha256,
                        **result.metrics,
                    }
                )
        except DamagedArtefact as problem:
            left_out[cell_id] = str(problem)
    return Cells(pd.DataFrame(rows), left_out)

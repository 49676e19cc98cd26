"""Stored cells as one tidy frame: a row per cell."""

from __future__ import annotations

import pandas as pd

from lbray.errors import DamagedArtefact
from lbray.store import Store

_LEFT_OUT = "left_out"


def load(store: Store | str, experiment: str) -> pd.DataFrame:
    """Read an experiment's cells.

    Args:
        store: a store, or where it is.
        experiment: the experiment's name.

    Returns:
        A row per finished cell: `id`, every setting, `loss_label`, `weights_sha256`,
        `images_sha256` (the fingerprint of the dataset that it was trained on, None where its
        result does not say), and every metric of its result by name. `left_out` tells which cells
        are not in it, and why.

    Raises:
        InputError: the store has no such experiment.
    """
    store = Store(store) if isinstance(store, str) else store
    rows, absent = [], {}
    for cell_id in store.experiment_cell_ids(experiment):
        files = store.cell(cell_id)
        try:
            result = files.result()
            if result is None:
                absent[cell_id] = "it has no result yet"
            elif not result.done:
                absent[cell_id] = f"{files.cell().label} {result.status}: {result.reason}"
            else:
                cell = files.cell()
                rows.append(
                    {
                        "id": cell_id,
                        **cell.settings,
                        "loss_label": cell.loss_label,
                        "weights_sha256": result.weights_sha256,
                        "images_sha256": result.provenance.get("dataset"),
                        **result.metrics,
                    }
                )
        except DamagedArtefact as problem:
            absent[cell_id] = str(problem)
    return leave_out(pd.DataFrame(rows), absent)


def left_out(frame: pd.DataFrame) -> dict[str, str]:
    """The experiment's cells that are not in a frame: their ids, and why.

    They travel in the frame's `attrs`, which pandas hands on to what is selected from it.
    """
    return dict(frame.attrs.get(_LEFT_OUT, {}))


def leave_out(frame: pd.DataFrame, cells: dict[str, str]) -> pd.DataFrame:
    """The frame without the rows of these cells, which `left_out` tells from then on.

    Args:
        frame: from `load`.
        cells: ids, and why each is left out.
    """
    rest = frame[~frame["id"].isin(cells)] if len(frame) else frame.copy()
    rest.attrs[_LEFT_OUT] = left_out(frame) | cells
    return rest


def with_columns(frame: pd.DataFrame, columns: pd.DataFrame) -> pd.DataFrame:
    """The frame with these columns, in place of any that have their names.

    Args:
        frame: from `load`.
        columns: with the frame's index.
    """
    joined = frame.drop(columns=[name for name in columns if name in frame]).join(columns)
    joined.attrs = frame.attrs
    return joined

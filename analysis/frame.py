"""Stored cells as one tidy frame: a row per cell."""

from __future__ import annotations

from typing import Any

import pandas as pd

from lbray.errors import DamagedArtefact
from lbray.store import CellFiles, Store

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
    cell_ids = store.experiment_cell_ids(experiment)
    found = store.files.several(lambda cell_id: _row_or_why_not(store.cell(cell_id)), cell_ids)
    rows = [each for each in found if isinstance(each, dict)]
    absent = {
        cell_id: each
        for cell_id, each in zip(cell_ids, found, strict=True)
        if isinstance(each, str)
    }
    return leave_out(pd.DataFrame(rows), absent)


def _row_or_why_not(files: CellFiles) -> dict[str, Any] | str:
    """A cell's row of the frame, or why it has none."""
    try:
        result = files.result()
        if result is None:
            return "it has no result yet"
        cell = files.cell()
    except DamagedArtefact as problem:
        return str(problem)
    if not result.done:
        return f"{cell.label} {result.status}: {result.reason}"
    return {
        "id": cell.id,
        **cell.settings,
        "loss_label": cell.loss_label,
        "weights_sha256": result.weights_sha256,
        "images_sha256": result.provenance.get("dataset"),
        **result.metrics,
    }


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

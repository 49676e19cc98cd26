"""Which cells are of one setting, and what was tried in it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from lbray.spec import Cell

TREATMENT = ["loss_label", "lambda", "warmup_epochs"]
"""What tells rows of one setting apart. All else but the seed must agree for cells to be pairs."""

_OF_THE_LOSS = {  # the loss's label names those that are not its defaults
    "loss",
    "loss_params",
    "lambda",
    "warmup_epochs",
    "lambda_schedule",
    "lambda_step",
    "loss_learning_rate_factor",
}

SETTING = [name for name in Cell.field_names() if name not in {*_OF_THE_LOSS, "seed"}]
"""What must agree for cells to be of one setting."""


def of_setting(rows: pd.DataFrame, row: pd.Series) -> pd.DataFrame:
    """The rows that are of the same setting as this one, in which null equals null.

    Args:
        rows: of cells, or a table of them by setting.
        row: the same.
    """
    same = [
        rows[name].isna() if pd.isna(row[name]) else rows[name].eq(row[name]) for name in SETTING
    ]
    return rows[np.logical_and.reduce(same)]

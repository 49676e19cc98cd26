"""What each loss × λ reached: means over seeds, and paired differences to the baseline."""

from __future__ import annotations

import math
from collections.abc import Hashable

import pandas as pd

from analysis.statistics import Interval, mean_interval
from lbray.spec import Cell

METRICS = (
    "val/acc",
    "test/acc",
    "test/f1_micro",
    "test/f1_macro",
    "epochs/best",
    "epochs/stopped",
    "test/silhouette",
)
"""What is summarised, where the frame has it."""

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


def summarise(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per setting, loss, λ and metric.

    Args:
        frame: from `analysis.load`, with or without the structure's columns.

    Returns:
        Columns: the setting, `TREATMENT`, `metric`, `n`, `mean`, `half_width` (of the 95%
        t-interval over seeds), `pairs`, `difference` and `difference_half_width` (of the paired
        differences to the baseline of the same setting and seed; NaN for the baseline itself), and
        `chosen`: whether this λ has the loss's best mean validation accuracy.
    """
    rows = []
    for setting, cells in frame.groupby(SETTING, dropna=False, sort=False):
        baseline = cells[cells["loss"] == "baseline"].set_index("seed")
        chosen = _chosen(cells)
        for treatment, group in cells.groupby(TREATMENT, sort=False):
            for metric in METRICS:
                if metric not in frame:
                    continue
                values = group.set_index("seed")[metric].astype(float)
                difference = _paired(values, baseline, metric, treatment[0])
                spread = mean_interval(values)
                rows.append(
                    {
                        **dict(zip(SETTING, setting, strict=True)),
                        **dict(zip(TREATMENT, treatment, strict=True)),
                        "metric": metric,
                        "n": spread.n,
                        "mean": spread.mean,
                        "half_width": spread.half_width,
                        "pairs": difference.n,
                        "difference": difference.mean,
                        "difference_half_width": difference.half_width,
                        "chosen": treatment in chosen,
                    }
                )
    return pd.DataFrame(rows)


def _paired(
    values: pd.Series[float], baseline: pd.DataFrame, metric: str, loss_label: Hashable
) -> Interval:
    if loss_label == "baseline":
        return Interval(0, math.nan, math.nan)
    return mean_interval((values - baseline[metric].astype(float)).dropna())


def _chosen(cells: pd.DataFrame) -> set[Hashable]:
    """Per loss, the treatment with the best mean validation accuracy; test is not consulted."""
    losses = cells[cells["loss"] != "baseline"]
    if losses.empty:
        return set()
    accuracy = losses.groupby(TREATMENT, sort=False)["val/acc"].mean()
    return set(accuracy.groupby(level="loss_label").idxmax())

"""The paper's tables in its own layout, each number beside a run's."""

from __future__ import annotations

import math

import pandas as pd

from analysis.setting import SETTING
from analysis.tables import Table

_TITLES = {
    2: "Table 2 of the paper: losses",
    3: "Table 3 of the paper: λ of Latent Boost",
    4: "Table 4 of the paper: summary",
    5: "Table 5 of the paper: silhouette",
}
_HEADINGS = {
    "test/acc": "accuracy %",
    "test/f1_micro": "micro-F1",
    "epochs/best": "epochs (best)",
    "epochs/stopped": "epochs (stopped)",
    "test/silhouette": "silhouette",
}
_DIGITS = {"test/f1_micro": 4, "test/silhouette": 3}
_NOTE = (
    "Printed → this run's mean ± half-width of its 95% t-interval (difference). ✓: the printed "
    "number lies in the interval, ✗: it does not; neither, where one seed gives no interval."
)


def paper_tables(beside: pd.DataFrame) -> list[Table]:
    """Tables 2 to 5, as far as the run has them.

    Tables 2 and 3 have a row per loss and λ, and two columns per dataset; 4 and 5 a row per dataset
    and metric, and a column per loss.

    Args:
        beside: from `analysis.beside_paper`.
    """
    if beside.empty:
        return []
    protocol = [name for name in SETTING if name not in {"dataset", "backbone"}]
    varying = [name for name in protocol if beside[name].nunique(dropna=False) > 1]
    made = []
    for _, runs in beside.groupby(protocol, dropna=False, sort=False):
        suffix = "".join(f", {name}={runs.iloc[0][name]}" for name in varying)
        for number, table in runs.groupby("table"):
            layout = _by_loss if number in (2, 3) else _by_dataset
            header, rows = layout(table)
            made.append(Table(_TITLES[int(str(number))] + suffix, header, rows, [_NOTE]))
    return made


def _by_loss(table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    columns = list(dict.fromkeys(zip(table["dataset"], table["metric"], strict=True)))
    rows = []
    for (loss, lam), part in table.groupby(["loss", "lambda"], sort=False):
        cells = {(row["dataset"], row["metric"]): _cell(row) for _, row in part.iterrows()}
        rows.append([str(loss), f"{lam:g}", *(cells.get(column, "–") for column in columns)])
    return ["loss", "λ", *(f"{dataset} {_HEADINGS[metric]}" for dataset, metric in columns)], rows


def _by_dataset(table: pd.DataFrame) -> tuple[list[str], list[list[str]]]:
    losses = list(dict.fromkeys(table["loss"]))
    rows = []
    for (dataset, metric), part in table.groupby(["dataset", "metric"], sort=False):
        cells = {row["loss"]: _cell(row) for _, row in part.iterrows()}
        rows.append([f"{dataset} {_HEADINGS[str(metric)]}", *(cells.get(x, "–") for x in losses)])
    return ["dataset", *losses], rows


def _cell(row: pd.Series) -> str:
    digits = _DIGITS.get(row["metric"], 2)
    spread = "" if math.isnan(row["half_width"]) else f" ± {row['half_width']:.{digits}f}"
    verdict = {True: " ✓", False: " ✗"}.get(row["inside"], "")
    return (
        f"{row['printed']:.{digits}f} → {row['mean']:.{digits}f}{spread} "
        f"({row['difference']:+.{digits}f}){verdict}"
    )

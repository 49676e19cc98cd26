"""The paper's tables in its own layout, each number beside a run's."""

from __future__ import annotations

import math

import pandas as pd

from analysis.setting import SETTING
from analysis.tables import Table
from analysis.treatments import setting_value, with_warmups
from lbray.spec import Cell

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
_SHOWN = "Printed → this run's mean ± half-width of its 95% t-interval (difference)."
_WELCH = (
    "✓: Welch's 95% interval of the difference, by the printed standard deviation of five runs, "
    "contains 0, ✗: it does not; neither, where the run has no interval."
)
_WITHOUT_SD = (
    "✓: the printed number lies in the interval, ✗: it does not; neither, where there is none. No "
    "standard deviation is printed, so two times five runs of the same get ✗ in 12% of cases."
)


def paper_tables(beside: pd.DataFrame) -> list[Table]:
    """Tables 2 to 5, as far as the run has them.

    Tables 2 and 3 have a row per loss and λ, and two columns per dataset; 4 and 5 a row per dataset
    and metric, and a column per loss. A loss with several warm-ups is one loss for each.

    Args:
        beside: from `analysis.beside_paper`.
    """
    if beside.empty:
        return []
    protocol = [name for name in SETTING if name not in {"dataset", "backbone"}]
    varying = [name for name in protocol if beside[name].nunique(dropna=False) > 1]
    made = []
    for _, runs in beside.groupby(protocol, dropna=False, sort=False):
        first = runs.iloc[0]
        suffix = "".join(f", {name}={setting_value(first[name])}" for name in varying)
        for number, table in with_warmups(runs, "loss").groupby("table"):
            layout = _by_loss if number in (2, 3) else _by_dataset
            header, rows = layout(table)
            verdict = _WITHOUT_SD if table["printed_sd"].isna().all() else _WELCH
            notes = [_SHOWN, verdict, _protocol(first)]
            made.append(Table(_TITLES[int(str(number))] + suffix, header, rows, notes))
    return made


def _protocol(run: pd.Series) -> str:
    """In what a run's setting is not what an experiment has where it says nothing."""
    defaults = {name: Cell.model_fields[name].default for name in SETTING}
    others = [
        f"{name}={setting_value(run[name])}"
        for name, default in defaults.items()
        if name not in {"dataset", "backbone"}
        and setting_value(run[name]) != setting_value(default)
    ]
    if not others:
        return "This run has the default protocol."
    return f"This run has the default protocol but for {', '.join(others)}."


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

"""The summary as tables for people: text, Markdown, LaTeX and CSV."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from tabulate import tabulate

from analysis.setting import SETTING, TREATMENT


@dataclass(frozen=True)
class Column:
    """How a metric is shown.

    Attributes:
        title: the column's heading.
        scale: what the value is multiplied by: 100 shows a fraction in percent.
        digits: after the decimal point.
    """

    title: str
    scale: float
    digits: int


COLUMNS = {
    "val/acc": Column("validation acc. %", 100, 2),
    "test/acc": Column("test acc. %", 100, 2),
    "test/f1_macro": Column("macro-F1", 1, 4),
    "epochs/best": Column("best epoch", 1, 1),
    "epochs/stopped": Column("stopped epoch", 1, 1),
    "test/silhouette": Column("silhouette", 1, 3),
}


@dataclass(frozen=True)
class Table:
    """Rows of strings under a title.

    Attributes:
        title: what the table shows, in a line.
        header: one heading per column.
        rows: as many strings in each.
        notes: sentences below it.
    """

    title: str
    header: list[str]
    rows: list[list[str]]
    notes: list[str]


def tables(summary: pd.DataFrame, left_out: Mapping[str, str] | None = None) -> list[Table]:
    """Two tables per setting: the means, and the paired differences to the baseline.

    Args:
        summary: from `analysis.summarise`.
        left_out: cells that are not in the summary, and why; named below the last table.
    """
    varying = [name for name in SETTING if summary[name].nunique(dropna=False) > 1]
    named = ["dataset", "backbone", *(n for n in varying if n not in {"dataset", "backbone"})]
    made = []
    for _, group in summary.groupby(SETTING, dropna=False, sort=False):
        first = group.iloc[0]
        title = ", ".join(
            str(first[name]) if name in named[:2] else f"{name}={first[name]}" for name in named
        )
        made.append(_means(title, group))
        if group["pairs"].any():
            made.append(_differences(title, group))
    made[-1].notes.extend(f"Left out: {cell}: {why}" for cell, why in (left_out or {}).items())
    return made


def _means(title: str, group: pd.DataFrame) -> Table:
    notes = ["Mean ± half-width of the 95% t-interval over n seeds."]
    if group["chosen"].any():
        notes.append("* the loss's best λ by mean validation accuracy; test had no say in it.")
    if group["n"].min() < 2:
        notes.append("A single seed has no interval.")
    if _f1_agrees(group):
        notes.append("Micro-F1 equals test accuracy in every row, as it must for single labels.")
    rows = _rows(
        group,
        lambda row, column: _number(row["mean"], row["half_width"], column, "z"),
        lambda row: row["n"],
    )
    return Table(title, ["loss", "λ", "n", *_titles(group)], rows, notes)


def _differences(title: str, group: pd.DataFrame) -> Table:
    rows = _rows(
        group[group["pairs"] > 0],
        lambda row, column: _number(row["difference"], row["difference_half_width"], column, "+z"),
        lambda row: row["pairs"],
    )
    return Table(
        f"{title}: difference to the baseline of the same seed",
        ["loss", "λ", "pairs", *_titles(group)],
        rows,
        ["Mean of the paired differences ± half-width of their 95% t-interval."],
    )


def _titles(group: pd.DataFrame) -> list[str]:
    return [column.title for metric, column in COLUMNS.items() if metric in set(group["metric"])]


def _rows(
    group: pd.DataFrame,
    show: Callable[[pd.Series, Column], str],
    count: Callable[[pd.Series], int],
) -> list[list[str]]:
    made = []
    for part in _treatments(group):
        by_metric = {row["metric"]: row for _, row in part.iterrows()}
        first = part.iloc[0]
        cells = [show(by_metric[m], column) for m, column in COLUMNS.items() if m in by_metric]
        mark = "*" if first["chosen"] else ""
        made.append([_label(first, group), f"{first['lambda']:g}{mark}", str(count(first)), *cells])
    return made


def _treatments(group: pd.DataFrame) -> list[pd.DataFrame]:
    """One part per row of a table: the baseline first, then each loss by rising λ."""
    order = {label: place for place, label in enumerate(group["loss_label"].unique())}
    parts = [part for _, part in group.groupby(TREATMENT, sort=False)]

    def place(part: pd.DataFrame) -> tuple[bool, int, float, int]:
        first = part.iloc[0]
        label = first["loss_label"]
        return label != "baseline", order[label], first["lambda"], first["warmup_epochs"]

    return sorted(parts, key=place)


def _label(row: pd.Series, group: pd.DataFrame) -> str:
    """The loss, with its warm-up where that alone tells two rows apart."""
    alike = group[(group["loss_label"] == row["loss_label"]) & (group["lambda"] == row["lambda"])]
    several = alike["warmup_epochs"].nunique() > 1
    return f"{row['loss_label']}, warm-up {row['warmup_epochs']}" if several else row["loss_label"]


def _number(mean: float, half_width: float, column: Column, sign: str) -> str:
    if math.isnan(mean):
        return "–"
    shown = f"{mean * column.scale:{sign}.{column.digits}f}"
    if math.isnan(half_width):
        return shown
    return f"{shown} ± {half_width * column.scale:.{column.digits}f}"


def _f1_agrees(group: pd.DataFrame) -> bool:
    means = group.pivot_table(index=["loss_label", "lambda"], columns="metric", values="mean")
    if not {"test/acc", "test/f1_micro"} <= set(means):
        return False
    return bool((means["test/acc"] - means["test/f1_micro"]).abs().max() < 1e-9)


def as_text(made: list[Table]) -> str:
    """Tables for a terminal."""
    return _joined(made, lambda table: _grid(table, "simple"), "{}\n")


def as_markdown(made: list[Table]) -> str:
    """Tables for a README."""
    return _joined(made, lambda table: _grid(table, "github"), "### {}\n")


def as_latex(made: list[Table]) -> str:
    """Tables for a paper (packages booktabs; λ and ± as mathematics)."""
    blocks = []
    for table in made:
        body = _grid(table, "latex_booktabs")
        notes = " ".join(table.notes)
        text = f"% {table.title}\n{body}\n% {notes}\n"
        for sign, command in {"λ": r"$\lambda$", "±": r"$\pm$", "–": "--"}.items():
            text = text.replace(sign, command)
        blocks.append(text)
    return "\n".join(blocks)


def write(out: Path, made: list[Table], frame: pd.DataFrame, summary: pd.DataFrame) -> list[Path]:
    """Write all forms of the tables into a folder, and the frames under them as CSV."""
    out.mkdir(parents=True, exist_ok=True)
    texts = {
        "tables.txt": as_text(made),
        "tables.md": as_markdown(made),
        "tables.tex": as_latex(made),
        "summary.csv": summary.to_csv(index=False),
        "cells.csv": frame.to_csv(index=False),
    }
    for name, text in texts.items():
        (out / name).write_text(text, encoding="utf-8")
    return [out / name for name in texts]


def _joined(made: list[Table], body: Callable[[Table], str], heading: str) -> str:
    blocks = [
        "\n".join([heading.format(table.title), body(table), "", *table.notes]) for table in made
    ]
    return "\n\n".join(blocks) + "\n"


def _grid(table: Table, style: str) -> str:
    alignment = ["left", *["right"] * (len(table.header) - 1)]
    return tabulate(
        table.rows, table.header, tablefmt=style, colalign=alignment, disable_numparse=True
    )

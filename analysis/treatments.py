"""Settings and treatments of a frame's cells, with names for people."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from analysis.setting import SETTING, TREATMENT


def settings(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each setting's name and its rows: dataset, backbone, and what else varies.

    Args:
        frame: of cells, or a summary of them.
    """
    varying = [name for name in SETTING if frame[name].nunique(dropna=False) > 1]
    others = [name for name in varying if name not in {"dataset", "backbone"}]
    for _, rows in frame.groupby(SETTING, dropna=False, sort=False):
        first = rows.iloc[0]
        named = [f"{name}={setting_value(first[name])}" for name in others]
        yield ", ".join([first["dataset"], first["backbone"], *named]), rows


def treatments(frame: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Each treatment's name and its rows, of one setting: the baseline, then losses by rising λ."""
    order = {label: place for place, label in enumerate(frame["loss_label"].unique())}
    parts = [rows for _, rows in frame.groupby(TREATMENT, sort=False)]

    def place(rows: pd.DataFrame) -> tuple[bool, int, float, int]:
        first = rows.iloc[0]
        label = first["loss_label"]
        return label != "baseline", order[label], first["lambda"], first["warmup_epochs"]

    for rows in sorted(parts, key=place):
        yield treatment_name(rows.iloc[0], frame), rows


def untouched(frame: pd.DataFrame) -> list[str]:
    """A sentence for each treatment some of whose cells were best before their loss had acted: in
    the warm-up, or before a schedule raised λ. Their weights are a baseline's.

    Args:
        frame: of cells.
    """
    if "lambda/best" not in frame:
        return []
    return [
        f"{name} ({setting}): of {len(rows)} cells, {count} had their best epoch before the loss "
        "acted; their weights are those of a baseline."
        for setting, cells in settings(frame)
        for name, rows in treatments(cells)
        if (count := int((rows["lambda/best"].eq(0) & rows["lambda"].gt(0)).sum()))
    ]


def treatment_name(row: pd.Series, frame: pd.DataFrame) -> str:
    """The loss with its λ, and its warm-up where that alone tells two treatments apart."""
    label, lam = row["loss_label"], row["lambda"]
    if label == "baseline":
        return "baseline"
    alike = frame[(frame["loss_label"] == label) & (frame["lambda"] == lam)]
    several = alike["warmup_epochs"].nunique() > 1
    warmup = f", warm-up {row['warmup_epochs']}" if several else ""
    return f"{label}, λ = {lam:g}{warmup}"


def with_warmups(rows: pd.DataFrame, loss: str = "loss_label") -> pd.DataFrame:
    """The rows, each loss that was tried with several warm-ups named with its own.

    Args:
        rows: of cells, or a summary of them.
        loss: the column of names.
    """
    several = rows.groupby(loss)["warmup_epochs"].transform("nunique") > 1
    named = rows[loss] + ", warm-up " + rows["warmup_epochs"].astype(str)
    return rows.assign(**{loss: rows[loss].where(~several, named)})


def setting_value(value: float | str | None) -> str:
    """A setting's value as it is written: a column with nulls holds whole numbers as fractions."""
    if pd.isna(value):
        return "null"
    return f"{value:.12g}" if isinstance(value, float) else str(value)

"""The summary as tables for people: text, Markdown, LaTeX and CSV."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from tabulate import tabulate

from analysis.across import ENOUGH_RUNS, FEWEST_DATASETS, FEWEST_RUNS
from analysis.convergence import EPOCHS
from analysis.loss_names import shared_settings, with_short_names
from analysis.setting import TREATMENT, of_setting
from analysis.significance import EXACT
from analysis.summary import OF_PAIRS, SIGNIFICANT
from analysis.treatments import settings, treatment_name, treatments

_LATEX = {
    "λ": r"$\lambda$",
    "±": r"$\pm$",
    "–": "--",
    "→": r"$\to$",
    "✓": r"$\checkmark$",
    "✗": r"$\times$",
}
_INTERVALS = "Mean ± half-width of the 95% t-interval over n seeds."
_NAME_WIDTH = 34
_SINGLE = "A single seed has no interval."
_SINGLE_PAIR = "A single pair has no interval."
_EQUAL = "Values that are all equal show no spread, and have no interval."
_NO_INTERVAL = (
    "Epochs to baseline has no t-interval, which cannot count cells that never got there."
)


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
    "epochs/to_baseline": Column("epochs to baseline", 1, 1),
    "epochs/stopped": Column("stopped epoch", 1, 1),
    "test/silhouette": Column("silhouette", 1, 3),
}
"""What the first table of a setting shows, and the differences."""

STRUCTURE = {
    "test/silhouette_macro": Column("macro silhouette", 1, 3),
    "test/davies_bouldin": Column("Davies-Bouldin", 1, 2),
    "test/margin_smallest": Column("smallest margin", 1, 2),
    "test/knn_acc": Column("k-NN acc. %", 100, 2),
    "test/recall@1": Column("recall@1 %", 100, 2),
    "test/probe_acc": Column("probe acc. %", 100, 2),
    "test/nc1": Column("NC1", 1, 3),
    "test/nc4": Column("NC4 %", 100, 2),
    "test/components_95": Column("components", 1, 1),
    "cka/seeds": Column("CKA seeds", 1, 3),
}
"""What the table of the latent space's structure shows."""

TRUST = {
    "test/ece": Column("ECE %", 100, 2),
    "test/brier": Column("Brier", 1, 3),
    "test/nll": Column("NLL", 1, 3),
    "ood/energy_auroc": Column("OOD energy", 1, 3),
    "ood/mahalanobis_auroc": Column("OOD Mahalanobis", 1, 3),
    "ood/knn_auroc": Column("OOD k-NN", 1, 3),
    "shuffled/energy_auroc": Column("shuffled energy", 1, 3),
    "shuffled/knn_auroc": Column("shuffled k-NN", 1, 3),
    "corrupted/acc": Column("corrupted acc. %", 100, 2),
}
"""What the table of calibration and robustness shows."""


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


def tables(
    summary: pd.DataFrame,
    left_out: Mapping[str, str] | None = None,
    choices: pd.DataFrame | None = None,
    comparison: pd.DataFrame | None = None,
    caveats: Sequence[str] = (),
) -> list[Table]:
    """Per setting: means, structure, calibration and robustness, paired differences, and what the
    chosen λ are worth; then all settings together. Losses have their `short_names`, and what these
    leave out is a note below the first table.

    Args:
        summary: from `analysis.summarise`.
        left_out: cells that are not in the summary, and why; named below the last table.
        choices: from `analysis.choices`.
        comparison: from `analysis.compare`.
        caveats: more notes below the first table.
    """
    labels = summary["loss_label"].unique()
    summary = with_short_names(summary, labels)
    made = []
    for title, group in settings(summary):
        made.append(_means(title, group))
        if group["metric"].isin(STRUCTURE).any():
            made.append(_measures(f"{title}: structure of the latents", group, STRUCTURE))
        if group["metric"].isin(TRUST).any():
            made.append(_measures(f"{title}: calibration and robustness", group, TRUST))
        if group["pairs"].any():
            made.append(_differences(title, group))
        if choices is not None and len(choices):
            own = of_setting(with_short_names(choices, labels), group.iloc[0])
            if len(own) and own["naive"].notna().any():
                made.append(_choices(title, own))
    if comparison is not None and len(comparison):
        made.append(_comparison(with_short_names(comparison, labels)))
    made[0].notes.extend([*shared_settings(labels), *caveats])
    made[-1].notes.extend(f"Left out: {cell}: {why}" for cell, why in (left_out or {}).items())
    return made


def _means(title: str, group: pd.DataFrame) -> Table:
    notes = [_INTERVALS]
    if group["chosen"].any():
        notes.append("* the loss's best λ by mean validation accuracy; test had no say in it.")
        notes += _not_eligible(group)
    notes += _without_interval(group, COLUMNS)
    if _f1_agrees(group):
        notes.append("Micro-F1 equals test accuracy in every row, as it must for single labels.")
    timed = group[group["metric"] == EPOCHS]
    if len(timed):
        notes += [_epochs_to_baseline(timed), _NO_INTERVAL]
    return _of_means(title, group, COLUMNS, notes)


def _not_eligible(group: pd.DataFrame) -> list[str]:
    """A sentence on the λ that have fewer seeds than another of their loss."""
    seeds = group[group["metric"] == "val/acc"]
    fewer = seeds[seeds["n"] < seeds.groupby("loss_label")["n"].transform("max")]
    names = [f"{treatment_name(row, group)} (n = {row['n']})" for _, row in fewer.iterrows()]
    return [f"Could not be chosen, as others have more seeds: {'; '.join(names)}."] if names else []


def _epochs_to_baseline(timed: pd.DataFrame) -> str:
    """What that column is, and why its cells that never got there stopped."""
    censored, exhausted = int(timed["censored"].sum()), int(timed["exhausted"].sum())
    said = (
        "Epochs to baseline: the first to reach the best validation accuracy of the baseline of "
        "the same seed"
    )
    if not censored:
        return f"{said}; every cell did."
    horizon = timed["horizon"].iloc[0]
    until = "" if math.isnan(horizon) else f" to the first {horizon:g} epochs"
    return (
        f"{said}; in brackets how many cells never did. These are censored: the mean is restricted "
        f"(Kaplan-Meier){until}, not averaged over the others. Of these {censored}, "
        f"{censored - exhausted} stopped early, as they no longer improved, which flatters the "
        f"mean, and {exhausted} with max_epochs ({timed['max_epochs'].iloc[0]})."
    )


def _measures(title: str, group: pd.DataFrame, columns: Mapping[str, Column]) -> Table:
    notes = [_INTERVALS, *_without_interval(group, columns)]
    shared = group[group["metric"].isin(columns) & group["metric"].isin(OF_PAIRS)]
    if shared["n"].eq(2).any():
        notes.append("CKA seeds has no interval from two seeds, which are one pair.")
    return _of_means(title, group, columns, notes)


def _without_interval(
    group: pd.DataFrame,
    columns: Mapping[str, Column],
    half_width: str = "half_width",
    count: str = "n",
    single: str = _SINGLE,
) -> list[str]:
    """Why some of a table's means have none."""
    shown = group[group["metric"].isin(columns) & group[half_width].isna()]
    equal = ~shown["metric"].isin([EPOCHS, *OF_PAIRS]) & shown[count].gt(1)
    return [single] * bool(shown[count].eq(1).any()) + [_EQUAL] * bool(equal.any())


def _of_means(
    title: str, group: pd.DataFrame, columns: Mapping[str, Column], notes: list[str]
) -> Table:
    rows = _rows(
        group,
        columns,
        lambda row, column: _with_censored(
            row, _number(row["mean"], row["half_width"], column, "z")
        ),
        "n",
    )
    return Table(
        title, ["loss", "λ", "n", *_titles(group, columns)], rows, notes + _of_fewer(rows, "n")
    )


def _of_fewer(rows: list[list[str]], count: str) -> list[str]:
    """What is said below a table in which some numbers are of fewer seeds than their row."""
    if not any(f"({count} = " in cell for row in rows for cell in row):
        return []
    return [f"({count} = …): of so many seeds alone; for the others it is not defined."]


def _differences(title: str, group: pd.DataFrame) -> Table:
    paired = group[group["pairs"] > 0]
    rows = _rows(
        paired,
        COLUMNS,
        lambda row, column: _number(row["difference"], row["difference_half_width"], column, "+z"),
        "pairs",
    )
    notes = ["Mean of the paired differences ± half-width of their 95% t-interval."]
    notes += _of_fewer(rows, "pairs")
    accuracy = paired[paired["metric"] == "test/acc"]
    tested = {
        (row["loss_label"], row["lambda"], row["warmup_epochs"]): [
            _plain(row["g"], "+.2f"),
            _plain(row["p"], ".4f"),
            _plain(row["p_holm"], ".4f"),
        ]
        for _, row in accuracy.iterrows()
    }
    keys = [tuple(part.iloc[0][TREATMENT]) for _, part in treatments(paired)]
    rows = [[*row, *tested.get(key, ["–"] * 3)] for row, key in zip(rows, keys, strict=True)]
    notes += _what_n_carries(accuracy)
    notes += _without_interval(paired, COLUMNS, "difference_half_width", "pairs", _SINGLE_PAIR)
    if accuracy["g"].isna().any():
        notes.append(
            "g is undefined (–) below three pairs, and where all of a row's differences are equal."
        )
    if paired["metric"].eq(EPOCHS).any():
        notes.append(_NO_INTERVAL)
    return Table(
        f"{title}: difference to the baseline of the same seed",
        ["loss", "λ", "pairs", *_titles(paired, COLUMNS), "g", "p", "p Holm"],
        rows,
        notes,
    )


def _what_n_carries(accuracy: pd.DataFrame) -> list[str]:
    """What the tests of a table are, and whether so few pairs could ever pass one."""
    family, pairs = len(accuracy), int(accuracy["pairs"].max()) if len(accuracy) else 0
    if not pairs:
        return []
    reachable = float(accuracy["smallest_p"].min())
    notes = [
        "g: Hedges' g of the differences in test accuracy, in units of their own spread (d_z). "
        f"p: two-sided sign-flip, exact up to {EXACT} pairs; Holm: adjusted for the family of this "
        f"table's {family} difference{'s' if family > 1 else ''}."
    ]
    if reachable > SIGNIFICANT:
        notes.append(
            f"With n = {pairs} no p is below {reachable:g}: nothing here can be called "
            f"significant at {SIGNIFICANT:g}, however large it is."
        )
    elif reachable * family > SIGNIFICANT:
        notes.append(
            f"With n = {pairs} no p is below {reachable:g}, which times {family} is above "
            f"{SIGNIFICANT:g}: no single difference of this family can survive Holm."
        )
    return notes


def _choices(title: str, own: pd.DataFrame) -> Table:
    column = Column("", 100, 2)
    rows = [
        [
            row["loss_label"],
            f"{row['lambda']:g}",
            str(row["candidates"]),
            str(row["n"]),
            _number(row["naive"], row["naive_half_width"], column, "+z"),
            _number(row["nested"], row["nested_half_width"], column, "+z"),
        ]
        for _, row in own.iterrows()
    ]
    return Table(
        f"{title}: what the chosen λ is worth",
        ["loss", "λ", "tried", "n", "test acc. % (naive)", "test acc. % (nested)"],
        rows,
        [
            "Difference in test accuracy to the baseline of the same seed. Naive: λ chosen by all "
            "seeds' validation. Nested: each seed judged by the λ that the other seeds chose."
        ],
    )


def _comparison(comparison: pd.DataFrame) -> Table:
    rows = [
        [
            row["loss_label"],
            str(row["settings"]),
            str(row["runs"]),
            _range(row["iqm"], row["iqm_low"], row["iqm_high"], 100, 2),
            _range(row["improves"], row["improves_low"], row["improves_high"], 1, 2),
        ]
        for _, row in comparison.iterrows()
    ]
    first = comparison.iloc[0]
    each, unused = first["runs"] // first["settings"], int(comparison["unused"].sum())
    notes = [
        "IQM: interquartile mean of test accuracy over all runs. P(improves): the probability "
        "that a run beats the baseline's on the same setting. λ as each setting's validation chose "
        f"it; of each setting {each} seed{'s' if each > 1 else ''} that all losses have"
        + (f", so that {unused} other runs are left out." if unused else "."),
        _bootstrap(each),
    ]
    if first["datasets"] < FEWEST_DATASETS:
        notes.append(
            f"No critical-difference diagram: {first['datasets']} datasets, and mean ranks over "
            f"fewer than {FEWEST_DATASETS} cannot tell methods apart."
        )
    return Table(
        "All settings together",
        ["loss", "settings", "runs", "IQM of test acc. %", "P(improves)"],
        rows,
        notes,
    )


def _bootstrap(each: int) -> str:
    """What the brackets are, for so many runs per setting."""
    if each < FEWEST_RUNS:
        return f"There are no intervals below {FEWEST_RUNS} runs per setting."
    narrow = f", too narrow below {ENOUGH_RUNS} runs per setting" if each < ENOUGH_RUNS else ""
    return f"In brackets 95% intervals by a bootstrap stratified by setting{narrow}."


def _range(value: float, low: float, high: float, scale: float, digits: int) -> str:
    if math.isnan(value):
        return "–"
    if math.isnan(low):
        return f"{value * scale:.{digits}f}"
    return f"{value * scale:.{digits}f} [{low * scale:.{digits}f}, {high * scale:.{digits}f}]"


def _plain(value: float, form: str) -> str:
    return "–" if math.isnan(value) else format(value, form)


def _with_censored(row: pd.Series, mean: str) -> str:
    """A mean, with to how many cells it had not happened."""
    if not row["censored"]:
        return mean
    at_least = "> " if row["censored"] == row["n"] else ""
    return f"{at_least}{mean} ({row['censored']} of {row['n']} not)"


def _titles(group: pd.DataFrame, columns: Mapping[str, Column]) -> list[str]:
    return [column.title for metric, column in columns.items() if metric in set(group["metric"])]


def _rows(
    group: pd.DataFrame,
    columns: Mapping[str, Column],
    show: Callable[[pd.Series, Column], str],
    count: str,
) -> list[list[str]]:
    """A row per treatment; `count` is the column of how many values a number is of, which is said
    once per row, and again where a number is of others."""

    def of_others(row: pd.Series, usual: int) -> str:
        return f" ({count} = {row[count]})" if 0 < row[count] != usual else ""

    shown = {metric: column for metric, column in columns.items() if metric in set(group["metric"])}
    made = []
    for _, part in treatments(group):
        by_metric = {row["metric"]: row for _, row in part.iterrows()}
        first = part.iloc[0]
        cells = [
            show(by_metric[metric], column) + of_others(by_metric[metric], first[count])
            if metric in by_metric
            else "–"
            for metric, column in shown.items()
        ]
        mark = "*" if first["chosen"] else ""
        made.append([_label(first, group), f"{first['lambda']:g}{mark}", str(first[count]), *cells])
    return made


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
    """Tables for a terminal; long names take several lines."""
    return _joined(made, lambda table: _grid(table, "simple", _NAME_WIDTH), "{}\n")


def as_markdown(made: list[Table]) -> str:
    """Tables for a README."""
    return _joined(made, lambda table: _grid(table, "github"), "### {}\n")


def as_latex(made: list[Table]) -> str:
    """Tables for a paper (packages booktabs and amssymb; signs as mathematics)."""
    blocks = []
    for table in made:
        body = _grid(table, "latex_booktabs")
        notes = " ".join(table.notes)
        text = f"% {table.title}\n{body}\n% {notes}\n"
        for sign, command in _LATEX.items():
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


def _grid(table: Table, style: str, name_width: int | None = None) -> str:
    alignment = ["left", *["right"] * (len(table.header) - 1)]
    return tabulate(
        table.rows,
        table.header,
        tablefmt=style,
        colalign=alignment,
        disable_numparse=True,
        maxcolwidths=[name_width, *[None] * (len(table.header) - 1)],
    )

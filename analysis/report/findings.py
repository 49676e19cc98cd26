"""What the summary says, in plain sentences."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from analysis.report.page import Findings
from analysis.treatments import settings, treatment_name, untouched

_METRICS = {
    "test/acc": ("test accuracy", 100.0, 2, " points"),
    "test/silhouette": ("silhouette", 1.0, 3, ""),
}


def findings(
    frame: pd.DataFrame,
    summary: pd.DataFrame,
    left_out: Mapping[str, str],
    shared: Sequence[str] = (),
) -> Findings:
    """Sentences for the head of the report, and the caveats that belong to them.

    Args:
        frame: the cells.
        summary: of the frame.
        left_out: cells that are not in the frame, and why.
        shared: sentences on what the names of losses leave out.
    """
    sentences, several = [], len(list(settings(summary))) > 1
    for setting, rows in settings(summary):
        sentences.append(_size(setting, frame, rows))
        sentences.extend(_baseline(rows))
        for label in rows.loc[rows["chosen"], "loss_label"].unique():
            sentences.append(_chosen(rows[(rows["loss_label"] == label) & rows["chosen"]], rows))
        sentences.extend(_over_all(rows, setting if several else ""))
    return Findings((*sentences, *shared), tuple(_caveats(frame, summary, left_out)))


def _size(setting: str, frame: pd.DataFrame, rows: pd.DataFrame) -> str:
    own = next(cells for name, cells in settings(frame) if name == setting)
    treatments = own.groupby(["loss_label", "lambda", "warmup_epochs"]).ngroups
    seeds = own["seed"].nunique()
    return (
        f"{setting}: {_count(len(own), 'finished cell')} of {_count(treatments, 'treatment')} "
        f"and {_count(seeds, 'seed')}."
    )


def _baseline(rows: pd.DataFrame) -> Iterator[str]:
    own = _by_metric(rows[rows["loss_label"] == "baseline"])
    parts = [
        f"{name} {_level(own[metric], scale, digits)}"
        for metric, (name, scale, digits, _) in _METRICS.items()
        if metric in own
    ]
    if parts:
        yield f"Cross-entropy alone, the baseline, has {' and '.join(parts)}."


def _chosen(own: pd.DataFrame, rows: pd.DataFrame) -> str:
    """One loss at the λ that validation chose, against the baseline."""
    by_metric = _by_metric(own)
    said = []
    for metric, (name, scale, digits, unit) in _METRICS.items():
        if metric in by_metric and by_metric[metric]["pairs"] > 0:
            row = by_metric[metric]
            value = _difference(row, scale, digits)
            said.append(f"{name} {value}{unit}, {_verdict(row)}")
    name = treatment_name(own.iloc[0], rows)
    if not said:
        return f"{name} was chosen on validation; there is no baseline of the same seed to compare."
    return (
        f"{name}, chosen on validation, against the baseline of the same seed: {'; '.join(said)}."
    )


def _verdict(row: pd.Series) -> str:
    width = row["difference_half_width"]
    if row["survives"]:
        return "which survives Holm's correction"
    if math.isnan(width):
        if row["pairs"] == 1:
            return "from one seed, which has no interval"
        return "all equal, which gives no interval"
    if abs(row["difference"]) > width:
        return "an interval without 0, but no result that survives Holm's correction"
    return "an interval that contains 0: these seeds do not tell its sign"


def _over_all(rows: pd.DataFrame, setting: str) -> Iterator[str]:
    for metric, (name, *_) in _METRICS.items():
        own = rows[(rows["metric"] == metric) & (rows["pairs"] > 1)]
        if own.empty:
            continue
        apart = own["difference"].abs() > own["difference_half_width"]
        higher = int((apart & (own["difference"] > 0)).sum())
        lower = int((apart & (own["difference"] < 0)).sum())
        where = f" ({setting})" if setting else ""
        yield (
            f"Of {_count(len(own), 'treatment')}{where}, {higher} {_have(higher)} a higher {name} "
            f"than the baseline and {lower} a lower one by their own 95% intervals; "
            f"{int(own['survives'].sum())} survive Holm's correction for looking at all of them."
        )


def _caveats(
    frame: pd.DataFrame, summary: pd.DataFrame, left_out: Mapping[str, str]
) -> Iterator[str]:
    compared = summary[summary["pairs"] > 0]
    yield from untouched(frame)
    if left_out:
        yield (
            f"{_count(len(left_out), 'cell')} of the experiment {_are(len(left_out))} missing, "
            "failed or damaged, and named below the tables; nothing here speaks of them."
        )
    if len(compared):
        fewest = int(compared["pairs"].min())
        if fewest < 2:
            yield "A treatment with one seed has no interval, and its difference may be chance."
        else:
            smallest = compared["smallest_p"].dropna().max()
            yield (
                f"With {_count(fewest, 'seed')}, the smallest p that a two-sided sign-flip test "
                f"can give is {smallest:.3g}, before any correction: what does not survive may "
                "still be there, and more seeds would tell."
            )
    if compared["chosen"].any():
        yield (
            "λ was chosen by mean validation accuracy; test images had no say. That the seeds "
            "which chose it are also those that judge it still flatters it a little."
        )
    if frame["train_size"].notna().any() or frame["test_size"].notna().any():
        yield "Training or test images are a stratified part of the dataset, not all of it."
    yield (
        "Maps are pictures. Silhouettes, distances and every other number are computed in the "
        "latents' full dimension. Each cell keeps the weights of its best validation epoch alone: "
        "to see one at several epochs, make max_epochs an axis of the experiment."
    )


def _by_metric(rows: pd.DataFrame) -> dict[str, pd.Series]:
    return {row["metric"]: row for _, row in rows.iterrows()}


def _level(row: pd.Series, scale: float, digits: int) -> str:
    shown = f"{scale * row['mean']:.{digits}f}{'%' if scale == 100 else ''}"
    if not math.isnan(row["half_width"]):
        shown += f" ± {scale * row['half_width']:.{digits}f}"
    return f"{shown} (n = {row['n']})".replace("-", "−")


def _difference(row: pd.Series, scale: float, digits: int) -> str:
    shown = f"{scale * row['difference']:+.{digits}f}"
    if not math.isnan(row["difference_half_width"]):
        shown += f" ± {scale * row['difference_half_width']:.{digits}f}"
    return f"{shown} (n = {row['pairs']})".replace("-", "−")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _have(number: int) -> str:
    return "has" if number == 1 else "have"


def _are(number: int) -> str:
    return "is" if number == 1 else "are"

"""What each loss × λ reached: means over seeds, and paired differences to the baseline."""

from __future__ import annotations

import math
from collections.abc import Hashable

import pandas as pd

from analysis.convergence import EPOCHS, REACHED
from analysis.selection import chosen_treatments
from analysis.setting import SETTING, TREATMENT
from analysis.significance import hedges_g, holm, sign_flip_p, smallest_p
from analysis.statistics import Interval, mean_interval, shared_pairs_interval
from analysis.survival import known_until, restricted_mean

METRICS = (
    "val/acc",
    "test/acc",
    "test/f1_micro",
    "test/f1_macro",
    "epochs/best",
    "epochs/stopped",
    "test/silhouette",
    "test/silhouette_macro",
    "test/calinski_harabasz",
    "test/davies_bouldin",
    "test/margin_smallest",
    "test/margin_mean",
    "test/knn_acc",
    "test/recall@1",
    "test/recall@10",
    "test/probe_acc",
    "test/nc1",
    "test/nc2_norms",
    "test/nc2_angles",
    "test/nc2_largest",
    "test/nc3",
    "test/nc4",
    "test/components_95",
    "test/participation_ratio",
    "test/ece",
    "test/brier",
    "test/nll",
    *(
        f"{kind}/{score}_{measure}"
        for kind in ("ood", "shuffled")
        for score in ("energy", "mahalanobis", "knn")
        for measure in ("auroc", "fpr95")
    ),
    "corrupted/acc",
    *(f"corrupted/{kind}_acc" for kind in ("noise", "blur", "contrast", "brightness")),
    "cka/baseline",
    "cka/seeds",
)
"""What is summarised by means, where the frame has it."""

OF_PAIRS = ("cka/seeds",)
"""Whose values are not independent, as each pair of seeds counts in both: they have an interval,
but no test."""

SIGNIFICANT = 0.05


def summarise(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per setting, loss, λ and metric.

    Args:
        frame: from `analysis.load`, with or without the columns of `with_structure`,
            `with_similarity` and `with_epochs_to_baseline`.

    Returns:
        Columns: the setting, `TREATMENT`, `metric`, `n`, `mean`, `half_width` (of the 95%
        t-interval over seeds), `pairs`, `difference` and `difference_half_width` (of the paired
        differences to the baseline of the same setting and seed; NaN for the baseline itself),
        `g` (Hedges' g of these), `p` (`sign_flip_p`), `smallest_p` (that so many pairs
        allow), `p_holm` (`p` adjusted for the family: all differences of one metric in one
        setting), `survives` (`p_holm` is at most 0.05), `censored`,
        `exhausted`, `horizon`, and `chosen`: whether it is the loss's λ by `chosen_treatments`.

        For ``epochs/to_baseline`` the mean is the restricted mean up to `horizon`, the last epoch
        to which each of the setting's treatments is known (`known_until`), `difference` is that of
        two such means (NaN where no cell got there, as such a mean is only a lower bound),
        `censored` counts the cells that never got there, `exhausted` those of them that had trained
        for `max_epochs` (the others stopped before), and what would need an interval is NaN.
        `horizon` is NaN where all treatments are known to the end: without censored cells the means
        are plain. Of other metrics both counts are 0 and `horizon` is NaN.
    """
    rows: list[dict[str, object]] = []
    for setting, cells in frame.groupby(SETTING, dropna=False, sort=False):
        baseline = cells[cells["loss"] == "baseline"].set_index("seed")
        chosen = set(chosen_treatments(cells).values())
        horizon = _horizon(cells) if EPOCHS in frame else math.nan
        made = []
        for treatment, group in cells.groupby(TREATMENT, sort=False):
            known = {
                **dict(zip(SETTING, setting, strict=True)),
                **dict(zip(TREATMENT, treatment, strict=True)),
                "chosen": treatment in chosen,
            }
            for metric in METRICS:
                if metric in frame:
                    compared = _compared(group.set_index("seed"), baseline, metric, treatment[0])
                    made.append(known | compared)
            if EPOCHS in frame and group[EPOCHS].notna().any():
                made.append(known | _epochs_to_baseline(group, baseline, horizon))
        rows += _with_holm(made)
    return pd.DataFrame(rows)


def _compared(
    group: pd.DataFrame, baseline: pd.DataFrame, metric: str, loss_label: Hashable
) -> dict[str, object]:
    values = group[metric].astype(float)
    differences = values * math.nan
    if loss_label != "baseline":
        differences = values - baseline[metric].astype(float)
    present = differences.dropna()
    shared = metric in OF_PAIRS
    interval = shared_pairs_interval if shared else mean_interval
    spread, difference = interval(values), interval(present)
    return {
        "metric": metric,
        **_means(spread, difference),
        "g": math.nan if shared else hedges_g(present),
        "p": math.nan if shared else sign_flip_p(present),
        "smallest_p": math.nan if shared or present.empty else smallest_p(len(present)),
        "censored": 0,
        "exhausted": 0,
        "horizon": math.nan,
    }


def _means(spread: Interval, difference: Interval) -> dict[str, object]:
    return {
        "n": spread.n,
        "mean": spread.mean,
        "half_width": spread.half_width,
        "pairs": difference.n,
        "difference": difference.mean,
        "difference_half_width": difference.half_width,
    }


def _horizon(cells: pd.DataFrame) -> float:
    """The epoch up to which all treatments of a setting are known; NaN if that is to the end."""
    watched = cells[cells[EPOCHS].notna()]
    known = [
        known_until(group[EPOCHS], group[REACHED] == 1) for _, group in watched.groupby(TREATMENT)
    ]
    horizon = min(known, default=math.inf)
    return horizon if math.isfinite(horizon) else math.nan


def _epochs_to_baseline(
    group: pd.DataFrame, baseline: pd.DataFrame, horizon: float
) -> dict[str, object]:
    """The row of a metric that has no plain mean, because some cells never got there."""
    present = group[group[EPOCHS].notna()]
    censored = present[present[REACHED] == 0]

    def mean(of: pd.DataFrame) -> float:
        until = of[EPOCHS].max() if math.isnan(horizon) else horizon
        return restricted_mean(of[EPOCHS], of[REACHED] == 1, until)

    own = mean(present)
    paired = baseline[baseline.index.isin(present["seed"]) & baseline[EPOCHS].notna()]
    is_baseline = bool((group["loss"] == "baseline").all())
    beyond = len(censored) == len(present)
    difference = math.nan if is_baseline or beyond else own - mean(paired)
    return {
        "metric": EPOCHS,
        **_means(
            Interval(len(present), own, math.nan),
            Interval(0 if is_baseline else len(paired), difference, math.nan),
        ),
        "g": math.nan,
        "p": math.nan,
        "smallest_p": math.nan,
        "censored": len(censored),
        "exhausted": int((censored["epochs/stopped"] >= censored["max_epochs"]).sum()),
        "horizon": horizon,
    }


def _with_holm(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """The rows of one setting, each metric's differences as one family."""
    table = pd.DataFrame(rows)
    adjusted = table.groupby("metric")["p"].transform(lambda ps: holm(ps.to_numpy()))
    return [
        row | {"p_holm": p, "survives": bool(p <= SIGNIFICANT)}
        for row, p in zip(rows, adjusted, strict=True)
    ]

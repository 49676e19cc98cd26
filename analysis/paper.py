"""The tables of *Latent Boost* beside a run of the same cells.

`paper_tables/` holds Tables 2 to 5 as they are printed in Geißler, Zhou, Liu and Lukowicz,
"Enhancing Interpretability Through Loss-Defined Classification Objective in Structured Latent
Spaces": accuracy in percent, F1 as a fraction, a mean and a standard deviation of five runs.
"""

from __future__ import annotations

import math
from importlib.resources import files

import pandas as pd
from scipy.stats import t

from analysis.setting import SETTING
from lbray.spec.cell import PAPER_BACKBONES

LOSSES = {
    "baseline": "baseline",
    "contrast": "contrastive",
    "triplet": "triplet",
    "npair": "n_pair",
    "magnet": "magnet",
    "latent_boost_no_pca": "latent_boost(pca_threshold=null)",
    "latent_boost": "latent_boost",
}
"""The paper's names of the losses, and the labels that cells have for them."""

_RUNS = 5
"""Of which the paper says that its means and standard deviations are."""

_OF = {  # a metric of the run, and what it is multiplied by to be in the table's unit
    "accuracy": [("test/acc", 100.0)],
    "f1": [("test/f1_micro", 1.0)],
    # the paper does not say whether the patience is counted, so both are shown
    "epochs": [("epochs/best", 1.0), ("epochs/stopped", 1.0)],
    "silhouette": [("test/silhouette", 1.0)],
}

_BEST_LAMBDA = {"fashion_mnist": 0.75, "cifar10": 0.75, "cifar100": 0.5}
"""λ of Tables 4 and 5 (§5.2 of the paper), but for the baseline."""


def printed() -> pd.DataFrame:
    """The numbers of Tables 2 to 5.

    Returns:
        A row per number: `table` (2 to 5), `dataset`, `loss` (the paper's name), `lambda`,
        `quantity` (accuracy, f1, epochs or silhouette), `printed` and `printed_sd` (NaN in
        Table 5).
    """
    rows = []
    for number, name in ((2, "table2_losses"), (3, "table3_lambda")):
        for _, row in _read(name).iterrows():
            for quantity in ("accuracy", "f1"):
                at = row["dataset"], row["loss"], float(row["lambda"])
                rows.append(
                    (number, *at, quantity, row[f"{quantity}_mean"], row[f"{quantity}_std"])
                )
    for _, row in _read("table4_summary").iterrows():
        at = row["dataset"], row["variant"], _lambda(row["dataset"], row["variant"])
        rows.append((4, *at, row["metric"], row["mean"], row["std"]))
    for _, row in _read("table5_silhouette").iterrows():
        for loss in ("baseline", "magnet", "latent_boost"):
            at = row["dataset"], loss, _lambda(row["dataset"], loss)
            rows.append((5, *at, "silhouette", row[loss], math.nan))
    names = ["table", "dataset", "loss", "lambda", "quantity", "printed", "printed_sd"]
    return pd.DataFrame(rows, columns=names)


def beside_paper(summary: pd.DataFrame) -> pd.DataFrame:
    """The paper's numbers beside a run's, in the paper's order and units.

    Only settings with the paper's backbone of a dataset and all its images are compared, and of
    these the ones that have a number of one of its distance losses: a baseline alone says nothing
    of the paper. Where a dataset has the same loss and λ in several settings or with several
    warm-ups, each is.

    Args:
        summary: from `analysis.summarise`.

    Returns:
        A row per printed number that the run has, and metric: the columns of `printed`, the
        setting, `warmup_epochs`, `metric`, `n`, `mean`, `half_width` (of the 95% t-interval, in the
        printed unit), `difference` (run less printed), `difference_half_width` (of its 95%
        interval: Welch's, by the printed standard deviation of five runs; where none is printed,
        the run's own) and `inside`: whether that interval contains 0, None without one.
    """
    ours = summary[
        (summary["backbone"] == summary["dataset"].map(lambda name: PAPER_BACKBONES.get(name)))
        & summary["train_size"].isna()
        & summary["test_size"].isna()
    ]
    rows = []
    for _, number in printed().iterrows():
        for metric, scale in _OF[number["quantity"]]:
            same = ours[
                (ours["dataset"] == number["dataset"])
                & (ours["loss_label"] == LOSSES[number["loss"]])
                & ((ours["lambda"] - number["lambda"]).abs() < 1e-9)
                & (ours["metric"] == metric)
                & (ours["n"] > 0)
            ]
            for _, row in same.iterrows():
                mean, half_width = row["mean"] * scale, row["half_width"] * scale
                difference = mean - number["printed"]
                width = _welch(row["n"], half_width, number["printed_sd"])
                rows.append(
                    {
                        **{name: row[name] for name in SETTING},
                        **number,
                        "warmup_epochs": row["warmup_epochs"],
                        "metric": metric,
                        "n": row["n"],
                        "mean": mean,
                        "half_width": half_width,
                        "difference": difference,
                        "difference_half_width": width,
                        "inside": None if math.isnan(width) else bool(abs(difference) <= width),
                    }
                )
    found = pd.DataFrame(rows)
    return found if found.empty else found.groupby(SETTING, dropna=False).filter(_has_a_loss)


def _welch(n: int, half_width: float, printed_sd: float) -> float:
    """The half-width of the 95% interval of a run's mean less a printed one (Welch 1947).

    Args:
        n: the run's seeds.
        half_width: of their own 95% t-interval; NaN for none.
        printed_sd: of the paper's runs; NaN for none, whose mean is then taken as exact.
    """
    if math.isnan(half_width) or math.isnan(printed_sd):
        return half_width
    own = (half_width / t.ppf(0.975, n - 1)) ** 2
    theirs = printed_sd**2 / _RUNS
    degrees = (own + theirs) ** 2 / (own**2 / (n - 1) + theirs**2 / (_RUNS - 1))
    return float(t.ppf(0.975, degrees) * math.sqrt(own + theirs))


def _has_a_loss(setting: pd.DataFrame) -> bool:
    return bool((setting["loss"] != "baseline").any())


def _read(name: str) -> pd.DataFrame:
    with (files("analysis") / "paper_tables" / f"{name}.csv").open(encoding="utf-8") as file:
        return pd.read_csv(file)


def _lambda(dataset: str, loss: str) -> float:
    return 0.0 if loss == "baseline" else _BEST_LAMBDA[dataset]

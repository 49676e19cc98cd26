"""A run beside the paper: the right cells, units, differences and verdicts."""

from __future__ import annotations

import pandas as pd
import pytest
from scipy import stats

import analysis
from analysis.paper import LOSSES, printed
from analysis.paper_layout import paper_tables
from analysis.tables import as_text
from lbray.spec import Cell, Experiment
from lbray.store import Result, Store

ACCURACY = {"baseline": [0.884, 0.886, 0.888], "latent_boost": [0.90, 0.91, 0.92]}


@pytest.fixture
def summary(store: Store) -> pd.DataFrame:
    cells = []
    for loss, accuracies in ACCURACY.items():
        for seed, accuracy in enumerate(accuracies):
            lam = 0.0 if loss == "baseline" else 0.75
            cell = Cell.of(dataset="fashion_mnist", loss=loss, seed=seed, **{"lambda": lam})
            metrics = {
                "val/acc": accuracy,
                "test/acc": accuracy,
                "test/f1_micro": accuracy,
                "epochs/best": 20 + seed,
                "epochs/stopped": 40 + seed,
                "test/silhouette": 0.3 + seed / 100,
            }
            store.cell(cell.id).begin(cell)
            store.cell(cell.id).finish(Result(id=cell.id, status="done", metrics=metrics))
            cells.append(cell)
    store.record_experiment(Experiment(name="paper", blocks=({},)), cells)
    return analysis.summarise(analysis.load(store, "paper"))


def test_all_printed_numbers_are_there():
    numbers = printed()
    assert numbers.groupby("table").size().to_dict() == {2: 78, 3: 66, 4: 36, 5: 9}
    assert numbers.loc[numbers["table"] < 5, ["printed", "printed_sd"]].notna().all(axis=None)
    assert set(numbers["loss"]) == set(LOSSES)


def test_the_labels_are_those_of_the_papers_cells():
    for loss, label in LOSSES.items():
        name, params = loss, {}
        if loss == "latent_boost_no_pca":
            name, params = "latent_boost", {"pca_threshold": None}
        elif loss in ("contrast", "npair"):
            name = {"contrast": "contrastive", "npair": "n_pair"}[loss]
        lam = 0.0 if loss == "baseline" else 0.5
        cell = Cell.of(dataset="cifar10", loss=name, loss_params=params, seed=0, **{"lambda": lam})
        assert cell.loss_label == label


def test_a_number_lies_in_the_interval_or_not(summary: pd.DataFrame):
    beside = analysis.beside_paper(summary)
    numbers = beside.set_index(["table", "loss", "lambda", "metric"])
    baseline = numbers.loc[2, "baseline", 0.0, "test/acc"]
    assert (baseline["printed"], baseline["n"]) == (88.59, 3)
    low, high = stats.t.interval(0.95, 2, loc=88.6, scale=stats.sem([88.4, 88.6, 88.8]))
    assert baseline["half_width"] == pytest.approx((high - low) / 2)
    assert baseline["difference"] == pytest.approx(0.01)
    width = baseline["difference_half_width"]
    welch = stats.ttest_ind_from_stats(88.6, 0.2, 3, 88.6 + width, 0.15, 5, equal_var=False)
    assert welch.pvalue == pytest.approx(0.05)
    assert bool(baseline["inside"])
    boost = numbers.loc[3, "latent_boost", 0.75, "test/f1_micro"]
    assert boost["difference"] == pytest.approx(0.91 - 0.9038)
    epochs = numbers.loc[4, "latent_boost", 0.75, "epochs/best"]
    assert epochs["difference"] == pytest.approx(21 - 34.67)
    assert not epochs["inside"]
    assert set(beside["table"]) == {2, 3, 4, 5}


def test_the_layout_is_the_papers(summary: pd.DataFrame):
    two, three, four, five = paper_tables(analysis.beside_paper(summary))
    assert two.header == ["loss", "λ", "fashion_mnist accuracy %", "fashion_mnist micro-F1"]
    assert [line[:2] for line in three.rows] == [["latent_boost", "0.75"]]
    assert four.header == ["dataset", "baseline", "latent_boost"]
    assert [line[0] for line in four.rows][2:] == [
        "fashion_mnist epochs (best)",
        "fashion_mnist epochs (stopped)",
    ]
    assert two.rows[0][2] == "88.59 → 88.60 ± 0.50 (+0.01) ✓"
    assert five.rows[0][1].startswith("0.347 → 0.310 ± 0.025 (-0.037) ✗")
    assert "Welch's 95% interval of the difference" in as_text([two])
    assert "lies in the interval" in as_text([five])
    assert "This run has the default protocol." in as_text([two])


def test_a_protocol_and_a_warm_up_that_are_others_are_named(summary: pd.DataFrame):
    boost = summary["loss_label"] == "latent_boost"
    warmer = summary[boost].assign(warmup_epochs=7, mean=0.5)
    both = pd.concat([summary, warmer]).assign(max_epochs=6)
    _, three, four, _ = paper_tables(analysis.beside_paper(both))
    own = summary.loc[boost, "warmup_epochs"].iloc[0]
    names = [f"latent_boost, warm-up {own}", "latent_boost, warm-up 7"]
    assert [line[0] for line in three.rows] == names
    assert "→ 50.00" in three.rows[1][2]
    assert four.header == ["dataset", "baseline", *names]
    assert "default protocol but for max_epochs=6." in " ".join(three.notes)


def test_cells_that_are_not_the_papers_are_not_compared(summary: pd.DataFrame):
    other = summary.assign(backbone="vgg16")
    assert analysis.beside_paper(other).empty
    assert paper_tables(analysis.beside_paper(other)) == []
    assert analysis.beside_paper(summary.assign(train_size=12000)).empty
    assert analysis.beside_paper(summary.assign(test_size=100)).empty
    baseline = summary["loss_label"] == "baseline"
    assert analysis.beside_paper(summary[baseline]).empty
    own = summary.assign(loss_label=summary["loss_label"].where(baseline, "spread:Spread"))
    assert analysis.beside_paper(own).empty
    mixed = pd.concat([summary, own[baseline].assign(batch_size=64)])
    assert set(analysis.beside_paper(mixed)["batch_size"]) == {128}
    one = summary.assign(half_width=float("nan"))
    shown = paper_tables(analysis.beside_paper(one))
    assert not any("✓" in cell for table in shown for line in table.rows for cell in line)

"""The tables, from results written by hand, so that each number is known."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest
from scipy import stats
from small_cells import small_cell

import analysis
from analysis import tables
from lbray.spec import Experiment
from lbray.store import Result, Store

ACCURACY = {
    ("baseline", 0.0): [0.80, 0.82, 0.84],
    ("magnet", 0.25): [0.83, 0.84, 0.88],
    ("magnet", 0.5): [0.70, 0.75, 0.80],
    ("latent_boost", 0.5): [0.81, 0.86, 0.85],
}


def record(store: Store, cell, accuracy: float) -> None:
    files = store.cell(cell.id)
    files.begin(cell)
    metrics = {
        "val/acc": accuracy - 0.01,
        "test/acc": accuracy,
        "test/f1_micro": accuracy,
        "test/f1_macro": accuracy - 0.02,
        "epochs/best": 10 + 2 * cell.seed,
        "epochs/stopped": 30,
    }
    files.finish(Result(id=cell.id, status="done", metrics=metrics, weights_sha256="0"))


@pytest.fixture
def recorded(store: Store) -> Store:
    cells = []
    for (loss, lam), accuracies in ACCURACY.items():
        for seed, accuracy in enumerate(accuracies):
            cells.append(small_cell(loss=loss, seed=seed, **{"lambda": lam}))
            record(store, cells[-1], accuracy)
    store.record_experiment(Experiment(name="grid", blocks=({},)), cells)
    return store


def row(summary: pd.DataFrame, loss: str, lam: float, metric: str) -> pd.Series:
    found = summary[
        (summary["loss_label"] == loss) & (summary["lambda"] == lam) & (summary["metric"] == metric)
    ]
    assert len(found) == 1
    return found.iloc[0]


def test_a_row_per_cell_with_settings_and_metrics(recorded: Store):
    cells = analysis.load(recorded, "grid")
    assert len(cells) == 12
    assert analysis.left_out(cells) == {}
    assert {"id", "dataset", "seed", "lambda", "loss_label", "test/acc"} <= set(cells)


def test_means_and_intervals_over_seeds(recorded: Store):
    summary = analysis.summarise(analysis.load(recorded, "grid"))
    magnet = row(summary, "magnet", 0.25, "test/acc")
    values = ACCURACY["magnet", 0.25]
    low, high = stats.t.interval(0.95, 2, loc=0.85, scale=stats.sem(values))
    assert magnet["n"] == 3
    assert magnet["mean"] == pytest.approx(0.85)
    assert magnet["half_width"] == pytest.approx((high - low) / 2)


def test_differences_are_paired_by_seed(recorded: Store):
    summary = analysis.summarise(analysis.load(recorded, "grid"))
    magnet = row(summary, "magnet", 0.25, "test/acc")
    paired = stats.ttest_rel(ACCURACY["magnet", 0.25], ACCURACY["baseline", 0.0])
    low, high = paired.confidence_interval(0.95)
    assert magnet["pairs"] == 3
    assert magnet["difference"] == pytest.approx(0.03)
    assert magnet["difference_half_width"] == pytest.approx((high - low) / 2)
    baseline = row(summary, "baseline", 0.0, "test/acc")
    assert baseline["pairs"] == 0
    assert math.isnan(baseline["difference"])


def test_lambda_is_chosen_on_validation(recorded: Store):
    frame = analysis.load(recorded, "grid")
    frame.loc[(frame["loss"] == "magnet") & (frame["lambda"] == 0.5), "val/acc"] = 0.99
    summary = analysis.summarise(frame)
    assert row(summary, "magnet", 0.5, "test/acc")["chosen"]
    assert not row(summary, "magnet", 0.25, "test/acc")["chosen"]
    assert row(summary, "latent_boost", 0.5, "test/acc")["chosen"]


def test_cells_of_another_setting_are_no_pairs(recorded: Store):
    other = small_cell(loss="magnet", batch_size=64, **{"lambda": 0.25})
    record(recorded, other, 0.5)
    ids = [*recorded.experiment_cell_ids("grid"), other.id]
    recorded.record_experiment(
        Experiment(name="grid", blocks=({},)), [recorded.cell(cell_id).cell() for cell_id in ids]
    )
    summary = analysis.summarise(analysis.load(recorded, "grid"))
    small = summary[summary["batch_size"] == 64]
    assert (small["pairs"] == 0).all()
    assert (small["n"] == 1).all()
    text = tables.as_text(tables.tables(summary))
    assert "digits, cnn, batch_size=64" in text
    assert "A single seed has no interval." in text


def test_cells_with_another_schedule_pair_with_the_same_baseline(recorded: Store):
    rising = small_cell(loss="magnet", lambda_schedule="linear", **{"lambda": 0.25})
    record(recorded, rising, 0.9)
    cells = [recorded.cell(cell_id).cell() for cell_id in recorded.experiment_cell_ids("grid")]
    recorded.record_experiment(Experiment(name="grid", blocks=({},)), [*cells, rising])
    summary = analysis.summarise(analysis.load(recorded, "grid"))
    scheduled = row(summary, "magnet(lambda_schedule=linear)", 0.25, "test/acc")
    assert scheduled["pairs"] == 1
    assert scheduled["difference"] == pytest.approx(0.1)
    assert row(summary, "magnet", 0.25, "test/acc")["n"] == 3


def test_missing_failed_and_damaged_cells_are_named(recorded: Store):
    ids = recorded.experiment_cell_ids("grid")
    recorded.cell(ids[0]).reopen()
    recorded.files.write(f"cells/{ids[1]}/result.json", b"{")
    failed = Result(id=ids[2], status="failed", reason="the loss is nan")
    recorded.cell(ids[2]).finish(failed)
    cells = analysis.load(recorded, "grid")
    left_out = analysis.left_out(cells)
    assert len(cells) == 9
    assert left_out[ids[0]] == "it has no result yet"
    assert "not a result" in left_out[ids[1]]
    assert "seed=2 failed: the loss is nan" in left_out[ids[2]]
    text = tables.as_text(tables.tables(analysis.summarise(cells), left_out))
    assert f"Left out: {ids[2]}: digits cnn baseline λ=0 seed=2 failed: the loss is nan" in text


def test_the_text_shows_what_was_computed(recorded: Store):
    made = tables.tables(analysis.summarise(analysis.load(recorded, "grid")))
    means, differences = made
    assert [line[:2] for line in means.rows] == [
        ["baseline", "0"],
        ["magnet", "0.25*"],
        ["magnet", "0.5"],
        ["latent_boost", "0.5*"],
    ]
    assert means.rows[1][2:5] == ["3", "84.00 ± 6.57", "85.00 ± 6.57"]
    assert differences.rows[0][:5] == ["magnet", "0.25*", "3", "+3.00 ± 2.48", "+3.00 ± 2.48"]
    assert "Micro-F1 equals test accuracy" in " ".join(means.notes)


def test_all_forms_are_written_and_hold_the_same_numbers(recorded: Store, tmp_path: Path):
    cells = analysis.load(recorded, "grid")
    summary = analysis.summarise(cells)
    paths = tables.write(tmp_path / "out", tables.tables(summary), cells, summary)
    assert [path.name for path in paths] == [
        "tables.txt",
        "tables.md",
        "tables.tex",
        "summary.csv",
        "cells.csv",
    ]
    text, markdown, latex = (path.read_text() for path in paths[:3])
    assert "85.00 ± 6.57" in text
    assert "85.00 ± 6.57 |" in markdown
    assert r"85.00 $\pm$ 6.57" in latex
    assert r"\begin{tabular}{lrrrrrrr}" in latex
    assert latex.isascii()
    read = pd.read_csv(paths[3])
    assert row(read, "magnet", 0.25, "test/acc")["mean"] == pytest.approx(0.85)
    assert len(pd.read_csv(paths[4])) == 12

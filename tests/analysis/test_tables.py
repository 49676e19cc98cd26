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
from analysis.report.findings import findings
from lbray.spec import Cell, Experiment
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


def test_tests_are_of_one_family_and_say_what_n_carries(recorded: Store):
    summary = analysis.summarise(analysis.load(recorded, "grid"))
    family = summary[(summary["metric"] == "test/acc") & (summary["pairs"] > 0)]
    assert family.set_index(["loss_label", "lambda"])["p"].to_dict() == {
        ("magnet", 0.25): 0.25,
        ("magnet", 0.5): 0.25,
        ("latent_boost", 0.5): 0.25,
    }
    assert (family["p_holm"] == (3 * family["p"]).clip(upper=1)).all()
    assert not summary["survives"].any()
    assert (family["smallest_p"] == 0.25).all()
    magnet = row(summary, "magnet", 0.25, "test/acc")
    differences = pd.Series(ACCURACY["magnet", 0.25]) - pd.Series(ACCURACY["baseline", 0.0])
    correction = math.gamma(1) / (math.sqrt(1) * math.gamma(0.5))
    assert magnet["g"] == pytest.approx(correction * differences.mean() / differences.std())
    table = tables.tables(summary)[1]
    assert table.header[-3:] == ["g", "p", "p Holm"]
    assert table.rows[0][-2:] == ["0.2500", "0.7500"]
    assert "With n = 3 no p is below 0.25: nothing here" in " ".join(table.notes)


def test_ten_pairs_can_carry_a_claim(store: Store):
    cells = []
    for seed in range(10):
        for loss, lam, gain in (("baseline", 0.0, 0.0), ("magnet", 0.5, 0.01 + 0.001 * seed)):
            cells.append(small_cell(loss=loss, seed=seed, **{"lambda": lam}))
            record(store, cells[-1], 0.8 + gain)
    store.record_experiment(Experiment(name="ten", blocks=({},)), cells)
    summary = analysis.summarise(analysis.load(store, "ten"))
    assert row(summary, "magnet", 0.5, "test/acc")["survives"]
    notes = " ".join(tables.tables(summary)[1].notes)
    assert "no p is below" not in notes


def test_one_seed_has_tables_without_intervals_and_says_so(store: Store):
    cells = [small_cell(), small_cell(loss="magnet", **{"lambda": 0.5})]
    for cell, accuracy in zip(cells, (0.8, 0.9), strict=True):
        record(store, cell, accuracy)
    store.record_experiment(Experiment(name="one", blocks=({},)), cells)
    frame = analysis.load(store, "one")
    made = tables.tables(analysis.summarise(frame), {}, analysis.choices(frame))
    text = tables.as_text(made)
    assert " ± " not in text.replace("Mean ± ", "").replace("differences ± ", "")
    assert "A single seed has no interval." in text
    assert "A single pair has no interval." in text
    assert "With n = 1 no p is below 1" in text


def test_the_nested_estimate_stands_beside_the_naive_one(recorded: Store):
    frame = analysis.load(recorded, "grid")
    found = analysis.choices(frame).set_index("loss_label")
    assert list(found.loc["magnet", ["lambda", "candidates", "n"]]) == [0.25, 2, 3]
    assert found.loc["magnet", "naive"] == pytest.approx(0.03)
    assert found.loc["magnet", "nested"] == pytest.approx(0.03)
    frame.loc[(frame["loss"] == "magnet") & (frame["lambda"] == 0.5), "val/acc"] = [
        0.99,
        0.82,
        0.75,
    ]
    found = analysis.choices(frame).set_index("loss_label")
    # without seed 0 the others prefer 0.25; without 1 or 2 they prefer 0.5
    expected = (0.83 - 0.80 + 0.75 - 0.82 + 0.80 - 0.84) / 3
    assert found.loc["magnet", "nested"] == pytest.approx(expected)
    assert found.loc["magnet", "lambda"] == 0.5
    text = tables.as_text(tables.tables(analysis.summarise(frame), {}, analysis.choices(frame)))
    assert "what the chosen λ is worth" in text


def test_cells_that_never_reach_the_baseline_are_censored(recorded: Store):
    for cell_id in recorded.experiment_cell_ids("grid"):
        cell = recorded.cell(cell_id).cell()
        gains = {"baseline": 0.0, "magnet": 0.02 if cell.seed else -0.5}.get(cell.loss, -0.5)
        best = ACCURACY["baseline", 0.0][cell.seed] - 0.01
        history = [{"val/acc": min(best, 0.1 * epoch) + gains} for epoch in range(30)]
        recorded.cell(cell_id).write_history(history)
    frame = analysis.with_epochs_to_baseline(analysis.load(recorded, "grid"), recorded)
    pd.testing.assert_frame_equal(analysis.with_epochs_to_baseline(frame, recorded), frame)
    summary = analysis.summarise(frame)
    baseline, magnet, boost = (
        row(summary, loss, lam, "epochs/to_baseline")
        for loss, lam in (("baseline", 0.0), ("magnet", 0.25), ("latent_boost", 0.5))
    )
    assert (baseline["censored"], magnet["censored"], boost["censored"]) == (0, 1, 3)
    assert baseline["mean"] == pytest.approx((9 + 10 + 10) / 3)
    assert magnet["mean"] == pytest.approx((30 + 9 + 10) / 3, abs=0.7)
    assert boost["mean"] == 30
    assert math.isnan(boost["difference"])
    assert magnet["difference"] == pytest.approx(magnet["mean"] - baseline["mean"])
    text = tables.as_text(tables.tables(summary))
    assert "> 30.0 (3 of 3 not)" in text
    assert "restricted (Kaplan-Meier)" in text
    assert text.count("Epochs to baseline has no t-interval") == 2


@pytest.mark.parametrize(
    ("max_epochs", "sentence"),
    [
        (30, "Of these 7, 0 stopped early"),
        (31, "Of these 7, 7 stopped early"),
    ],
)
def test_why_censored_cells_stopped_is_counted(recorded: Store, max_epochs: int, sentence: str):
    frame = analysis.load(recorded, "grid")
    frame = frame.assign(
        max_epochs=max_epochs,
        **{
            "epochs/to_baseline": 30.0,
            "epochs/to_baseline_reached": [1.0] * 3 + [0.0] * 7 + [1.0] * 2,
        },
    )
    notes = " ".join(tables.tables(analysis.summarise(frame))[0].notes)
    assert sentence in notes
    assert f"{7 * (max_epochs == 30)} with max_epochs ({max_epochs})" in notes


def test_a_column_that_every_cell_fills_speaks_of_none_that_stopped(recorded: Store):
    frame = analysis.load(recorded, "grid").assign(
        **{"epochs/to_baseline": 9.0, "epochs/to_baseline_reached": 1.0}
    )
    notes = " ".join(tables.tables(analysis.summarise(frame))[0].notes)
    assert "every cell did." in notes
    assert "stopped" not in notes


def test_only_treatments_with_censored_cells_limit_the_epochs_to_baseline(recorded: Store):
    frame = analysis.load(recorded, "grid")
    baseline = frame["loss"] == "baseline"
    frame["epochs/stopped"] = frame["epochs/stopped"].where(~baseline, 70)
    frame["epochs/to_baseline"] = 10.0
    frame["epochs/to_baseline"] = frame["epochs/to_baseline"].where(~baseline, 50.0)
    frame["epochs/to_baseline_reached"] = 1.0
    summary = analysis.summarise(frame)
    assert row(summary, "baseline", 0.0, "epochs/to_baseline")["mean"] == 50
    assert row(summary, "magnet", 0.25, "epochs/to_baseline")["difference"] == -40
    boost = frame["loss"] == "latent_boost"
    frame.loc[boost, ["epochs/to_baseline", "epochs/to_baseline_reached"]] = 40.0, 0.0
    summary = analysis.summarise(frame)
    assert row(summary, "baseline", 0.0, "epochs/to_baseline")["mean"] == 40
    assert row(summary, "magnet", 0.25, "epochs/to_baseline")["mean"] == 10
    assert "(Kaplan-Meier) to the first 40 epochs" in " ".join(tables.tables(summary)[0].notes)


def test_a_number_of_fewer_seeds_than_its_row_says_of_how_many(recorded: Store):
    frame = analysis.load(recorded, "grid").assign(**{"test/silhouette": 0.5, "test/nc1": 1.0})
    lost = (frame["loss"] == "magnet") & (frame["lambda"] == 0.25) & (frame["seed"] == 0)
    frame.loc[lost, ["test/silhouette", "test/nc1"]] = math.nan
    means, structure, differences = tables.tables(analysis.summarise(frame))
    assert means.rows[1][2:3] + means.rows[1][-1:] == ["3", "0.500 (n = 2)"]
    assert structure.rows[1][-1] == "1.000 (n = 2)"
    assert differences.rows[0][-4] == "+0.000 (pairs = 2)"
    for table in (means, structure, differences):
        assert any("of so many seeds alone" in note for note in table.notes)
        assert sum("(n = " in cell for line in table.rows for cell in line) <= 1


def test_equal_differences_are_no_evidence(recorded: Store):
    frame = analysis.load(recorded, "grid")
    accuracy = frame["seed"] / 100 + 0.8 + frame["lambda"].gt(0) / 100
    summary = analysis.summarise(frame.assign(**{"test/acc": accuracy}))
    assert math.isnan(row(summary, "magnet", 0.25, "test/acc")["difference_half_width"])
    told = " ".join(findings(frame, summary, {}).sentences)
    assert "+1.00 (n = 3) points, all equal, which gives no interval" in told
    assert "0 have a higher test accuracy" in told
    notes = " ".join(tables.tables(summary)[1].notes)
    assert "Values that are all equal show no spread" in notes


@pytest.mark.parametrize(("seeds", "said"), [(2, True), (3, False)])
def test_what_two_pairs_do_not_give_is_said(recorded: Store, seeds: int, said: bool):
    frame = analysis.load(recorded, "grid")
    frame = frame[frame["seed"] < seeds].assign(**{"cka/seeds": 0.9, "test/nc1": 1.0})
    frame["cka/baseline"] = frame["lambda"].where(frame["lambda"] > 0)  # none of the baseline
    means, structure, differences = tables.tables(analysis.summarise(frame))
    assert not any("A single seed" in note for note in means.notes + structure.notes)
    assert ("g is undefined (–) below three pairs" in " ".join(differences.notes)) == said
    assert ("CKA seeds has no interval from two seeds" in " ".join(structure.notes)) == said


def test_settings_are_compared_together_only_where_there_are_several(recorded: Store):
    frame = analysis.load(recorded, "grid")
    assert analysis.compare(frame).empty
    other = frame.assign(dataset="fashion_mnist", id="x" + frame["id"])
    both = pd.concat([frame, other], ignore_index=True)
    comparison = analysis.compare(both)
    found = comparison.set_index("loss_label")
    assert list(found["runs"]) == [6, 6, 6]
    pooled = sorted(2 * ACCURACY["magnet", 0.25])
    assert found.loc["magnet", "iqm"] == pytest.approx(stats.trim_mean(pooled, 0.25))
    wins = stats.mannwhitneyu(ACCURACY["magnet", 0.25], ACCURACY["baseline", 0.0]).statistic / 9
    assert found.loc["magnet", "improves"] == pytest.approx(wins)
    assert found.loc["magnet", "improves_low"] <= wins <= found.loc["magnet", "improves_high"]
    made = tables.tables(analysis.summarise(both), {}, None, comparison)
    assert made[-1].title == "All settings together"
    assert "No critical-difference diagram: 2 datasets" in made[-1].notes[-1]


def cells_of(store: Store, name: str, accuracies: dict[tuple, float]) -> pd.DataFrame:
    """The frame of cells by their dataset, loss, λ and seed; both sizes are null."""
    cells = []
    for (dataset, loss, lam, seed), accuracy in accuracies.items():
        cells.append(Cell.of(dataset=dataset, loss=loss, seed=seed, **{"lambda": lam}))
        record(store, cells[-1], accuracy)
    store.record_experiment(Experiment(name=name, blocks=({},)), cells)
    return analysis.load(store, name)


@pytest.mark.parametrize("losses", [{"baseline": 0.0}, {"baseline": 0.0, "magnet": 0.5}])
def test_two_datasets_with_all_images_are_compared(store: Store, losses: dict[str, float]):
    frame = cells_of(
        store,
        "whole",
        {
            (dataset, loss, lam, seed): 0.8 + seed / 100
            for dataset in ("digits", "fashion_mnist")
            for loss, lam in losses.items()
            for seed in (0, 1)
        },
    )
    comparison = analysis.compare(frame)
    assert list(comparison["loss_label"]) == list(losses)
    made = tables.tables(analysis.summarise(frame), {}, analysis.choices(frame), comparison)
    assert made[-1].rows[0] == ["baseline", "2", "4", "80.50", "–"]
    assert "no intervals below 3 runs" in " ".join(made[-1].notes)


def test_a_size_that_some_settings_leave_null_is_named_as_it_is_written(store: Store):
    cells = [small_cell(train_size=size, seed=seed) for size in (None, 600) for seed in (0, 1)]
    cells.append(small_cell(train_size=None, loss="magnet", **{"lambda": 0.5}))
    for cell in cells:
        record(store, cell, 0.9)
    store.record_experiment(Experiment(name="sizes", blocks=({},)), cells)
    frame = analysis.load(store, "sizes")
    made = tables.tables(analysis.summarise(frame), {}, analysis.choices(frame))
    titles = [table.title for table in made]
    assert "digits, cnn, train_size=600" in titles
    assert "digits, cnn, train_size=null: what the chosen λ is worth" in titles


def test_each_setting_counts_alike_by_seeds_that_all_losses_have(store: Store):
    frame = cells_of(
        store,
        "uneven",
        {
            **{("fashion_mnist", "baseline", 0.0, seed): 0.9 for seed in range(5)},
            **{("fashion_mnist", "magnet", 0.5, seed): 0.88 for seed in range(5)},
            **{("digits", "baseline", 0.0, seed): 0.6 for seed in range(5)},
            **{("digits", "magnet", 0.5, seed): 0.58 for seed in (1, 2, 3)},
        },
    )
    found = analysis.compare(frame).set_index("loss_label")
    assert found["runs"].to_dict() == {"baseline": 6, "magnet": 6}
    assert found["unused"].to_dict() == {"baseline": 4, "magnet": 2}
    assert found.loc["baseline", "iqm"] - found.loc["magnet", "iqm"] == pytest.approx(0.02)
    note = tables.tables(analysis.summarise(frame), {}, None, found.reset_index())[-1].notes[0]
    assert "3 seeds that all losses have, so that 6 other runs are left out" in note


def test_a_lambda_with_fewer_seeds_cannot_be_chosen(recorded: Store):
    frame = analysis.load(recorded, "grid")
    lucky = (frame["loss"] == "magnet") & (frame["lambda"] == 0.5)
    frame.loc[lucky, "val/acc"] = 0.99
    frame = frame[~lucky | (frame["seed"] == 1)]
    summary = analysis.summarise(frame)
    assert row(summary, "magnet", 0.25, "test/acc")["chosen"]
    found = analysis.choices(frame).set_index("loss_label")
    assert list(found.loc["magnet", ["lambda", "candidates", "n"]]) == [0.25, 2, 3]
    assert "magnet, λ = 0.5 (n = 1)." in " ".join(tables.tables(summary)[0].notes)


def test_the_smallest_of_equal_lambdas_is_chosen_everywhere(recorded: Store):
    frame = analysis.load(recorded, "grid").iloc[::-1].copy()
    magnet = frame["loss"] == "magnet"
    frame.loc[magnet & (frame["lambda"] == 0.5), "val/acc"] = [0.91, 0.93, 0.92]
    frame.loc[magnet & (frame["lambda"] == 0.25), "val/acc"] = [0.93, 0.91, 0.92]
    summary = analysis.summarise(frame)
    assert row(summary, "magnet", 0.25, "test/acc")["chosen"]
    assert not row(summary, "magnet", 0.5, "test/acc")["chosen"]
    assert analysis.choices(frame).set_index("loss_label").loc["magnet", "lambda"] == 0.25


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


def test_cells_whose_loss_never_acted_are_told(recorded: Store):
    cells = analysis.load(recorded, "grid")
    assert analysis.untouched(cells) == []
    cells["lambda/best"] = cells["lambda"]
    assert analysis.untouched(cells) == []
    magnet = cells["loss"] == "magnet"
    cells.loc[magnet & (cells["seed"] == 0), "lambda/best"] = 0.0
    (sentence, *_) = said = analysis.untouched(cells)
    assert len(said) == cells.loc[magnet, "lambda"].nunique()
    assert "of 3 cells, 1 had their best epoch before the loss acted" in sentence
    text = tables.as_text(tables.tables(analysis.summarise(cells), caveats=said))
    assert sentence in text

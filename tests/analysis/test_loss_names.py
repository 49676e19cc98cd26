"""Names of losses say what tells them apart, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from small_cells import small_cell

import analysis
from analysis import tables
from analysis.loss_names import shared_settings, short_names
from lbray.spec import Experiment
from lbray.store import Result, Store


def test_what_all_labels_of_a_loss_have_is_left_out_and_said_once():
    labels = [
        "baseline",
        "magnet",
        "spread:Spread(gap=0.1, text=a, b, loss_learning_rate_factor=10.0)",
        "spread:Spread(gap=0.5, text=a, b, loss_learning_rate_factor=10.0)",
        "triplet(margin=0.3)",
    ]
    assert list(short_names(labels).values()) == [
        "baseline",
        "magnet",
        "spread:Spread(gap=0.1)",
        "spread:Spread(gap=0.5)",
        "triplet",
    ]
    assert shared_settings(labels) == [
        "spread:Spread has text=a, b, loss_learning_rate_factor=10.0 in every row.",
        "triplet has margin=0.3 in every row.",
    ]


def test_a_default_beside_a_variant_keeps_both_names():
    labels = ["magnet", "magnet(hinge=true)"]
    assert short_names(labels) == {label: label for label in labels}
    assert shared_settings(labels) == []


def test_tables_have_the_short_names_and_the_frames_the_whole_ones(store: Store, tmp_path: Path):
    cells = [
        small_cell(),
        small_cell(loss="triplet", loss_params={"margin": 0.7}, **{"lambda": 0.5}),
    ]
    for cell in cells:
        metrics = {"val/acc": 0.8, "test/acc": 0.8}
        store.cell(cell.id).begin(cell)
        store.cell(cell.id).finish(Result(id=cell.id, status="done", metrics=metrics))
    store.record_experiment(Experiment(name="own", blocks=({},)), cells)
    frame = analysis.load(store, "own")
    summary = analysis.summarise(frame)
    made = tables.tables(summary, {}, analysis.choices(frame))
    assert all("margin" not in cell for table in made for row in table.rows for cell in row)
    assert "triplet has margin=0.7 in every row." in made[0].notes
    tables.write(tmp_path, made, frame, summary)
    assert "triplet(margin=0.7)" in set(pd.read_csv(tmp_path / "summary.csv")["loss_label"])


def test_a_long_name_takes_several_lines_of_a_terminal():
    name = "spread:Spread(gap=0.5, lambda_schedule=cosine, loss_learning_rate_factor=10.0)"
    text = tables.as_text([tables.Table("numbers", ["loss", "n"], [[name, "5"]], [])])
    assert max(map(len, text.splitlines())) < 50
    assert name in " ".join(text.split()).replace(" 5", "", 1)

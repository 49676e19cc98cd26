"""Every measure of a cell is of its best weights, is made once, and fails for that cell alone."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.metrics import log_loss, silhouette_score
from small_cells import small_cell
from stored_cells import with_all_weights

import analysis
from analysis.scores import keep_scores, kept_scores
from lbray.spec import Cell, Experiment
from lbray.store import CellFiles, Store
from lbray.training import run_cell


@pytest.fixture
def measured(trained: Store) -> pd.DataFrame:
    return analysis.with_structure(analysis.load(trained, "two"), trained)


def test_the_columns_are_measures_of_the_stored_weights(
    trained: Store, trained_cells: list[Cell], measured: pd.DataFrame
):
    for cell, (_, row) in zip(trained_cells, measured.iterrows(), strict=True):
        found = analysis.outputs(trained, cell.id, row["weights_sha256"])
        expected = silhouette_score(found.latents.astype(float), found.labels)
        assert row["test/silhouette"] == pytest.approx(expected, abs=1e-5)
        probabilities = np.exp(found.logits.astype(float))
        probabilities /= probabilities.sum(axis=1, keepdims=True)
        assert row["test/nll"] == pytest.approx(log_loss(found.labels, probabilities), abs=1e-6)
    scores = measured.filter(regex="^(test|ood|shuffled|corrupted)/")
    undefined = scores.columns[scores.isna().any()]
    assert list(undefined) == ["test/nc3"]  # the cnn's head is not one linear layer
    shares = scores.filter(regex="acc|auroc|fpr95|recall|nc4|ece")
    assert shares.shape[1] >= 24
    assert shares.stack().between(0, 1).all()
    assert (scores["corrupted/acc"] <= scores["test/acc"] + 0.05).all()


def test_no_checkpoint_is_measured_twice(
    trained: Store, measured: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(CellFiles, "best", lambda *_: pytest.fail("the weights were read again"))
    monkeypatch.setattr(CellFiles, "outputs", lambda *_: pytest.fail("measured again"))
    seen: list[str] = []
    again = analysis.with_structure(analysis.load(trained, "two"), trained, progress=seen.append)
    pd.testing.assert_frame_equal(again, measured)
    assert seen == []


def test_only_what_is_missing_is_measured(trained: Store, measured: pd.DataFrame):
    cell = trained, *measured[["id", "weights_sha256"]].iloc[0]
    kept = kept_scores(*cell)
    changed = {name: score for name, score in kept.items() if name != "test/knn_acc"}
    keep_scores(*cell, changed | {"test/nc1": -1.0})
    again = analysis.with_structure(analysis.load(trained, "two"), trained)
    assert again["test/knn_acc"][0] == measured["test/knn_acc"][0]
    assert again["test/nc1"][0] == -1.0


def test_scores_of_another_version_of_the_measures_are_not_used(
    trained: Store, measured: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
):
    cell = trained, *measured[["id", "weights_sha256"]].iloc[0]
    assert "test/nc1" in kept_scores(*cell)
    monkeypatch.setattr("analysis.scores.VERSION", -1)
    assert kept_scores(*cell) == {}


def test_damaged_weights_are_left_out_by_name(trained: Store, trained_cells: list[Cell]):
    damaged = trained_cells[1].id
    path = Path(trained.location) / "cells" / damaged / "best.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    frame = analysis.with_structure(analysis.load(trained, "two"), trained)
    assert list(frame["id"]) == [trained_cells[0].id]
    assert "does not match its checksum" in analysis.left_out(frame)[damaged]


def test_latents_that_are_not_finite_are_left_out_by_name(
    trained: Store, trained_cells: list[Cell]
):
    broken = with_all_weights(trained, trained_cells[0], math.nan)
    frame = analysis.with_structure(analysis.load(trained, "two"), trained)
    assert list(frame["id"]) == [trained_cells[1].id]
    assert "seed=0: its latents or logits are not finite." in analysis.left_out(frame)[broken.id]


def test_latents_that_collapse_to_a_point_are_measured(trained: Store, trained_cells: list[Cell]):
    collapsed = with_all_weights(trained, trained_cells[0], 0.0)
    frame = analysis.with_structure(analysis.load(trained, "two"), trained)
    row = frame[frame["id"] == collapsed.id].iloc[0]
    assert row["test/silhouette"] == 0
    assert row["ood/energy_auroc"] == 0.5
    assert np.isnan(
        row[["test/nc1", "test/davies_bouldin", "test/components_95"]].astype(float)
    ).all()
    again = analysis.with_structure(analysis.load(trained, "two"), trained)
    pd.testing.assert_frame_equal(again, frame)


def grey(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 12), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def test_images_that_changed_are_noticed_where_scores_are_kept(store: Store, tmp_path: Path):
    folder = tmp_path / "pictures"
    for kind in ("a", "b"):
        for number in range(30):
            grey(folder / kind / f"{number}.png", 100 * ord(kind) + number)
    cell = small_cell(
        dataset=f"folder:{folder}", backbone="cnn", max_epochs=1, train_size=None, test_size=None
    )
    assert run_cell(cell, store).done
    store.record_experiment(Experiment(name="own", blocks=({},)), [cell])
    assert len(analysis.with_structure(analysis.load(store, "own"), store)) == 1
    grey(folder / "a" / "new.png", 1)
    changed = analysis.with_structure(analysis.load(store, "own"), store)
    assert changed.empty
    assert "was trained on other images than" in analysis.left_out(changed)[cell.id]
    shutil.rmtree(folder)  # kept scores need no images
    assert len(analysis.with_structure(analysis.load(store, "own"), store)) == 1

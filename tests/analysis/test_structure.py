"""Structure is measured on the images that the cell was tested on, by its best weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.metrics import silhouette_score
from small_cells import small_cell

import analysis
from lbray import backbones, data
from lbray.spec import Experiment
from lbray.store import Store
from lbray.training import run_cell

CELLS = [small_cell(seed=seed, max_epochs=2) for seed in (0, 1)]


@pytest.fixture
def trained(store: Store) -> Store:
    for cell in CELLS:
        assert run_cell(cell, store).done
    store.record_experiment(Experiment(name="two", blocks=({},)), CELLS)
    return store


def test_latents_and_score_are_those_of_the_stored_weights(trained: Store):
    cell, files = CELLS[0], trained.cell(CELLS[0].id)
    weights, _ = files.best()
    model = backbones.build("cnn", 10, 1)
    model.load_state_dict(weights)
    dataset = data.load("digits")
    splits = data.split(dataset, train_size=cell.train_size, test_size=cell.test_size)
    with torch.no_grad():
        latents, logits = model.eval()(splits.normalise(splits.test.images))
    result = files.result()
    accuracy = (logits.argmax(1) == splits.test.labels).double().mean().item()
    assert accuracy == pytest.approx(result.metrics["test/acc"])
    found, labels = analysis.latents(files, result.weights_sha256)
    np.testing.assert_allclose(found, latents.numpy(), rtol=1e-5, atol=1e-6)
    cells = analysis.with_structure(analysis.load(trained, "two"), trained)
    expected = silhouette_score(latents.double().numpy(), labels)
    assert cells.frame["test/silhouette"][0] == pytest.approx(expected, abs=1e-5)


def test_no_checkpoint_is_measured_twice(trained: Store, monkeypatch: pytest.MonkeyPatch):
    import sys

    first = analysis.with_structure(analysis.load(trained, "two"), trained)
    monkeypatch.setattr(
        sys.modules["analysis.structure"], "latents", lambda *_: pytest.fail("measured again")
    )
    again = analysis.with_structure(analysis.load(trained, "two"), trained)
    assert again.frame.equals(first.frame)


def test_damaged_weights_are_left_out_by_name(trained: Store):
    path = Path(trained.location) / "cells" / CELLS[1].id / "best.safetensors"
    content = bytearray(path.read_bytes())
    content[-3] ^= 1
    path.write_bytes(content)
    cells = analysis.with_structure(analysis.load(trained, "two"), trained)
    assert list(cells.frame["id"]) == [CELLS[0].id]
    assert "does not match its checksum" in cells.left_out[CELLS[1].id]

"""Outputs are those of the stored weights, and no checkpoint is run twice."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from small_cells import small_cell

import analysis
from analysis.checkpoint import Checkpoint
from lbray import backbones, data, own_code
from lbray.errors import DamagedArtefact, StoreUnavailable
from lbray.spec import Cell
from lbray.store import CellFiles, Store
from lbray.store.tensor_file import pack
from lbray.training import run_cell


def sha256(store: Store, cell: Cell) -> str:
    return store.cell(cell.id).result().weights_sha256


def folder(store: Store, cell: Cell) -> Path:
    return Path(store.location) / "cells" / cell.id


def run_by_hand(store: Store, cell: Cell, split: str):
    weights, _ = store.cell(cell.id).best()
    model = backbones.build("cnn", 10, 1)
    model.load_state_dict(weights)
    splits = data.split(data.load("digits"), **cell.split_settings)
    part = getattr(splits, split)
    with torch.no_grad():
        latents, logits = model.eval()(splits.normalise(part.images))
    return latents.numpy(), logits.numpy(), part.labels.numpy()


@pytest.mark.parametrize("split", ["test", "validation", "train"])
def test_they_are_those_of_the_stored_weights(
    trained: Store, trained_cells: list[Cell], split: str
):
    cell = trained_cells[0]
    latents, logits, labels = run_by_hand(trained, cell, split)
    for _ in range(2):  # measured, then kept
        found = analysis.outputs(trained, cell.id, sha256(trained, cell), split)
        np.testing.assert_allclose(found.latents, latents, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(found.logits, logits, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(found.labels, labels)
        assert (found.latents.dtype, found.labels.dtype) == (np.float32, np.int64)
    assert (folder(trained, cell) / f"outputs-{split}.safetensors").exists() == (split != "train")


def test_they_agree_with_what_training_reported(trained: Store, trained_cells: list[Cell]):
    for cell in trained_cells:
        result = trained.cell(cell.id).result()
        for split, metric in {"test": "test/acc", "validation": "val/acc"}.items():
            found = analysis.outputs(trained, cell.id, result.weights_sha256, split)
            accuracy = np.mean(found.logits.argmax(axis=1) == found.labels)
            assert accuracy == pytest.approx(result.metrics[metric])


def test_a_checkpoint_is_not_run_twice(
    trained: Store, trained_cells: list[Cell], monkeypatch: pytest.MonkeyPatch
):
    cell = trained_cells[0]
    first = analysis.outputs(trained, cell.id, sha256(trained, cell))
    monkeypatch.setattr(CellFiles, "best", lambda *_: pytest.fail("the weights were read again"))
    again = analysis.outputs(trained, cell.id, sha256(trained, cell))
    np.testing.assert_array_equal(again.latents, first.latents)


@pytest.mark.parametrize("damage", ["a flipped bit", "half of it", "another's"])
def test_what_was_kept_is_used_only_if_it_is_whole_and_ours(
    trained: Store, trained_cells: list[Cell], damage: str
):
    cell, other = trained_cells
    path = folder(trained, cell) / "outputs-test.safetensors"
    first = analysis.outputs(trained, cell.id, sha256(trained, cell))
    content = bytearray(path.read_bytes())
    analysis.outputs(trained, other.id, sha256(trained, other))
    if damage == "a flipped bit":
        content[-3] ^= 1
    elif damage == "half of it":
        content = content[: len(content) // 2]
    else:
        content = (folder(trained, other) / path.name).read_bytes()
    path.write_bytes(content)
    for _ in range(2):
        again = analysis.outputs(trained, cell.id, sha256(trained, cell))
        np.testing.assert_array_equal(again.latents, first.latents)
    assert path.read_bytes() != content


def test_a_store_that_cannot_be_written_is_measured_anew(
    trained: Store, trained_cells: list[Cell], monkeypatch: pytest.MonkeyPatch
):
    def refuse(*_: object) -> None:
        raise StoreUnavailable("read-only")

    cell = trained_cells[0]
    monkeypatch.setattr(type(trained.files), "write", refuse)
    for _ in range(2):
        found = analysis.outputs(trained, cell.id, sha256(trained, cell))
        assert found.latents.shape == (200, 64)
    assert not (folder(trained, cell) / "outputs-test.safetensors").exists()


def test_foreign_weights_are_refused(trained: Store, trained_cells: list[Cell]):
    cell = trained_cells[0]
    with pytest.raises(DamagedArtefact, match="does not match its checksum"):
        analysis.outputs(trained, cell.id, "0" * 64)
    (folder(trained, cell) / "best.safetensors").write_bytes(pack({"w": torch.zeros(1)}, {}))
    with pytest.raises(DamagedArtefact, match="do not fit cnn"):
        analysis.outputs(trained, cell.id, None)


def test_a_cell_of_other_images_is_left_out(trained: Store, trained_cells: list[Cell]):
    cell = trained_cells[0]
    path = folder(trained, cell) / "result.json"
    result = json.loads(path.read_text())
    result["provenance"]["dataset"] = "0" * 64
    path.write_text(json.dumps(result))
    with pytest.raises(DamagedArtefact, match="other images than 'digits' has now"):
        analysis.outputs(trained, cell.id, sha256(trained, cell))
    with pytest.raises(DamagedArtefact, match="other images than 'digits' has now"):
        Checkpoint(trained, cell.id, sha256(trained, cell))


NET = """
from lbray.backbones.cnn import cnn

def net(num_classes, in_channels):
    return cnn(num_classes, in_channels)
"""


def test_a_backbone_of_ones_own_is_imported_only_from_the_file_that_was_trained(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "net_of_ones_own.py"
    file.write_text(NET)
    monkeypatch.syspath_prepend(tmp_path)
    cell = small_cell(backbone=f"{file.stem}:net", max_epochs=1)
    result = run_cell(cell, store)
    assert result.done, result.reason
    del sys.modules[file.stem]
    file.write_text("raise SystemExit('imported')")
    own_code.digest.cache_clear()
    with pytest.raises(DamagedArtefact, match="another state of the file of 'net_of_ones_own:net'"):
        analysis.outputs(store, cell.id, result.weights_sha256)
    file.write_text(NET)
    own_code.digest.cache_clear()
    assert len(analysis.outputs(store, cell.id, result.weights_sha256).latents) == 200

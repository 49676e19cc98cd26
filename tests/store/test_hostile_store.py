"""A store from a stranger can be refused, and do no more."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import pytest
import safetensors.torch
import torch
from small_cells import small_cell
from sweeps import files_with

import analysis
from lbray import spec
from lbray.errors import DamagedArtefact, InputError
from lbray.spec import Cell
from lbray.store import Lease, Store
from lbray.training import run_cell

CELL = small_cell(max_epochs=1)


class Bomb:
    """Whoever unpickles it leaves a file behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return (os.system, (f"touch {self.path}",))


@pytest.fixture
def trained(store: Store, tmp_path: Path) -> Store:
    declared = tmp_path / "grid.yaml"
    declared.write_text("{settings: {dataset: digits, seed: 0}, blocks: [{loss: baseline}]}")
    store.record_experiment(spec.load(declared), [CELL])
    run_cell(CELL, store)
    return store


def cell_folder(store: Store) -> Path:
    return Path(store.location) / "cells" / CELL.id


@pytest.mark.parametrize("name", ["best.safetensors", "resume-1.safetensors", "result.json"])
@pytest.mark.parametrize("kind", ["pickle", "torch", "huge header", "deep JSON"])
def test_what_is_not_ours_is_refused_and_not_run(
    trained: Store, tmp_path: Path, name: str, kind: str
):
    mark = tmp_path / "run"
    path = cell_folder(trained) / name
    if kind == "pickle":
        path.write_bytes(pickle.dumps(Bomb(mark)))
    elif kind == "torch":
        torch.save({"weights": Bomb(mark)}, path)
    elif kind == "huge header":
        path.write_bytes((2**63 - 1).to_bytes(8, "little") + b"{}")
    else:
        path.write_bytes(b"[" * 100_000)
    files = trained.cell(CELL.id)
    read = {"best.safetensors": files.best, "resume-1.safetensors": lambda: files.resume(1)}
    with pytest.raises(DamagedArtefact, match=name):
        read.get(name, files.result)()
    (cell_folder(trained) / "result.json").unlink()
    assert run_cell(CELL, trained).done, "it is trained anew"
    assert not mark.exists()


DEEP = b"[" * 100_000 + b"]" * 100_000
"""JSON, but deeper than Python can follow."""


@pytest.mark.parametrize("name", ["spec.json", "history.jsonl", "result.json"])
def test_deep_json_is_damage(trained: Store, name: str):
    (cell_folder(trained) / name).write_bytes(DEEP)
    files = trained.cell(CELL.id)
    read = {"spec.json": files.cell, "history.jsonl": files.history, "result.json": files.result}
    with pytest.raises(DamagedArtefact, match=name):
        read[name]()


def test_deep_json_in_a_sound_tensor_file_is_damage(trained: Store):
    packed = safetensors.torch.save({"w": torch.ones(1)}, {"lbray": DEEP.decode()})
    (cell_folder(trained) / "best.safetensors").write_bytes(packed)
    with pytest.raises(DamagedArtefact, match="too deeply"):
        trained.cell(CELL.id).best()


def test_deep_json_where_a_part_of_it_will_do_is_passed_over(trained: Store):
    (cell_folder(trained) / "scores.json").write_bytes(DEEP)
    assert trained.cell(CELL.id).scores({}) == {}
    trained.files.append("experiments/grid.events.jsonl", DEEP.decode())
    trained.event_log("grid").append("sweep_started")
    assert [event["event"] for event in trained.event_log("grid").read()] == ["sweep_started"]
    trained.files.write("sweeps/0123456789abcdef.json", DEEP)
    with Lease(trained.files) as lease:
        assert lease.others() == []
    trained.files.write("experiments/grid.json", DEEP)
    with pytest.raises(DamagedArtefact, match="too deeply"):
        trained.experiment_cell_ids("grid")


def test_a_link_out_of_the_store_is_not_followed(trained: Store, tmp_path: Path):
    elsewhere = tmp_path / "elsewhere"
    cell_folder(trained).rename(elsewhere)
    cell_folder(trained).symlink_to(elsewhere)
    before = {path.name: path.read_bytes() for path in elsewhere.iterdir()}
    with pytest.raises(InputError, match=r"a symbolic link leads 'cells/.*' out of it"):
        trained.result(CELL.id)
    with pytest.raises(InputError):
        run_cell(CELL, trained)
    assert {path.name: path.read_bytes() for path in elsewhere.iterdir()} == before


def test_a_linked_file_is_not_read(trained: Store, tmp_path: Path):
    secret = tmp_path / "secret.json"
    secret.write_text("{}")
    path = cell_folder(trained) / "result.json"
    path.unlink()
    path.symlink_to(secret)
    with pytest.raises(InputError, match="symbolic link"):
        trained.result(CELL.id)


@pytest.mark.parametrize("cell_id", ["../../outside", "/etc", "a/../../..", ".."])
def test_an_experiment_cannot_name_cells_outside_the_store(trained: Store, cell_id: str):
    record = {"name": "grid", "description": "", "cells": [cell_id]}
    trained.files.write("experiments/grid.json", json.dumps(record).encode())
    with pytest.raises(InputError, match="not a name in a store"):
        analysis.load(trained, "grid")


def test_reading_a_spec_runs_nothing_that_it_names(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "hostile.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(tmp_path)
    params = {"command": f"touch {tmp_path}/run"}
    for loss, backbone in (("os:system", "cnn"), ("hostile:Loss", "hostile:net")):
        settings = CELL.settings | {"loss": loss, "loss_params": params, "lambda": 0.5}
        cell = Cell.resolved(settings | {"backbone": backbone})
        store.cell(cell.id).begin(cell)
        assert store.cell(cell.id).cell() == cell
        assert loss in cell.label
    assert not (tmp_path / "run").exists()


def test_a_spec_that_is_not_the_cells_is_refused(trained: Store):
    path = cell_folder(trained) / "spec.json"
    stored = json.loads(path.read_text())
    stored["settings"] |= {"seed": 99}
    path.write_text(json.dumps(stored))
    with pytest.raises(DamagedArtefact, match=r"spec\.json: it describes the cell"):
        trained.cell(CELL.id).cell()


NO_CONSTRUCTOR = "could not determine a constructor for the tag"


@pytest.mark.parametrize(
    ("tag", "refusal"),
    [
        ("!!python/object/apply:os.system ['touch {run}']", NO_CONSTRUCTOR),
        ("!!python/name:os.system", NO_CONSTRUCTOR),
        ("!!binary aGk=", "loss is b'hi', but must be the name of a loss"),
    ],
)
def test_yaml_builds_nothing_but_values(tmp_path: Path, tag: str, refusal: str):
    path, run = tmp_path / "grid.yaml", tmp_path / "run"
    loss = tag.format(run=run)
    path.write_text(f"settings: {{dataset: digits, seed: 0}}\nblocks:\n  - loss: {loss}\n")
    with pytest.raises(InputError, match=refusal):
        spec.load(path).cells()
    assert not run.exists()


@pytest.mark.parametrize("key", ["description", "settings", "blocks", "another"])
def test_yaml_that_multiplies_itself_is_refused(tmp_path: Path, key: str):
    lines = ["- &a0 [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]"]
    lines += [f"- &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    path = tmp_path / "grid.yaml"
    path.write_text("\n  ".join([f"{key}:", *lines]))
    with pytest.raises(InputError, match=r"more than 100,000 values") as refused:
        spec.load(path)
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize("deep", ["[" * 3000, "[" * 3000 + "]" * 3000, "&a [*a]"])
def test_yaml_without_a_bottom_is_refused(tmp_path: Path, deep: str):
    path = tmp_path / "grid.yaml"
    path.write_text(f"blocks: {deep}")
    with pytest.raises(InputError, match=r"nested too deeply|more than 100,000 values"):
        spec.load(path)


def test_secrets_of_the_environment_are_not_in_the_artefacts(
    store: Store, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s3cr3t-in-the-environment")
    run_cell(Cell.of(**CELL.settings | {"seed": 7}), store)
    assert not files_with("s3cr3t-in-the-environment", store)
    assert files_with("digits", store)

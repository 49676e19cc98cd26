from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from small_cells import small_cell

from lbray.errors import DamagedArtefact, InputError
from lbray.spec import Experiment
from lbray.store import Result, Store


def test_a_result_is_known_only_once_it_is_written(store: Store):
    cell = small_cell()
    files = store.cell(cell.id)
    files.begin(cell)
    assert store.result(cell.id) is None
    assert files.cell() == cell
    files.finish(Result(id=cell.id, status="done", metrics={"test/acc": 0.5}))
    assert store.result(cell.id).metrics == {"test/acc": 0.5}
    files.reopen()
    assert store.result(cell.id) is None


def test_a_finished_cell_keeps_no_resume_file(store: Store, tmp_path: Path):
    cell = small_cell()
    files = store.cell(cell.id)
    for epochs in (9, 10, 11):
        files.write_resume(epochs, {"w": torch.ones(2)}, {"epoch": epochs})
    assert files.resumes() == [11, 10, 9]
    assert files.resume(10)[1] == {"epoch": 10}
    files.drop_resume(10)
    files.drop_resume(10)
    assert files.resumes() == [11, 9]
    with pytest.raises(DamagedArtefact, match=r"resume-10\.safetensors: it is missing"):
        files.resume(10)
    files.finish(Result(id=cell.id, status="done"))
    assert files.resumes() == []
    assert [p.name for p in (tmp_path / "store/cells" / cell.id).iterdir()] == ["result.json"]


def test_weights_are_held_against_their_checksum(store: Store):
    files = store.cell("0123456789abcdef")
    with pytest.raises(DamagedArtefact, match="missing"):
        files.best()
    first = files.write_best({"w": torch.ones(2)}, {})
    assert torch.equal(files.best(first)[0]["w"], torch.ones(2))
    files.write_best({"w": torch.zeros(2)}, {})
    with pytest.raises(DamagedArtefact, match=r"best\.safetensors: it does not match its checksum"):
        files.best(first)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"id": "other", "status": "done"}'])
def test_an_unreadable_or_foreign_result_counts_as_none(store: Store, content: bytes):
    cell = small_cell()
    store.files.write(f"cells/{cell.id}/result.json", content)
    assert store.result(cell.id) is None
    with pytest.raises(DamagedArtefact, match=cell.id):
        store.cell(cell.id).result()


def test_a_spec_that_was_altered_is_noticed(store: Store):
    cell = small_cell()
    store.cell(cell.id).begin(cell)
    name = f"cells/{cell.id}/spec.json"
    spec = json.loads(store.files.read(name))
    spec["settings"]["lambda"] = 0.5
    spec["settings"]["loss"] = "magnet"
    store.files.write(name, json.dumps(spec).encode())
    with pytest.raises(DamagedArtefact, match="it describes the cell"):
        store.cell(cell.id).cell()


def test_experiments_are_found_by_name(store: Store):
    cells = [small_cell(seed=seed) for seed in (0, 1)]
    store.record_experiment(Experiment(name="grid", blocks=({},)), cells)
    store.event_log("grid").append("sweep_started")
    assert store.experiments() == ["grid"]
    assert store.experiment_cell_ids("grid") == [cell.id for cell in cells]
    with pytest.raises(InputError, match="did you mean 'grid'"):
        store.experiment_cell_ids("grdi")


def test_kept_scores_belong_to_what_they_depend_on(store: Store):
    files = store.cell("0123456789abcdef")
    assert files.scores({"weights": "a"}) == {}
    files.write_scores({"weights": "a"}, {"test/silhouette": 0.25})
    assert files.scores({"weights": "a"}) == {"test/silhouette": 0.25}
    assert files.scores({"weights": "b"}) == {}

"""From a laptop to a cluster and back, by an object store and the dashboard's address alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_cloud import TOKEN, FakeCloud, fake_cloud
from laptop import Laptop
from narrator import Narrator
from sweeps import experiment, four_cells, numbers, wait_until

from lbray.store import Store
from lbray.training import run_cell

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(3600)]

GRID = four_cells(workers=2).replace(": 16", ": 8")


@pytest.fixture
def cloud(tmp_path: Path, bucket: str) -> Iterator[FakeCloud]:
    (tmp_path / "head").mkdir()
    caches = {"LBRAY_CACHE": str(tmp_path / "cache"), "LBRAY_DATA": str(tmp_path / "data")}
    with fake_cloud(cwd=tmp_path / "head", **caches) as cloud:
        wait_until(lambda: "Ray runtime started" in (cloud.folder / "head.log").read_text(), 120)
        yield cloud


def ended(laptop: Laptop, job: tuple[str, ...]) -> None:
    wait_until(lambda: "succeeded" in laptop.call("ray", "job", "status", *job), 120)


def test_a_sweep_is_submitted_left_alone_and_followed(
    tmp_path: Path, cloud: FakeCloud, bucket: str, narrator: Narrator
):
    (tmp_path / "laptop").mkdir()
    laptop = Laptop(tmp_path / "laptop", narrator, **TOKEN)
    declared = experiment(tmp_path / "head", GRID)  # as `ray up` would have carried it

    laptop.call("lbray", "data", "push", "digits", "--store", bucket)
    doctor = ("lbray", "doctor", "--address", cloud.dashboard, "--store", bucket)
    said = laptop.call(*doctor, "--dataset", "digits", "--bring-worker")
    assert said.count("a copy in s3://") == 2, "the head's, and that of a worker that has come"
    missing = laptop.call(*doctor, "--dataset", "folder:nowhere", code=2)
    assert "dataset is 'folder:nowhere', which is neither there nor in the store" in missing

    submit = (
        *("ray", "job", "submit", "--address", cloud.dashboard, "--no-wait"),
        *("--submission-id", "grid", "--", "lbray", "sweep", "grid.yaml", "--address", "auto"),
        *("--store", bucket, "--actors", "2"),
    )
    laptop.call(*submit)
    narrator.say("the laptop could be closed now")
    assert "finished" in laptop.call("lbray", "watch", "grid", "--store", bucket)
    job = ("--address", cloud.dashboard, "grid")
    ended(laptop, job)
    assert "all 4 cells done" in laptop.call("ray", "job", "logs", *job)
    laptop.call("ray", "job", "delete", *job)
    laptop.call(*submit)
    ended(laptop, job)
    assert "4 cells, 4 done, 0 failed, 0 to run" in laptop.call("ray", "job", "logs", *job)
    said = laptop.call("lbray", "status", "grid", "--store", bucket)
    assert "4 of 4 cells done" in said

    store, alone = Store(bucket), Store(str(tmp_path / "alone"))
    for cell in declared.cells():
        run_cell(cell, alone)
        used = store.result(cell.id).provenance
        assert used["dataset_source"] == "a copy of bundled with scikit-learn"
    assert json.dumps(numbers(store, declared)) == json.dumps(numbers(alone, declared))
    narrator.say("each result is equal, to the bit, to that of a training here, without Ray")

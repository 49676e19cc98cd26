"""From a laptop to a cluster and back, by an object store and the dashboard's address alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from fake_cloud import TOKEN, FakeCloud, fake_cloud
from laptop import Laptop
from narrator import Narrator
from s3_server import CREDENTIALS, make_bucket, s3_server, uri
from sweeps import experiment, numbers, wait_until

from lbray.store import Store
from lbray.training import run_cell

pytestmark = pytest.mark.cluster

GRID = """
settings: {dataset: digits, seed: [0, 1], max_epochs: 8, patience: 8}
blocks:
  - loss: baseline
  - {loss: magnet, lambda: 0.5}
"""


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    with s3_server() as port:
        make_bucket(port)
        yield uri(port, "bucket/lbray")


@pytest.fixture
def cloud(tmp_path: Path, bucket: str) -> Iterator[FakeCloud]:
    (tmp_path / "head").mkdir()
    caches = {"LBRAY_CACHE": str(tmp_path / "cache"), "LBRAY_DATA": str(tmp_path / "data")}
    with fake_cloud(cwd=tmp_path / "head", **caches) as cloud:
        wait_until(lambda: "Ray runtime started" in (cloud.folder / "head.log").read_text(), 120)
        yield cloud


def test_a_sweep_is_submitted_left_alone_and_followed(
    tmp_path: Path, cloud: FakeCloud, bucket: str, narrator: Narrator
):
    (tmp_path / "laptop").mkdir()
    laptop = Laptop(tmp_path / "laptop", narrator, **TOKEN)
    declared = experiment(tmp_path / "head", GRID)  # as `ray up` would have carried it

    laptop.call("lbray", "data", "push", "digits", "--store", bucket)
    doctor = ("lbray", "doctor", "--address", cloud.dashboard, "--store", bucket)
    assert "a copy in s3://" in laptop.call(*doctor, "--dataset", "digits")
    missing = laptop.call(*doctor, "--dataset", "folder:nowhere", code=2)
    assert "dataset is 'folder:nowhere', which is neither there nor in the store" in missing

    laptop.call(
        *("ray", "job", "submit", "--address", cloud.dashboard, "--no-wait"),
        *("--submission-id", "grid", "--", "lbray", "sweep", "grid.yaml", "--address", "auto"),
        *("--store", bucket, "--actors", "2"),
    )
    narrator.say("the laptop could be closed now")
    assert "finished" in laptop.call("lbray", "watch", "grid", "--store", bucket)
    job = ("--address", cloud.dashboard, "grid")
    wait_until(lambda: "succeeded" in laptop.call("ray", "job", "status", *job), 60)
    assert "all 4 cells done" in laptop.call("ray", "job", "logs", *job)
    said = laptop.call("lbray", "status", "grid", "--store", bucket)
    assert "4 of 4 cells done" in said

    store, alone = Store(bucket), Store(str(tmp_path / "alone"))
    for cell in declared.cells():
        run_cell(cell, alone)
        used = store.result(cell.id).provenance
        assert used["dataset_source"] == "a copy of bundled with scikit-learn"
    assert json.dumps(numbers(store, declared)) == json.dumps(numbers(alone, declared))
    narrator.say("each result is equal, to the bit, to that of a training here, without Ray")

"""Stores that are away for a while, full, or damaged while cells are trained."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from s3_server import CREDENTIALS, Road, s3_bucket
from small_cells import StopAfter
from sweeps import Driver, Watched, assert_nothing_left, files_with, numbers

from lbray.spec import Experiment
from lbray.store import Store
from lbray.training import run_cell

pytestmark = pytest.mark.faults


@pytest.mark.parametrize(("executor", "workers"), [("actor", 1), ("ddp", 2)])
def test_an_object_store_is_away_for_a_while(
    declared: Experiment, undisturbed, tmp_path: Path, command: tuple[str, ...], executor: str
):
    """Neither the store nor a log holds the secret that opens the store."""
    with s3_bucket() as bucket, TemporaryDirectory() as logs:  # a short path, for Ray's sockets
        road = Road(bucket.port)
        store = Store(bucket.uri("results"))
        watched = Watched(declared, store)
        location = bucket.uri("results", road.port)
        words = (*command, "--executor", executor, "--store", location)
        driver = Driver(*words, cwd=tmp_path, RAY_TMPDIR=logs)
        watched.wait_for_the_middle(driver)
        road.close()
        watched.remember()
        time.sleep(15)
        assert watched.epochs()
        road.open()
        code, _, messages = driver.ended()
        assert code == 0, messages
        watched.assert_kept()
        assert numbers(store, declared) == undisturbed
        assert_nothing_left(driver, store)
        assert "FAILED" not in messages
        status = Driver("status", "grid", "--store", location, "--json", cwd=tmp_path)
        assert len(json.loads(status.ended()[1])["done"]) == 4
        road.close()
        secret = CREDENTIALS["AWS_SECRET_ACCESS_KEY"]
        assert secret not in messages
        assert not files_with(secret, store, Path(logs))
        assert any(Path(logs).rglob("raylet.out"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of its own, of 16 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(folder)]
    made = subprocess.run(mount, check=False, capture_output=True, text=True)
    if "must be superuser" in made.stderr or "permission denied" in made.stderr:
        pytest.skip(f"a small disk needs the right to mount: {made.stderr.splitlines()[0]}")
    assert made.returncode == 0, made.stderr
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_the_disk_is_full(declared: Experiment, undisturbed, tmp_path: Path, small_disk: Path):
    store = Store(str(small_disk / "results"))
    watched = Watched(declared, store)
    words = ("sweep", "grid.yaml", "--store", store.location)
    first = Driver(*words, cwd=tmp_path)
    watched.wait_for_the_middle(first)
    watched.remember()
    ballast = small_disk / "ballast"
    _fill(ballast)
    code, _, messages = first.ended()
    assert code == 130, messages
    assert "No space left on device" in messages
    assert f"the same command continues: lbray {' '.join(words)}" in messages
    assert not first.descendants()
    assert "FAILED" not in messages
    assert watched.epochs()
    ballast.unlink()
    second = Driver(*words, cwd=tmp_path)
    code, _, messages = second.ended()
    assert code == 0, messages
    watched.assert_kept()
    assert numbers(store, declared) == undisturbed
    assert_nothing_left(second, store)


def _fill(path: Path) -> None:
    """Take all room there is, whatever is freed meanwhile."""
    deadline = time.monotonic() + 5
    with path.open("ab", buffering=0) as file:
        while time.monotonic() < deadline:
            try:
                file.write(bytes(1024))
            except OSError:
                time.sleep(0.01)


@pytest.mark.parametrize("damage", ["truncated", "bit-flipped", "emptied"])
def test_checkpoints_are_damaged(
    declared: Experiment, results: Store, undisturbed, tmp_path: Path, damage: str
):
    """Of a finished cell none; of others what they continue from, their best weights, or both."""
    finished, *damaged = declared.cells()
    run_cell(finished, results)
    for cell, names in zip(damaged, [["resume-9"], ["best"], ["resume-9", "best"]], strict=True):
        assert run_cell(cell, results, reporter=StopAfter(9)) is None
        accuracies = [epoch["val/acc"] for epoch in results.cell(cell.id).history()]
        assert max(accuracies[:-1]) >= accuracies[-1], "the last weights would be the best ones"
        for name in names:
            _damage(tmp_path / f"results/cells/{cell.id}/{name}.safetensors", damage)
    watched = Watched(declared, results)
    watched.remember()
    driver = Driver("sweep", "grid.yaml", cwd=tmp_path)
    code, _, messages = driver.ended()
    assert code == 0, messages
    watched.assert_kept()
    assert numbers(results, declared) == undisturbed
    assert_nothing_left(driver, results)


def _damage(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "bit-flipped":
        content[len(content) // 2] ^= 1
    path.write_bytes(content[: {"truncated": len(content) // 2, "emptied": 0}.get(how)])

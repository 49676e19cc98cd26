"""Real Ray, real processes, real kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lbray import spec
from lbray.planning import Placement, plan, preflight
from lbray.store import Store
from lbray.sweep import sweep
from lbray.training import run_cell

GRID = """
settings: {dataset: digits, seed: [0, 1], max_epochs: 3, train_size: 600, test_size: 200}
blocks:
  - loss: baseline
  - {loss: [magnet, latent_boost], lambda: 0.5}
"""

USER_MODULE = '''
"""What goes wrong in a user's own code."""
import os
import torch
from torch import nn

class Diverging(nn.Module):
    def forward(self, latents, labels):
        return latents.sum() * torch.nan

class Dying(nn.Module):
    def forward(self, latents, labels):
        os._exit(9)
'''


def experiment(folder: Path, text: str = GRID, name: str = "grid") -> spec.Experiment:
    path = folder / f"{name}.yaml"
    path.write_text(text)
    return spec.load(path)


def run(declared: spec.Experiment, store: Store, actors: int):
    planned = plan(declared.cells(), store)
    preflight(planned, store, None, actors)
    return sweep(declared, planned, store, Placement("actor", "cpu", actors))


def numbers(store: Store, declared: spec.Experiment) -> dict[str, object]:
    """Everything that a cell's settings decide, per cell."""

    def without_time(metrics: dict[str, float]) -> dict[str, float]:
        return {name: value for name, value in metrics.items() if not name.startswith("time/")}

    return {
        cell.id: (
            without_time(store.result(cell.id).metrics),
            [without_time(epoch) for epoch in store.cell(cell.id).history()],
            store.result(cell.id).weights_sha256,
        )
        for cell in declared.cells()
    }


def lbray(*words: str, cwd: Path, **options: object) -> subprocess.Popen[str]:
    program = [sys.executable, "-c", "from lbray.cli import main; main()", *words]
    return subprocess.Popen(
        program,
        cwd=cwd,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **options,
    )


def wait_until(condition, seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about in time"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("undisturbed")
    declared, store = experiment(folder), Store(str(folder / "store"))
    outcome = run(declared, store, actors=2)
    return declared, store, outcome


def test_every_cell_gets_its_result(undisturbed):
    declared, store, outcome = undisturbed
    assert (outcome.total, outcome.missing, outcome.count("failed")) == (6, 0, 0)
    assert not outcome.interrupted
    assert store.experiment_cell_ids("grid") == [cell.id for cell in declared.cells()]
    assert {result.provenance["executor"] for result in outcome.results.values()} == {"actor"}
    assert {result.provenance["threads"] for result in outcome.results.values()} == {1}
    events = store.files.read("experiments/grid.events.jsonl").decode().splitlines()
    kinds = [json.loads(line)["event"] for line in events]
    assert kinds[0] == "sweep_started"
    assert kinds[-1] == "sweep_finished"
    assert kinds.count("cell_started") == kinds.count("cell_done") == 6


def test_neither_actors_nor_their_number_change_a_result(undisturbed, tmp_path: Path):
    declared, reference, _ = undisturbed
    inline, one_actor = Store(str(tmp_path / "inline")), Store(str(tmp_path / "one"))
    for cell in declared.cells():
        run_cell(cell, inline)
    assert numbers(inline, declared) == numbers(reference, declared)
    run(declared, one_actor, actors=1)
    assert numbers(one_actor, declared) == numbers(reference, declared)


def test_a_second_sweep_has_nothing_to_do_and_a_longer_grid_only_what_is_new(
    undisturbed, tmp_path: Path
):
    declared, store, outcome = undisturbed
    again = plan(declared.cells(), store)
    assert again.missing == ()
    assert {cell.id for cell in again.done} == set(outcome.results)
    longer = experiment(tmp_path, GRID.replace("lambda: 0.5", "lambda: [0.5, 0.75]"))
    planned = plan(longer.cells(), store)
    assert len(planned.done) == 6
    assert {(cell.lam, cell.loss) for cell in planned.missing} == {
        (0.75, "magnet"),
        (0.75, "latent_boost"),
    }


def test_failing_cells_are_recorded_and_the_others_go_on(tmp_path: Path):
    (tmp_path / "own.py").write_text(USER_MODULE)
    (tmp_path / "grid.yaml").write_text(
        "settings: {dataset: digits, seed: 0, max_epochs: 1, train_size: 300, lambda: 0.5}\n"
        "blocks: [{loss: [magnet, own:Diverging, own:Dying, triplet]}]"
    )
    driver = lbray("sweep", "grid.yaml", cwd=tmp_path)
    _, messages = driver.communicate(timeout=200)
    assert driver.returncode == 1, messages
    assert "2 of 4 cells failed" in messages
    status = lbray("status", "grid", "--json", cwd=tmp_path)
    state = json.loads(status.communicate(timeout=60)[0])
    assert (len(state["done"]), len(state["failed"]), len(state["missing"])) == (2, 2, 0)
    reasons = sorted(state["failed"].values())
    assert reasons[0].startswith("its process died")
    assert reasons[1].startswith("the loss is nan at epoch 0, step 0")
    assert (tmp_path / "results" / "cells").is_dir(), "a relative store lies where the user stands"


LONG = GRID.replace("max_epochs: 3", "max_epochs: 12")


@pytest.fixture(scope="module")
def long_reference(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("reference")
    declared, store = experiment(folder, LONG), Store(str(folder / "store"))
    for cell in declared.cells():
        run_cell(cell, store)
    return numbers(store, declared)


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT], ids=["SIGKILL", "Ctrl-C"])
def test_a_sweep_that_is_stopped_half_way_is_completed_by_the_same_command(
    tmp_path: Path, long_reference, kill: signal.Signals
):
    declared, store = experiment(tmp_path, LONG), Store(str(tmp_path / "results"))

    def finished() -> list[Path]:
        return list((tmp_path / "results" / "cells").glob("*/result.json"))

    first = lbray("sweep", "grid.yaml", cwd=tmp_path)
    wait_until(lambda: len(finished()) >= 2 or first.poll() is not None)
    os.kill(first.pid, kill)
    _, messages = first.communicate(timeout=60)
    kept = {path: path.stat().st_mtime_ns for path in finished()}
    assert 2 <= len(kept) < 6
    if kill == signal.SIGINT:
        assert first.returncode == 130
        assert "the same command continues: lbray sweep grid.yaml" in messages
    second = lbray("sweep", "grid.yaml", cwd=tmp_path)
    _, messages = second.communicate(timeout=200)
    assert second.returncode == 0, messages
    assert {path: path.stat().st_mtime_ns for path in kept} == kept, "a finished cell ran again"
    assert numbers(store, declared) == long_reference
    assert not list((tmp_path / "results").rglob("*.tmp"))
    assert not list((tmp_path / "results").rglob("resume.safetensors"))

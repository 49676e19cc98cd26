"""Real Ray, real processes, real kills."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path

import pytest
from sweeps import GRID, LONG, Driver, actors, experiment, left_behind, numbers, run, wait_until

from lbray.planning import plan
from lbray.spec import Cell
from lbray.store import Store
from lbray.sweep.sweep import _Run
from lbray.training import run_cell

USER_MODULE = '''
"""What goes wrong in a user's own code."""
import os
import torch
from torch import nn

class Diverging(nn.Module):
    def forward(self, latents, labels):
        return latents.sum() * torch.nan

class Dying(nn.Module):
    calls = 0

    def forward(self, latents, labels):
        self.calls += 1
        if self.calls == 2:
            os._exit(9)
        return latents.square().mean()
'''


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("undisturbed")
    declared, store = experiment(folder), Store(str(folder / "store"))
    outcome = run(declared, store, actors(2))
    return declared, store, outcome


def test_every_cell_gets_its_result(undisturbed):
    declared, store, outcome = undisturbed
    assert (outcome.total, outcome.missing, outcome.count("failed")) == (6, 0, 0)
    assert not outcome.interrupted
    assert store.experiment_cell_ids("grid") == [cell.id for cell in declared.cells()]
    assert {result.provenance["executor"] for result in outcome.results.values()} == {"actor"}
    assert {result.provenance["threads"] for result in outcome.results.values()} == {1}
    kinds = [event["event"] for event in store.event_log("grid").read()]
    assert kinds[0] == "sweep_started"
    assert kinds[-1] == "sweep_finished"
    assert kinds.count("cell_started") == kinds.count("cell_done") == 6


def test_neither_actors_nor_their_number_nor_tunes_experiments_change_a_result(
    undisturbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    declared, reference, _ = undisturbed
    inline, one_actor = Store(str(tmp_path / "inline")), Store(str(tmp_path / "one"))
    for cell in declared.cells():
        run_cell(cell, inline)
    assert numbers(inline, declared) == numbers(reference, declared)
    in_one_experiment = _Run._fit
    sizes = []

    def fit(self: _Run, cells: list[Cell]) -> None:
        sizes.append(len(cells))
        in_one_experiment(self, cells)

    monkeypatch.setattr(_Run, "_fit", fit)
    monkeypatch.setattr(sys.modules[_Run.__module__], "_MOST_CELLS", 4)
    run(declared, one_actor, actors(1))
    assert sizes == [4, 2]
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
    code, _, messages = Driver("sweep", "grid.yaml", cwd=tmp_path).ended()
    assert code == 1, messages
    assert "2 of 4 cells failed" in messages
    state = json.loads(Driver("status", "grid", "--json", cwd=tmp_path).ended()[1])
    assert (len(state["done"]), len(state["failed"]), len(state["missing"])) == (2, 2, 0)
    reasons = sorted(state["failed"].values())
    assert reasons[0].startswith("its process died")
    assert reasons[1].startswith("the loss is nan at epoch 1, step 1")
    assert (tmp_path / "results" / "cells").is_dir(), "a relative store lies where the user stands"


@pytest.fixture(scope="module")
def long_reference(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("reference")
    declared, store = experiment(folder, LONG), Store(str(folder / "store"))
    for cell in declared.cells():
        run_cell(cell, store)
    return numbers(store, declared)


def test_a_sweep_that_is_killed_half_way_is_completed_by_the_same_command(
    tmp_path: Path, long_reference
):
    declared, store = experiment(tmp_path, LONG), Store(str(tmp_path / "results"))

    def finished() -> list[Path]:
        return list((tmp_path / "results" / "cells").glob("*/result.json"))

    first = Driver("sweep", "grid.yaml", cwd=tmp_path)
    wait_until(lambda: len(finished()) >= 2, drivers=[first])
    first.process.kill()
    first.ended(60)
    kept = {path: path.stat().st_mtime_ns for path in finished()}
    assert 2 <= len(kept) < 6
    state = json.loads(Driver("status", "grid", "--json", cwd=tmp_path).ended()[1])
    assert (state["state"], state["running"], state["seconds_left"]) == ("killed", {}, None)
    code, _, messages = Driver("sweep", "grid.yaml", cwd=tmp_path).ended()
    assert code == 0, messages
    assert {path: path.stat().st_mtime_ns for path in kept} == kept, "a finished cell ran again"
    assert numbers(store, declared) == long_reference
    assert not left_behind(store)
    wait_until(lambda: not first.descendants())


def test_a_sweep_that_breaks_is_not_told_of_as_running(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def broken(*_: object) -> None:
        raise RuntimeError("Ray does not start")

    monkeypatch.setattr(import_module("lbray.sweep.sweep"), "ray_session", broken)
    declared, store = experiment(tmp_path), Store(str(tmp_path / "store"))
    with pytest.raises(RuntimeError, match="Ray does not start"):
        run(declared, store, actors(2))
    kinds = [event["event"] for event in store.event_log("grid").read()]
    assert kinds == ["sweep_started", "sweep_interrupted"]
    assert not left_behind(store)

"""Schedulers and trackers in real sweeps: what they end is marked, and finished without them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from small_cells import small_cell
from sweeps import (
    Driver,
    actors,
    experiment,
    files_with,
    left_behind,
    run,
    wait_for_a_held_cell,
    wait_until,
)
from trials import Trial

import analysis
from lbray.errors import InputError
from lbray.planning import plan
from lbray.store import Lease, Store
from lbray.sweep import Limits, scheduler, trackers
from lbray.sweep.population import described
from lbray.sweep.trackers import TensorBoard

GRID = """
settings: {dataset: digits, seed: [0, 1], max_epochs: 10, train_size: 300, test_size: 100}
blocks:
  - {loss: magnet, lambda: [0.1, 0.9]}
"""


@pytest.mark.parametrize("name", ["asha", "pbt"])
def test_what_a_scheduler_ended_is_in_no_table_until_a_sweep_without_one_trains_it(
    tmp_path: Path, name: str
):
    declared, store = experiment(tmp_path, GRID), Store(str(tmp_path / "store"))
    with Lease(store.files) as another:
        if name == "asha":  # it hears of a cell that is held before it hears of its accuracy
            held = declared.cells()[0].id
            another.claim(held)
            threading.Thread(target=_release_when_told, args=(another, held, store)).start()
        outcome = run(declared, store, actors(2), limits=Limits(scheduler=name))
    pruned = {cell for cell, each in outcome.results.items() if each.status == "pruned"}
    assert outcome.count("failed") == 0
    assert len(outcome.results) == 4
    assert pruned
    if name == "asha":
        assert len(pruned) < 4, "the best of each rung goes on, and ends as any cell does"
    if name == "pbt":
        assert len(pruned) == 4, "λ moved while it was trained, so none is the cell it began as"
        assert all("explored by pbt: λ = " in r.reason for r in outcome.results.values())
    assert set(analysis.left_out(analysis.load(store, "grid"))) == pruned
    assert not plan(declared.cells(), store, keep_pruned=True).missing
    assert {cell.id for cell in plan(declared.cells(), store).missing} == pruned
    assert run(declared, store, actors(2)).count("done") == 4
    assert len(analysis.load(store, "grid")) == 4
    assert not left_behind(store)


def _release_when_told(holder: Lease, cell_id: str, store: Store) -> None:
    """Give a claim back when another sweep has told that it met with it."""
    wait_for_a_held_cell(store)
    holder.release(cell_id)


def test_a_path_of_lambda_is_told_by_its_turns():
    assert described([0.25]) == "0.25 to epoch 1"
    assert described([0.25, 0.25, 0.3, 0.2]) == "0.25 to epoch 2, 0.3 to epoch 3, 0.2 to epoch 4"


@pytest.mark.parametrize(
    ("name", "changes", "executor", "sentence"),
    [
        ("asha", {}, "fused", "which ends single processes, but --executor is fused"),
        ("median", {}, "ddp", "which ends single processes, but --executor is ddp"),
        ("ashes", {}, "actor", "unknown scheduler 'ashes'; did you mean 'asha'"),
        ("asha", {"dataset": "fashion_mnist"}, "actor", "the cells are of 2 datasets"),
        ("pbt", {"backbone": "resnet18"}, "actor", "the cells are of 2 backbones (cnn, resnet18)"),
        ("pbt", {"loss": "baseline", "lambda": 0.0}, "actor", "1 of the cells are baselines"),
        ("pbt", {"loss": "triplet"}, "actor", "the cells are of 2 losses (magnet, triplet)"),
        ("pbt", {"lambda_schedule": "learned"}, "actor", "but lambda_schedule is learned"),
        ("pbt", {}, "ddp", "--executor is ddp; it must be actor then"),
    ],
)
def test_cells_that_a_scheduler_cannot_rank_are_refused(
    name: str, changes: dict[str, object], executor: str, sentence: str
):
    plain = {"loss": "magnet", "lambda": 0.5}
    cells = [small_cell(**plain), small_cell(**plain | changes)]
    with pytest.raises(InputError) as refused:
        scheduler(name, cells, executor)
    assert sentence in str(refused.value)


def test_of_a_few_cells_it_is_told_how_many_are_left_and_tensorboard_has_a_run_of_each(
    tmp_path: Path,
):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    declared, store = experiment(tmp_path, GRID), Store(str(tmp_path / "results"))
    code, _, messages = Driver("sweep", "grid.yaml", "--max-cells", "2", cwd=tmp_path).ended()
    assert code == 0, messages
    assert "2 cells to go; the same command continues" in messages
    runs = sorted((tmp_path / "results/tensorboard/grid").iterdir())
    assert [run.name for run in runs] == sorted(cell.id for cell in declared.cells()[:2])
    for each in runs:
        events = EventAccumulator(str(each)).Reload()
        written = [(scalar.step, scalar.value) for scalar in events.Scalars("val/acc")]
        history = store.cell(each.name).history()
        assert written == [
            (epoch["epoch"] + 1, pytest.approx(epoch["val/acc"])) for epoch in history
        ]


def test_weights_and_biases_hears_of_each_cell_and_its_key_is_in_no_log(tmp_path: Path):
    experiment(tmp_path, GRID)
    key = "0123456789abcdef" * 2 + "01234567"
    with TemporaryDirectory() as logs:  # a short path, for Ray's sockets
        driver = Driver(
            *("sweep", "grid.yaml", "--max-cells", "2", "--tracker", "wandb"),
            cwd=tmp_path,
            RAY_TMPDIR=logs,
            WANDB_API_KEY=key,
            WANDB_DIR=str(tmp_path),
            WANDB_MODE="offline",
        )
        wait_until(lambda: driver.descendants("RunWriter"), drivers=[driver])  # it has the key
        code, _, messages = driver.ended()
        assert code == 0, messages
        runs = list(tmp_path.glob("wandb/offline-run-*/run-*.wandb"))
        assert len(runs) == 2
        assert all(b"val/acc" in run.read_bytes() for run in runs)
        assert not files_with(key, tmp_path, Path(logs))
        assert any(Path(logs).rglob("runtime_env_agent.log"))


BUSY = """
import os, queue, threading
import psutil
from ray.air.integrations.wandb import _QueueItem
from wandb.sdk.lib.service.service_connection import ServiceConnection
from lbray.sweep.weights_and_biases import RunWriter

told, items = ServiceConnection.inform_finish, queue.Queue()

def told_while_it_is_busy(*arguments, **options):
    (file_writer,) = psutil.Process().children()
    file_writer.suspend()
    threading.Timer(1, file_writer.resume).start()
    told(*arguments, **options)

ServiceConnection.inform_finish = told_while_it_is_busy
items.put((_QueueItem.RESULT, {"val/acc": 0.5}))
items.put((_QueueItem.END, None))
RunWriter(os.getcwd(), items, [], [], project="grid", mode="offline").run()
for process in [*psutil.Process().children(), psutil.Process()]:
    process.kill()
"""


def test_a_run_of_weights_and_biases_is_whole_when_ray_kills_what_has_written_it(tmp_path: Path):
    """However busy the process is that writes the run's file, which is killed with its parent."""
    code = subprocess.run([sys.executable, "-c", BUSY], cwd=tmp_path, check=False).returncode
    assert code == -signal.SIGKILL
    (run,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    assert b"val/acc" in run.read_bytes()


def test_by_the_median_a_cell_is_ended_that_stays_below_the_others_means():
    """After a tenth of its epochs, which are 30."""
    rule, tune_itself = scheduler("median", [small_cell(max_epochs=30)]), Mock()
    tune_itself.get_live_trials.return_value = []
    accuracies = {Trial(): 0.9, Trial(): 0.7, Trial(): 0.8, Trial(): 0.1}
    poor, ended = list(accuracies)[-1], {}
    for epochs in range(1, 31):
        for trial in [each for each in accuracies if each not in ended]:
            told = {"epochs": epochs, "val/acc": accuracies[trial]}
            if rule.on_trial_result(tune_itself, trial, told) == rule.STOP:
                ended[trial] = epochs
    assert ended == {poor: 3}


def test_however_many_cells_a_trial_has_few_runs_are_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    monkeypatch.setattr(sys.modules[TensorBoard.__module__], "_OPEN", 2)
    board, trial = TensorBoard(str(tmp_path)), SimpleNamespace(trial_id="one")
    before = threading.active_count()  # a run that is open has a thread
    for epochs, cell in enumerate("abcabd"):
        board.log_trial_result(0, trial, {"cell": cell, "epochs": epochs, "val/acc": 0.5})
        assert before < threading.active_count() <= before + 2
    board.log_trial_end(trial)
    assert threading.active_count() == before
    steps = {
        each.name: [event.step for event in EventAccumulator(str(each)).Reload().Scalars("val/acc")]
        for each in sorted(tmp_path.iterdir())
    }
    assert steps == {"a": [0, 3], "b": [1, 4], "c": [2], "d": [5]}


@pytest.mark.parametrize(
    ("names", "location", "sentence"),
    [
        (["tensorbord"], "store", "unknown tracker 'tensorbord'; did you mean 'tensorboard'"),
        (["tensorboard"], "mock://x", "--tracker is tensorboard, which writes into a local"),
        (["mlflow"], "store", "--tracker is mlflow, which is not installed: pip install mlflow"),
    ],
)
def test_a_tracker_that_cannot_be_had_is_refused(
    tmp_path: Path, names: list[str], location: str, sentence: str
):
    store = Store(location if "://" in location else str(tmp_path / location))
    with pytest.raises(InputError) as refused:
        trackers(names, "grid", store)
    assert sentence in str(refused.value)


def test_a_tracker_that_does_not_work_is_refused_before_tune_finds_out(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "mlflow.py").write_text("raise ImportError('not for this Python.')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError) as refused:
        trackers(["mlflow"], "grid", store)
    sentence = "--tracker is mlflow, which does not work here: not for this Python."
    assert str(refused.value) == sentence


def test_a_tracker_with_a_run_per_process_follows_no_lanes(
    store: Store, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys.modules[TensorBoard.__module__], "find_spec", lambda name: True)
    with pytest.raises(InputError, match="--tracker is mlflow, which has a run for each process"):
        trackers(["mlflow"], "grid", store, "fused")


def test_without_a_tracker_named_none_is_none(store: Store):
    assert trackers(["none"], "grid", store) == []


def test_when_its_time_is_up_a_sweep_ends_and_the_same_command_continues(tmp_path: Path):
    experiment(tmp_path, GRID)
    code, _, messages = Driver(
        "sweep", "grid.yaml", "--max-hours", "0.0001", "--set", "max_epochs=90", cwd=tmp_path
    ).ended()
    assert code == 130, messages
    words = "--store results --set max_epochs=90 --max-hours 0.0001"
    assert f"the same command continues: lbray sweep grid.yaml {words}\n" in messages
    state = json.loads(Driver("status", "grid", "--json", cwd=tmp_path).ended()[1])
    assert (state["failed"], state["state"]) == ({}, "interrupted")

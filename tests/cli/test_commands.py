from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import threading
import time
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from rich.console import Console
from sweeps import left_behind

from lbray import losses, own_code
from lbray.cli import main
from lbray.cli.options import Folder, parse_overrides
from lbray.losses import registry
from lbray.monitor import Board, Display
from lbray.planning import Machine, Placement, plan
from lbray.spec import Cell, load, single
from lbray.store import Lease, Result, Store
from lbray.sweep.journal import Journal
from lbray.training import run_cell


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lbray", *words])
        with pytest.raises(SystemExit) as exit_:
            main()
        torch.set_num_threads(1)
        out, err = capsys.readouterr()
        return exit_.value.code, out, err

    return run


CELL = ["dataset=digits", "max_epochs=2", "train_size=400", "test_size=100"]


def test_run_trains_one_cell_and_prints_its_result(call):
    words = ["run", *CELL, "loss=magnet", "lambda=0.5", "seed=1", "--threads", "1"]
    code, out, err = call(*words)
    result = json.loads(out)
    assert code == 0
    assert result["status"] == "done"
    assert 0 <= result["metrics"]["test/acc"] <= 1
    assert "epoch 2: loss" in err
    code, out, err = call(*words)
    assert json.loads(out) == result
    assert "epoch" not in err


def test_run_leaves_a_cell_to_the_sweep_that_trains_it(call, tmp_path: Path):
    words = ["run", *CELL, "seed=1"]
    store = Store(str(tmp_path / "results"))
    with Lease(store.files) as sweep:
        sweep.claim(single({"seed": 1, **parse_overrides(tuple(CELL))}).id)
        code, _, err = call(*words)
    assert code == 2
    assert f", which process {os.getpid()} on " in err
    code, _, _ = call(*words)
    assert code == 0
    assert not left_behind(store)


def test_run_takes_the_parameters_of_a_loss(call):
    code, out, _ = call("run", *CELL, "loss={name: triplet, margin: 0.2}", "lambda=0.5")
    assert code == 0
    cell = Cell.of(
        dataset="digits",
        max_epochs=2,
        train_size=400,
        test_size=100,
        seed=0,
        loss="triplet",
        loss_params={"margin": 0.2},
        **{"lambda": 0.5},
    )
    assert json.loads(out)["id"] == cell.id


def test_run_needs_a_lambda_for_a_loss(call):
    code, _, err = call("run", *CELL, "loss=magnet")
    assert code == 2
    assert "lambda is missing" in err


OWN = """
from torch import nn
class Own(nn.Module):
    calls = 0
    def forward(self, latents, labels):
        self.calls += 1
        return {} if self.calls > 1 else latents.mean()
"""


def test_a_failed_cell_is_tried_again_and_a_changed_file_is_told(
    call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def run_with(body: str) -> tuple[int, str, str]:
        (tmp_path / "changing.py").write_text(OWN.format(body))
        sys.modules.pop("changing", None)
        registry.made_by.cache_clear()
        own_code.digest.cache_clear()
        return call("run", *CELL, "loss=changing:Own", "lambda=0.5")

    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    code, out, _ = run_with("latents[:, :0].square()")
    assert code == 1
    wrong = "the loss Own returned a tensor of shape [128, 0], but must return one number"
    assert wrong in json.loads(out)["reason"]
    code, out, _ = run_with("latents.nonsense")
    assert code == 1
    assert f"({tmp_path / 'changing.py'}:7, in forward)" in json.loads(out)["reason"]
    code, _, err = run_with("latents.square().mean()")
    assert (code, "epoch 2" in err) == (0, True)
    code, _, err = run_with("latents.square().sum() * 0.01")
    assert (code, "epoch 2" in err) == (0, False)
    assert "the file of changing:Own has changed since 1 of these cells were trained" in err
    assert "it is in results already, and not trained again" in err


def test_run_says_when_a_cell_failed(call, tmp_path: Path):
    (tmp_path / "own.py").write_text(
        "from torch import nn\n"
        "class Raising(nn.Module):\n"
        "    calls = 0\n"
        "    def forward(self, latents, labels):\n"
        "        self.calls += 1\n"
        "        if self.calls > 1: raise RuntimeError('no')\n"
        "        return latents.mean()\n"
    )
    code, out, _ = call("run", *CELL, "loss=own:Raising", "lambda=0.5")
    assert code == 1
    own = tmp_path / "own.py"
    assert json.loads(out)["reason"] == f"RuntimeError: no ({own}:6, in forward)"


def test_a_dry_run_lists_what_would_run(call, tmp_path: Path):
    (tmp_path / "grid.yaml").write_text(
        "settings: {dataset: digits, seed: [0, 1]}\nblocks: [{loss: magnet, lambda: [0, 0.5]}]"
    )
    code, out, err = call("sweep", "grid.yaml", "--dry-run")
    assert code == 0
    assert [line.split("  ")[1] for line in out.splitlines()] == [
        "digits cnn baseline λ=0 seed=0",
        "digits cnn magnet λ=0.5 seed=0",
        "digits cnn baseline λ=0 seed=1",
        "digits cnn magnet λ=0.5 seed=1",
    ]
    assert "4 cells, 0 done, 0 failed, 4 to run" in err
    assert not (tmp_path / "results").exists()


def test_a_dry_run_tells_who_runs_the_cells_and_what_other_experiments_have_done(
    call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    grid = "settings: {dataset: digits, seed: SEEDS, max_epochs: 1}\nblocks: [{loss: baseline}]"
    store = Store(str(tmp_path / "results"))
    for name, seeds in (("one", "[0, 1]"), ("two", "1"), ("grid", "[0, 1, 2]")):
        (tmp_path / f"{name}.yaml").write_text(grid.replace("SEEDS", seeds))
    for name in ("one", "two"):
        declared = load(tmp_path / f"{name}.yaml")
        store.record_experiment(declared, declared.cells())
        for cell in declared.cells():
            run_cell(cell, store)
    monkeypatch.setattr(Machine, "detect", lambda: Machine.of(2, 0))
    code, out, err = call("sweep", "grid.yaml", "--dry-run", "--executor", "actor")
    assert code == 0, err
    assert "3 cells, 2 done, 0 failed, 1 to run" in err
    assert "of those done, 2 are shared with the experiment one" in err
    assert "of those done, 1 are shared with the experiment two" in err
    assert "executor actor: 2 at a time on cpu (as asked for)" in err
    assert len(out.splitlines()) == 1


def test_cells_that_a_scheduler_ended_are_trained_by_the_command_that_is_told(call, tmp_path: Path):
    (tmp_path / "grid.yaml").write_text(
        "settings: {dataset: digits, seed: [0, 1]}\nblocks: [{loss: magnet, lambda: 0.5}]"
    )
    store = Store(str(tmp_path / "results"))
    for cell in load(tmp_path / "grid.yaml").cells():
        store.cell(cell.id).give_up(cell, "pruned", "ended by asha after epoch 3 of 100")
    words = ("sweep", "grid.yaml", "--max-cells", "1", "--scheduler", "asha")
    code, _, err = call(*words, "--dry-run")
    assert code == 0, err
    code, _, err = call(*words)
    assert code == 0, err
    again = err.partition("to train them to their end: ")[2]
    assert again == "lbray sweep grid.yaml --store results --max-cells 1\n"
    _, out, err = call(*again.split()[1:], "--dry-run")
    assert "2 cells, 0 done, 0 failed, 2 to run" in err
    assert len(out.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "hours"),
    [
        ([], 2.0),
        (["--threads", "2"], 4.0),
        (["--workers-per-cell", "2"], 2.5),
        (["--max-cells", "1"], 1.25),  # which two workers share
    ],
)
def test_a_dry_run_counts_every_core_that_a_cell_has(
    call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], hours: float
):
    """Cells of an hour on a core each, on two, or on two workers at 80% of their rate."""
    monkeypatch.setattr("lbray.planning.Machine.detect", lambda: Machine("cpu", 2, 2))
    monkeypatch.setattr("lbray.training.epoch_seconds", lambda *_: 3600.0)
    (tmp_path / "grid.yaml").write_text(
        "settings: {dataset: digits, seed: [0, 1], max_epochs: 1}\nblocks: [{loss: baseline}]"
    )
    price = ["--dry-run", "--price-per-hour", "2", "--max-hours", "0.5"]
    code, _, err = call("sweep", "grid.yaml", *price, *words)
    assert code == 0, err
    assert f"{hours:.3g} device-hours, {2 * hours:.2f} at 2 per hour (by finished cells" in err
    assert "--max-hours ends it after 0.5 h" in err


def test_what_a_file_here_is_called_does_not_matter_to_the_program(tmp_path: Path):
    """As long as no loss or backbone is named by it; also where lbray is found last of all, as
    after `pip install -e`."""
    for name in ("analysis", "statistics", "lbray"):
        (tmp_path / f"{name}.py").write_text("raise RuntimeError('not meant')")
    root = str(Path(__file__).parents[2])
    program = (
        f"import sys; sys.path[0] = {root!r}; from lbray.cli import main; sys.path.pop(0); main()"
    )
    table = Path(str(files("analysis") / "paper_tables" / "table5_silhouette.csv"))
    command = [sys.executable, "-c", program, "audit", str(table)]
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=bare)
    assert done.returncode == 0, done.stderr
    assert "printed percentages: 0 of" in done.stdout


def test_status_tells_a_sweep_that_runs_from_one_that_was_killed(call, tmp_path: Path):
    (tmp_path / "grid.yaml").write_text(
        "settings: {dataset: digits, seed: 0}\nblocks: [{loss: baseline}]"
    )
    declared, store = load(tmp_path / "grid.yaml"), Store(str(tmp_path / "results"))
    cells = declared.cells()
    store.record_experiment(declared, cells)
    with Lease(store.files) as lease:
        journal = Journal(store.event_log("grid"), Board(), Display(Board(), Console()), lease.id)
        journal.sweep_started(plan(cells, store), Placement("actor", "cpu", 1), [])
        journal.cell_started(cells[0])
        assert "0 of 1 cells done, 1 running; time left unknown yet" in call("status", "grid")[1]
    said = call("status", "grid")[1]
    assert "0 of 1 cells done, 0 running; killed, 1 missing" in said
    assert "running  digits" not in said


@pytest.mark.parametrize("words", [[], ["--json"]])
def test_watch_follows_a_sweep_from_another_terminal_until_it_ends(
    call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str]
):
    """Also from before it begins, and over a driver that was killed and another that goes on."""
    monkeypatch.setattr("lbray.cli.status._POLL_S", 0.05)
    (tmp_path / "grid.yaml").write_text(
        "settings: {dataset: digits, seed: 0}\nblocks: [{loss: baseline}]"
    )
    declared, store = load(tmp_path / "grid.yaml"), Store(str(tmp_path / "results"))
    cell = declared.cells()[0]
    store.record_experiment(declared, [cell])

    def begin(sweep: str) -> Journal:
        display = Display(Board(), Console(file=io.StringIO()))
        journal = Journal(store.event_log("grid"), Board(), display, sweep)
        journal.sweep_started(plan([cell], store), Placement("actor", "cpu", 1), [])
        journal.cell_started(cell)
        return journal

    def drive() -> None:
        time.sleep(0.3)
        begin("killed")
        time.sleep(0.5)
        with Lease(store.files) as lease:
            journal = begin(lease.id)
            time.sleep(0.5)
            ends = {"val/acc": 0.5, "epochs/best": 2.0, "epochs/stopped": 3.0}
            journal.cell_ended(cell, Result(id=cell.id, status="done", metrics=ends))
            journal.sweep_ended(interrupted=False)

    driver = threading.Thread(target=drive)
    driver.start()
    code, out, err = call("watch", "grid", *words)
    driver.join()
    assert code == 0
    assert err.splitlines()[-1] == "grid: 1 of 1 cells done, 0 running; finished"
    told = [json.loads(line)["event"] for line in out.splitlines()]
    if words:
        begun = ["sweep_started", "cell_started"]
        assert told == [*begun, *begun, "cell_done", "sweep_finished"]
    else:
        killed = "grid: 0 of 1 cells done, 0 running; killed, waiting for another sweep"
        assert err.splitlines().count(killed) == 1
        assert "[1/1] digits cnn baseline λ=0 seed=0: best validation 50.00% at epoch 2 of 3" in err


def test_data_is_listed_and_verified(call):
    code, out, _ = call("data", "list")
    assert code == 0
    assert "bundled with scikit-learn" in out
    code, out, _ = call("data", "verify", "digits")
    assert code == 0
    assert "1,437 training and 360 test images of 10 classes" in out


def test_data_is_pushed_and_then_trained_on(call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("LBRAY_CACHE", str(tmp_path / "cache"))
    code, out, _ = call("data", "push", "digits", "--store", "store")
    assert code == 0
    assert out.startswith("digits: 0.1 MB in store, fingerprint e4d80aec")
    code, out, _ = call("run", *CELL, "loss=baseline", "--store", "store")
    provenance = json.loads(out)["provenance"]
    assert provenance["dataset_source"] == "a copy of bundled with scikit-learn"
    code, _, err = call("data", "push", "nothing", "--store", "store")
    assert code == 2
    assert "unknown dataset 'nothing'" in err


def test_losses_are_described_from_their_docstrings(call):
    code, out, err = call("losses")
    assert code == 0
    assert err == ""
    for name in losses.names():
        assert f"{name}: " in out
        for parameter, default in losses.parameters(name).items():
            assert f"    {parameter} ({json.dumps(default)}): " in out
    assert "alpha (1.0): the margin α. Without `hinge` it is an additive constant" in out
    assert "Contrastive loss (Chopra, Hadsell and LeCun 2005; Eq. 1 of the paper)." in out
    assert "warmup_epochs is 5 unless it is set" in out
    assert "Args:" not in out


def test_losses_as_json_and_by_name(call, tmp_path: Path):
    (tmp_path / "mine.py").write_text(
        "from torch import nn\n"
        "class Bare(nn.Module):\n"
        "    def __init__(self, strength=1.5): super().__init__()\n"
    )
    code, out, _ = call("losses", "--json", "magnet", "pml:P2SGradLoss", "mine:Bare")
    assert code == 0
    described = json.loads(out)
    assert list(described) == ["magnet", "pml:P2SGradLoss", "mine:Bare"]
    assert "Eq. 4" in described["magnet"]["title"]
    assert "log Σ exp(−‖r_n − μ_c‖² / 2σ²)" in described["magnet"]["text"]
    hinge = described["magnet"]["parameters"]["hinge"]
    assert hinge["default"] is False
    assert hinge["note"].startswith("take the positive part of each term")
    assert described["pml:P2SGradLoss"]["parameters"]["num_classes"] == {
        "default": None,
        "required": True,
        "filled_in": True,
        "note": "",
    }
    assert described["mine:Bare"]["text"] == described["mine:Bare"]["title"] == ""
    assert described["mine:Bare"]["parameters"]["strength"]["default"] == 1.5
    code, out, _ = call("losses", "pml:P2SGradLoss", "pml:ProxyAnchorLoss", "mine:Bare")
    assert "num_classes (from data and backbone)" in out
    assert "Base class for all neural network modules" not in out


def test_help_does_not_wait_for_torch(call):
    import subprocess

    program = "import sys; from lbray.cli import main\nassert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)
    code, out, _ = call("sweep", "--help")
    assert code == 0
    assert "The same command again continues" in out


@pytest.mark.parametrize("given", ["~/report", "~"])
def test_a_folder_may_begin_with_a_tilde_that_no_shell_replaced(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, given: str
):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Folder().convert(given, None, None) == tmp_path / given[2:]

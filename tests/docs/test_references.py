"""The pages of reference are what the code says now."""

from __future__ import annotations

import inspect
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from lbray import spec
from lbray.cli import main
from lbray.cli.main import lbray
from lbray.docstrings import sections
from lbray.spec import Cell, experiment
from lbray.spec.reference import markdown

DOCS = Path(__file__).parents[2] / "docs"
EXPERIMENT_FILE = (DOCS / "experiment-file.md").read_text(encoding="utf-8")
COMMANDS = (DOCS / "commands.md").read_text(encoding="utf-8")


def test_the_pages_are_as_they_are_generated():
    pages = runpy.run_path(str(DOCS / "generate.py"))["pages"]()
    assert {page.name for page in pages} == {"commands.md", "experiment-file.md"}
    for page, text in pages.items():
        assert page.read_text(encoding="utf-8") == text, f"{page.name}: make docs writes it anew"


def test_every_setting_has_a_meaning_and_no_other_has():
    meanings = sections(inspect.getdoc(Cell))[1]["Attributes"]
    assert list(meanings) == list(Cell.model_fields)
    for name in Cell.field_names():
        assert f"| `{name}` |" in markdown()


def test_the_example_of_the_experiment_file_has_as_many_cells_as_it_says(tmp_path: Path):
    (example,) = re.findall(r"^```yaml\n(.*?)^```$", EXPERIMENT_FILE, re.MULTILINE | re.DOTALL)
    path = tmp_path / "mine.yaml"
    path.write_text(example)
    assert len(spec.load(path).cells()) == 35
    for key in experiment._KEYS:
        assert f"| `{key}` |" in EXPERIMENT_FILE


LEARNT = {
    **{"dataset": "digits", "seed": 0, "loss": "pml:ProxyAnchorLoss", "lambda": 0.5},
    **{"lambda_schedule": "step", "warmup_epochs": 0},
}
OTHERS = {
    **{"dataset": "cifar10", "backbone": "vgg16", "loss": "pml:ProxyNCALoss", "lambda": 0.25},
    **{"loss_params": {"margin": 0.3}, "warmup_epochs": 1, "lambda_schedule": "linear"},
    **{"lambda_step": 0.25, "loss_learning_rate_factor": 2.0, "seed": 1, "max_epochs": 99},
    **{"patience": 9, "plateau_patience": 9, "plateau_factor": 0.5, "batch_size": 64},
    **{"learning_rate": 0.01, "precision": "bfloat16", "validation_fraction": 0.2},
    **{"split_seed": 1, "train_size": 500, "test_size": 100},
}


@pytest.mark.parametrize("name", Cell.field_names())
def test_every_setting_is_in_the_id_and_some_are_fixed_in_the_baseline(name: str):
    assert Cell.of(**LEARNT).id != Cell.of(**{**LEARNT, name: OTHERS[name]}).id
    (row,) = [line for line in markdown().splitlines() if line.startswith(f"| `{name}` |")]
    if name != "loss":
        baseline = {"dataset": "digits", "seed": 0, "backbone": "cnn"}
        given = {} if name == "loss_params" else {name: OTHERS[name]}
        changes = Cell.of(**baseline).id != Cell.of(**baseline | given).id
        assert changes != row.endswith("| yes; fixed in the baseline |")


def completed(shell: type[ShellComplete], *words: str) -> list[str]:
    completion = shell(lbray, {}, "lbray", "_LBRAY_COMPLETE")
    *before, incomplete = words
    return [item.value for item in completion.get_completions(before, incomplete)]


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LBRAY_STORE", raising=False)
    for record in ("results/experiments/grid.json", "other/experiments/gauss.json", "grow.yaml"):
        path = tmp_path / record
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    return tmp_path


def test_what_a_shell_completes(folder: Path, monkeypatch: pytest.MonkeyPatch):
    for shell in (BashComplete, ZshComplete, FishComplete):
        assert completed(shell, "sw") == ["sweep"]
        assert completed(shell, "status", "g") == ["grid", "grow.yaml"]
    assert completed(BashComplete, "status", "--store", "other", "ga") == ["gauss"]
    assert completed(BashComplete, "status", "--store", "s3://bucket/x", "gri") == []
    assert completed(BashComplete, "analyze", "gr") == ["grid", "grow.yaml"]
    assert completed(BashComplete, "sweep", "gr") == ["grow.yaml"]
    assert completed(BashComplete, "sweep", "re") == ["results/"]
    assert completed(BashComplete, "doctor", "--dataset", "cifar") == ["cifar10", "cifar100"]
    assert completed(BashComplete, "data", "fetch", "fash") == ["fashion_mnist"]
    assert completed(BashComplete, "losses", "magnet", "tri") == ["triplet"]
    assert completed(BashComplete, "sweep", "--executor", "d") == ["ddp"]
    monkeypatch.setenv("LBRAY_STORE", "other")
    assert completed(BashComplete, "watch", "ga") == ["gauss"]


def test_bash_itself_offers_names_and_files(folder: Path):
    program = Path(sys.executable).with_name("lbray")
    script = (
        f'PATH={program.parent}:$PATH; eval "$(_LBRAY_COMPLETE=bash_source {program})"; '
        "COMP_WORDS=(lbray analyze gr); COMP_CWORD=2; _lbray_completion lbray; "
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    said = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert said.stdout.splitlines() == ["grid", "grow.yaml"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_switched_on_as_the_page_says(
    shell: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    assert f"_LBRAY_COMPLETE={shell}_source lbray" in COMMANDS
    monkeypatch.setenv("_LBRAY_COMPLETE", f"{shell}_source")
    monkeypatch.setattr(sys, "argv", ["lbray"])
    monkeypatch.setattr(BashComplete, "_check_version", lambda self: None)
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 0
    assert f"_LBRAY_COMPLETE={shell}_complete" in capsys.readouterr().out


def test_the_version_is_told(monkeypatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr(sys, "argv", ["lbray", "--version"])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 0
    assert re.fullmatch(r"lbray, version \d+\.\d+\.\d+\n", capsys.readouterr().out)

"""Bad input is one sentence and exit code 2, before anything starts."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from PIL import Image
from s3_server import s3_bucket

from lbray.cli import main
from lbray.planning import Machine

GOOD = "settings: {dataset: digits, seed: 0, max_epochs: 1}\nblocks: [{loss: baseline}]\n"

FUNCTIONS = """
from torch import nn

def plain(latents, labels): return latents.mean()

class Loss(nn.Module):
    def __init__(self, embedding_size, heads=1, scale=1):
        super().__init__()
        if embedding_size % heads:
            raise ValueError(f"heads is {heads}, but must divide {embedding_size}")
        assert scale, "scale must not be 0"

class Vector(Loss):
    def forward(self, latents, labels): return latents[:, 0]

class Raising(Loss):
    def forward(self, latents, labels): return {}["margin"]

class Late(Loss):
    def forward(self, latents, labels):
        self.register_buffer("mean", latents.detach().mean(dim=0))
        return latents.mean()

class LateLayer(Loss):
    def __init__(self, embedding_size):
        super().__init__(embedding_size)
        self.first = nn.Linear(embedding_size, 1)

    def forward(self, latents, labels):
        self.second = nn.PReLU()
        return self.second(self.first(latents)).mean()
"""


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("ray.init", lambda **_: pytest.fail("Ray was started"))
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "functions.py").write_text(FUNCTIONS)
    (tmp_path / "unfinished.py").write_text("class Loss(\n")

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lbray", *words])
        with pytest.raises(SystemExit) as exit_:
            main()
        out, err = capsys.readouterr()
        return exit_.value.code, out, err

    return run


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (["lamda=0.5"], "unknown setting 'lamda'; did you mean 'lambda'?"),
        (["loss=magnet", "lambda=1.5"], "lambda is 1.5, but must be a number from 0 to 1."),
        (["loss=magent", "lambda=0.5"], "unknown loss 'magent'; did you mean 'magnet'?"),
        (["loss={name: magnet, alfa: 1}", "lambda=0.5"], "did you mean 'alpha'?"),
        (["dataset=cifar11"], "unknown dataset 'cifar11'; did you mean 'cifar1"),
        (
            ["backbone=cnnn"],
            "unknown backbone 'cnnn'; did you mean 'cnn'? Allowed: cnn, vgg16, resnet50, a ",
        ),
        (["backbone=vgg16"], "backbone is 'vgg16', which cannot take images of 1×8×8"),
        (["loss=pml:CircleLos", "lambda=0.5"], "did you mean 'CircleLoss'?"),
        (
            ["loss={name: pml:ProxyNCALoss, num_classes: 9}", "lambda=0.5"],
            "num_classes is 9, but must be at least 10 with this dataset and backbone",
        ),
        (
            ["loss={name: magnet, clusters: 200}", "lambda=0.5"],
            "loss magnet: clusters is 200, but must be at most ",
        ),
        (["loss={name: latent_boost, clusters: 0}", "lambda=0.5"], "clusters is 0, but must be a "),
        (
            ["loss=functions:Vector", "lambda=0.5"],
            "the loss Vector returned a tensor of shape [128], but must return one number",
        ),
        (
            ["loss=functions:Raising", "lambda=0.5"],
            "cannot be called with latents [128, 64] and labels [128]: KeyError: 'margin' (",
        ),
        (
            ["loss=functions:Late", "lambda=0.5"],
            "loss functions:Late registers mean when it is called, but must in __init__ (a ",
        ),
        (
            ["loss=functions:LateLayer", "lambda=0.5"],
            "loss functions:LateLayer registers weight when it is called, but must in __init__ (a ",
        ),
        (
            ["loss={name: functions:Vector, heads: 48}", "lambda=0.5"],
            "heads is 48, but must divide 64.",
        ),
        (
            ["loss={name: functions:Vector, scale: .inf}", "lambda=0.5"],
            "loss_params: scale is inf, but must be a number, text, true, false or null.",
        ),
        (
            ["loss={name: functions:Vector, scale: 0}", "lambda=0.5"],
            "loss functions:Vector cannot be made: AssertionError: scale must not be 0 (",
        ),
        (["loss=unfinished:Loss", "lambda=0.5"], "must be an importable callable"),
        (["dataset=folder:~nobodyx/a", "backbone=cnn"], "no such user is known"),
        (["seed=[0, 0]"], "seed: 0 stands twice in [0, 0]"),
        (["seed=[]"], "seed is an empty list, so the grid has no cells"),
        (["train_size=5000"], "train_size is 5000"),
        (["train_size=9"], "train_size is 9"),
        (["dataset=folder:nowhere", "backbone=cnn"], "nowhere"),
        (["seed"], "--set is 'seed', but must be KEY=VALUE"),
        (["seed=[0"], "not a YAML value"),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_a_sweep_is_refused(call, overrides: list[str], sentence: str):
    words = [word for override in overrides for word in ("--set", override)]
    code, out, err = call("sweep", "good.yaml", *words)
    assert code == 2
    last = err.strip().splitlines()[-1]
    assert last.startswith("lbray: ")
    assert sentence in last
    assert out == ""


@pytest.mark.parametrize(
    ("gpus", "words", "sentence"),
    [
        (0, "--workers-per-cell 3", "is 3, but must be at most 2, with 2 cores."),
        (1, "--workers-per-cell 2", "is 2, but must be at most 1, with 1 GPUs."),
        (1, "--workers-per-cell 2 --gpus-per-cell 0.5", "is 0.5, but must be a whole number with"),
        (0, "--gpus-per-cell 0.5", "is 0.5, but there is no GPU here; leave it out."),
        (1, "--executor ddp", "is ddp, by which two workers or more share each batch, but there"),
        (2, "--actors 3", "is 3, but must be at most 2, with 2 GPUs."),
    ],
)
def test_what_does_not_fit_the_machine_is_refused(
    call, monkeypatch: pytest.MonkeyPatch, gpus: int, words: str, sentence: str
):
    monkeypatch.setattr(Machine, "detect", lambda: Machine.of(2, gpus))
    code, out, err = call("sweep", "good.yaml", *words.split())
    assert code == 2
    assert f"{words.split()[-2]} {sentence}" in err.splitlines()[-1]
    assert out == ""


def test_a_store_that_wants_other_credentials_is_refused(call):
    with s3_bucket(INITIAL_NO_AUTH_ACTION_COUNT="2") as strict:
        code, _, err = call("sweep", "good.yaml", "--store", strict.uri("results"))
    assert code == 2
    assert re.search(r"cannot be used: .*ACCESS_DENIED.*; give it credentials by environment", err)


def test_a_store_that_cannot_be_written_is_refused(call, tmp_path: Path):
    (tmp_path / "file").write_text("")
    code, _, err = call("sweep", "good.yaml", "--store", "file/results")
    assert code == 2
    assert "results', but cannot be written there" in err


def test_a_full_disk_is_refused(call, monkeypatch: pytest.MonkeyPatch):
    usage = type("usage", (), {"free": 10_000})
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    code, _, err = call("sweep", "good.yaml")
    assert code == 2
    assert "which has 0 MB free, but the cells to run need" in err


def test_a_corrupt_image_is_refused_by_name(call, tmp_path: Path):
    for part in ("train", "test"):
        for label in ("cat", "dog"):
            folder = tmp_path / "pets" / part / label
            folder.mkdir(parents=True)
            for number in range(4):
                Image.new("RGB", (32, 32), (number, 0, 0)).save(folder / f"{number}.png")
    damaged = tmp_path / "pets" / "train" / "dog" / "2.png"
    damaged.write_bytes(damaged.read_bytes()[:40])
    code, _, err = call(
        "sweep", "good.yaml", "--set", "dataset=folder:pets", "--set", "backbone=cnn"
    )
    assert code == 2
    assert "2.png" in err.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["sweep", "absent.yaml"], "cannot read the experiment absent.yaml: No such file"),
        (["run", "dataset=digits", "lambda=2", "loss=magnet"], "lambda is 2, but must be"),
        (["run"], "dataset is missing"),
        (["run", "dataset=digits", "seed=[0, 1]"], "seed is [0, 1], but must have one value here"),
        (
            ["run", "dataset=digits", "loss={name: triplet, margin: [0.1, 0.2]}"],
            "loss is {'name': 'triplet', 'margin': [0.1, 0.2]}, but must have one value here",
        ),
        (["run", "dataset=digits", "loss_params={margin: 1}"], "unknown setting 'loss_params'"),
        (["run", "dataset=digits", "margin=1"], "a loss's parameters stand with its name: loss: {"),
        (["run", "dataset=digits", "loss=absent:Own", "lambda=0.5"], "as module:attribute in "),
        (
            ["run", "dataset=digits", "loss=functions:plain", "lambda=0.5"],
            "which takes latents and labels itself, but must be a class",
        ),
        (
            ["run", "dataset=digits", "seed=1", "seed=2"],
            "'seed=2', but seed is given already",
        ),
        (
            ["run", "dataset=digits", "max_epochs=-1", "loss=latent_boost", "lambda=0.5"],
            "max_epochs",
        ),
        (["sweep", "good.yaml", "--price-per-hour", "2"], "only --dry-run says what a sweep costs"),
        (["sweep", "good.yaml", "--dry-run", "--tracker", "mlflo"], "unknown tracker 'mlflo'"),
        (["analyze", "absent", "--maps", "all"], "--maps is given, but"),
        (["analyze", "absent", "--paper-mode"], "--paper-mode is given, but"),
        (["run", "digits"], "the setting is 'digits', but must be KEY=VALUE, such as seed=3."),
        (["analyze", "absent"], "unknown experiment 'absent'; allowed: none yet (in the store"),
        (
            ["analyze", "absent.yaml"],
            "experiment is 'absent.yaml', but there is no such file, and the store '",
        ),
        (["analyze", "absent.yaml"], "has no experiment of that name (it has none yet)."),
        (["audit", "absent.csv"], "cannot read the table absent.csv: No such file"),
        (["audit", "good.yaml"], "it must have the columns X_mean"),
        (["status", "absent"], "unknown experiment 'absent'; allowed: none yet (in the store"),
        (["status", "absent.yaml"], "but there is no such file, and the store '"),
        (["watch", "absent.yaml"], "but there is no such file, and the store '"),
        (["data", "verify", "fashon_mnist"], "did you mean 'fashion_mnist'?"),
        (["sweep", "good.yaml", "--store", "gopher://x/y"], "store is 'gopher://x/y'"),
        (["sweep", "good.yaml", "--actors", "0"], "--actors"),
        (
            ["sweep", "good.yaml", "--set", "backbone=efficientnet_b0", "--workers-per-cell", "2"],
            "--workers-per-cell is 2, but the backbone 'efficientnet_b0' has a StochasticDepth",
        ),
        (["sweep", "good.yaml", "--lanes", "2"], "--lanes is 2, but --executor is auto"),
        (
            ["sweep", "good.yaml", "--executor", "fused", "--lanes", "65"],
            "--lanes is 65, but must be a whole number from 1 to 64.",
        ),
        (
            ["sweep", "good.yaml", "--executor", "fused", "--scheduler", "asha"],
            "--scheduler is asha, which ends single processes, but --executor is fused",
        ),
        (["losses", "magent"], "unknown loss 'magent'; did you mean 'magnet'?"),
        (["losses", "pml:Circleloss"], "did you mean 'CircleLoss'?"),
        (["swep"], "No such command 'swep'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_is_refused(call, words: list[str], sentence: str):
    code, out, err = call(*words)
    assert code == 2
    assert sentence in err
    assert "Traceback" not in err
    assert out == ""

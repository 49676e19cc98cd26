from __future__ import annotations

import json
import re
import subprocess
import sys
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from small_cells import StopAfter, assert_continued, small_cell
from torch import Tensor, nn

from lbray.errors import StoreUnavailable
from lbray.store import CellFiles, Lease, Store
from lbray.training import cell_under_way, run_cell, run_cells, trainer
from lbray.training.evaluate import evaluate


class Killed(BaseException):
    """What a SIGKILL looks like from inside: no handler runs."""


class NotANumber(nn.Module):
    """A loss of the user's own, which fails."""

    default_warmup_epochs = 0

    def start_epoch(self, epoch: int, max_epochs: int) -> None:
        self.epoch = epoch

    def measures(self, latents: Tensor, labels: Tensor) -> dict[str, Tensor]:
        return {}

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        return latents.sum() * (torch.nan if self.epoch == 1 else 0)


class Raising(nn.Module):
    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.head = nn.Linear(64, num_classes)
        self.calls = 0

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        self.calls += 1
        if self.calls == 3:
            raise RuntimeError("out of luck\nin two lines")
        return images.flatten(1), self.head(images.flatten(1))


class Exploding(nn.Module):
    """A backbone whose latents are infinite from its 13th batch in training on."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.head = nn.Linear(64, num_classes)
        self.batches = 0

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        self.batches += self.training
        latents = images.flatten(1) * (torch.inf if self.batches >= 13 else 1)
        return latents, self.head(latents)


class Remembering(nn.Module):
    """A loss whose memory is filled, and grows, as it goes."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", None)
        self.register_buffer("queue", torch.empty(0, 64))

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        if self.mean is None:
            self.mean = latents.mean(dim=0).detach()
        distance = (latents[:, None] - torch.stack([self.mean, *self.queue])).square().mean()
        self.queue = torch.cat([self.queue, latents[:1].detach()])[-12:]
        return distance


class Forgetting(nn.Module):
    """A loss that no checkpoint can be restored into: it has one more buffer after a batch."""

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        if not hasattr(self, "first"):
            self.register_buffer("first", latents.detach().clone())
        return latents.square().mean()


CELL = small_cell(loss="latent_boost", max_epochs=5, seed=3, **{"lambda": 0.5})


def history(store: Store, cell=CELL) -> list[dict[str, float]]:
    return [
        {name: value for name, value in epoch.items() if not name.startswith("time/")}
        for epoch in store.cell(cell.id).history()
    ]


def metrics(result) -> dict[str, float]:
    return {name: v for name, v in result.metrics.items() if not name.startswith("time/")}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory):
    store = Store(str(tmp_path_factory.mktemp("undisturbed")))
    return store, run_cell(CELL, store)


def assert_same(store: Store, result, undisturbed) -> None:
    reference_store, reference = undisturbed
    assert history(store) == history(reference_store)
    assert metrics(result) == metrics(reference)
    assert result.weights_sha256 == reference.weights_sha256
    assert not list(Path(store.location).rglob("*.tmp"))
    assert not list(Path(store.location).rglob("resume-*"))


def test_the_result_holds_what_the_artefacts_contract_says(undisturbed):
    store, result = undisturbed
    assert result.done
    assert {"val/acc", "test/acc", "test/f1_micro", "test/f1_macro", "epochs/best"} <= set(
        result.metrics
    )
    assert result.provenance["executor"] == "inline"
    assert result.provenance["packages"]["torch"] == version("torch")
    files = store.cell(CELL.id)
    assert files.cell() == CELL
    epochs = files.history()
    assert [epoch["epoch"] for epoch in epochs] == list(range(5))
    best = int(result.metrics["epochs/best"]) - 1
    assert epochs[best]["val/acc"] == max(epoch["val/acc"] for epoch in epochs)
    assert result.metrics["val/acc"] == epochs[best]["val/acc"]
    assert epochs[0]["lambda"] == 0
    assert epochs[1]["lambda"] == 0.5
    assert epochs[1]["latent/pca_components"] >= 1
    weights, state = files.best(result.weights_sha256)
    assert state["epoch"] == best
    assert set(weights) == {
        f"trunk.{i}.convolution.{p}" for i in (0, 1) for p in ("weight", "bias")
    } | {f"head.{i}.{p}" for i in (0, 2) for p in ("weight", "bias")}


def test_the_same_cell_gives_the_same_numbers(store: Store, undisturbed):
    assert_same(store, run_cell(CELL, store), undisturbed)


def test_a_cell_with_a_result_is_not_trained_again(undisturbed, monkeypatch: pytest.MonkeyPatch):
    store, result = undisturbed
    monkeypatch.setattr(trainer.Trainer, "train_epoch", lambda *_: pytest.fail("trained"))
    assert run_cell(CELL, store) == result


@pytest.mark.parametrize("epochs", [1, 3, 5])
def test_an_interrupted_cell_ends_as_if_it_had_not_been(store: Store, undisturbed, epochs: int):
    assert run_cell(CELL, store, reporter=StopAfter(epochs)) is None
    before = store.cell(CELL.id).history()
    assert len(before) == epochs
    assert_same(store, run_cell(CELL, store), undisturbed)
    assert_continued(store, CELL, before)


@pytest.mark.parametrize(
    "settings",
    [
        {"loss": "pml:ProxyAnchorLoss", "loss_learning_rate_factor": 10.0, "plateau_patience": 1},
        {"loss": "pml:ProxyAnchorLoss", "lambda_schedule": "learned", "warmup_epochs": 2},
        {"loss": "contrastive", "lambda_schedule": "learned", "loss_learning_rate_factor": 30.0},
        {"loss": "magnet", "loss_params": {"clusters": 3}},
        {"loss": "latent_boost", "loss_params": {"clusters": 2}, "warmup_epochs": 1},
        {"loss": "pml:SphereFaceLoss"},
        {"loss": "pml:DynamicSoftMarginLoss"},
        {"loss": "pml:SoftTripleLoss", "lambda_schedule": "cosine", "precision": "bfloat16"},
    ],
    ids=lambda settings: "-".join(map(str, settings.values())),
)
def test_what_a_loss_learns_survives_an_interruption(
    store: Store, tmp_path: Path, settings: dict[str, object]
):
    cell = small_cell(**settings, max_epochs=4, seed=2, **{"lambda": 0.5})
    reference_store = Store(str(tmp_path / "reference"))
    reference = run_cell(cell, reference_store)
    assert reference.done, reference.reason
    for epochs in (1, 2):
        assert run_cell(cell, store, reporter=StopAfter(epochs)) is None
    before = store.cell(cell.id).history()
    assert len(before) == 3
    result = run_cell(cell, store)
    assert_continued(store, cell, before)
    assert history(store, cell) == history(reference_store, cell)
    assert metrics(result) == metrics(reference)
    assert result.weights_sha256 == reference.weights_sha256
    weights, _ = store.cell(cell.id).best(result.weights_sha256)
    assert all(name.startswith(("trunk.", "head.")) for name in weights)


@pytest.mark.parametrize("write", ["write_resume", "write_best", "write_history", "finish"])
def test_killed_before_any_write_a_cell_loses_at_most_that_epoch(
    store: Store, undisturbed, monkeypatch: pytest.MonkeyPatch, write: str
):
    calls = []

    def killed(*arguments: object) -> None:
        calls.append(1)
        if len(calls) == (1 if write == "finish" else 2):
            raise Killed
        return original(*arguments)

    original = getattr(CellFiles, write)
    before, after = [], []
    train = trainer.Trainer.train_epoch

    def counting(epochs: list[int]) -> object:
        return lambda self, epoch: epochs.append(epoch) or train(self, epoch)

    with monkeypatch.context() as patch:
        patch.setattr(CellFiles, write, killed)
        patch.setattr(trainer.Trainer, "train_epoch", counting(before))
        with pytest.raises(Killed):
            run_cell(CELL, store)
    with monkeypatch.context() as patch:
        patch.setattr(trainer.Trainer, "train_epoch", counting(after))
        result = run_cell(CELL, store)
    assert len(set(before) & set(after)) <= 1
    assert sorted({*before, *after}) == list(range(5))
    assert_same(store, result, undisturbed)


@pytest.mark.parametrize(("loss", "continues"), [("Remembering", True), ("Forgetting", False)])
def test_a_loss_that_grows_survives_an_interruption(
    store: Store, tmp_path: Path, loss: str, continues: bool
):
    cell = small_cell(loss=f"{__name__}:{loss}", max_epochs=4, **{"lambda": 0.5})
    assert run_cell(cell, store, reporter=StopAfter(2)) is None
    before = store.cell(cell.id).history()
    assert len(before) == 2
    interrupted = run_cell(cell, store)
    assert (store.cell(cell.id).history()[:2] == before) == continues
    undisturbed = run_cell(cell, other := Store(str(tmp_path / "other")))
    assert interrupted.status == undisturbed.status == "done", interrupted.reason
    assert metrics(interrupted) == metrics(undisturbed)
    assert history(store, cell) == history(other, cell)
    assert interrupted.weights_sha256 == undisturbed.weights_sha256


@pytest.mark.parametrize("names", ["resume-3", "best", "resume-3 best"])
@pytest.mark.parametrize("damage", ["truncate", "flip", "remove"])
def test_a_damaged_checkpoint_is_not_used_and_costs_an_epoch_at_most(
    store: Store, undisturbed, monkeypatch: pytest.MonkeyPatch, names: str, damage: str
):
    assert run_cell(CELL, store, reporter=StopAfter(3)) is None
    accuracies = [epoch["val/acc"] for epoch in history(store)]
    assert max(accuracies[:-1]) >= accuracies[-1], "the last epoch's weights would be the best"
    for name in names.split():
        path = Path(store.location) / "cells" / CELL.id / f"{name}.safetensors"
        content = bytearray(path.read_bytes())
        if damage == "flip":
            content[-9] ^= 1
        path.write_bytes(content[:-20] if damage == "truncate" else content)
        if damage == "remove":
            path.unlink()
    trained, train = [], trainer.Trainer.train_epoch
    monkeypatch.setattr(
        trainer.Trainer,
        "train_epoch",
        lambda self, epoch: trained.append(epoch) or train(self, epoch),
    )
    assert_same(store, run_cell(CELL, store), undisturbed)
    assert trained == ([2, 3, 4] if "resume" in names else [3, 4])


def test_a_cell_all_of_whose_checkpoints_are_damaged_begins_anew(store: Store, undisturbed):
    assert run_cell(CELL, store, reporter=StopAfter(4)) is None
    for path in (Path(store.location) / "cells" / CELL.id).glob("*.safetensors"):
        path.write_bytes(b"")
    assert_same(store, run_cell(CELL, store), undisturbed)


def _smaller_moment(tensors: dict, state: dict) -> None:
    tensors["optimizer.0.exp_avg"] = tensors["optimizer.0.exp_avg"][:1, :1, :1, :1].clone()


def _larger_step(tensors: dict, state: dict) -> None:
    tensors["optimizer.0.step"] = torch.ones(7)


def _no_second_moment(tensors: dict, state: dict) -> None:
    del tensors["optimizer.0.exp_avg_sq"]


FORGERIES = {
    "a smaller moment": _smaller_moment,
    "a step of many": _larger_step,
    "no second moment": _no_second_moment,
    "no trainer": lambda _, state: state.pop("trainer"),
    "a trainer of text": lambda _, state: state.update(trainer="text"),
    "no learning rates": lambda _, state: state["trainer"].pop("learning_rates"),
    "a learning rate of text": lambda _, state: state["trainer"].update(learning_rates=["fast"]),
    "too many learning rates": lambda _, state: state["trainer"].update(learning_rates=[1, 2, 3]),
    "a schedule of text": lambda _, state: state["trainer"]["schedule"].update(best="good"),
    "no progress": lambda _, state: state.pop("progress"),
    "a progress of text": lambda _, state: state.update(progress="much"),
    "more epochs than history": lambda _, state: state["progress"].update(epochs=5),
    "a best epoch to come": lambda _, state: state["progress"].update(best_epoch=4),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_forged_checkpoint_is_refused(store: Store, undisturbed, forge):
    """One whose checksum is right, as anyone can make it."""
    assert run_cell(CELL, store, reporter=StopAfter(2)) is None
    files = store.cell(CELL.id)
    for epochs in files.resumes():
        tensors, state = files.resume(epochs)
        forge(tensors, state)
        files.write_resume(epochs, tensors, state)
    assert_same(store, run_cell(CELL, store), undisturbed)


@pytest.mark.parametrize("changed", ["dataset", "loss_code", "backbone_code"])
def test_what_was_trained_on_other_images_or_by_other_code_is_not_continued(
    store: Store, undisturbed, changed: str
):
    assert run_cell(CELL, store, reporter=StopAfter(3)) is None
    files = store.cell(CELL.id)
    for epochs in files.resumes():
        tensors, state = files.resume(epochs)
        state["made_from"][changed] = "another"
        state["progress"]["best_accuracy"] = 2.0
        files.write_resume(epochs, tensors, state)
    assert_same(store, run_cell(CELL, store), undisturbed)


def test_test_images_are_seen_once(store: Store, monkeypatch: pytest.MonkeyPatch):
    seen = []

    def spy(model: nn.Module, splits, images, *rest: object, **options: object):
        seen.append("test" if images is splits.test else "validation")
        return evaluate(model, splits, images, *rest, **options)

    for module in (cell_under_way, trainer):
        monkeypatch.setattr(module, "evaluate", spy)
    run_cell(CELL, store)
    assert seen == ["validation"] * CELL.max_epochs + ["test"]


def test_no_better_accuracy_for_a_while_cuts_the_rate_and_then_stops(store: Store):
    cell = small_cell(
        train_size=100,
        test_size=100,
        learning_rate=1e-9,
        max_epochs=30,
        patience=7,
        plateau_patience=2,
    )
    result = run_cell(cell, store)
    assert result.metrics["epochs/best"] == 1
    assert result.metrics["epochs/stopped"] == 8
    rates = [epoch["lr"] for epoch in store.cell(cell.id).history()]
    assert rates == pytest.approx([1e-9] * 4 + [2e-10] * 3 + [4e-11])


def test_the_package_of_the_loss_is_recorded(store: Store):
    name = "pml:ContrastiveLoss"
    cell = small_cell(loss=name, max_epochs=1, **{"lambda": 0.5})
    packages = run_cell(cell, store).provenance["packages"]
    assert packages["pytorch-metric-learning"] == version("pytorch-metric-learning")


def test_a_loss_that_is_not_a_number_is_recorded_with_epoch_step_and_loss(store: Store):
    cell = small_cell(loss=f"{__name__}:NotANumber", **{"lambda": 0.5})
    result = run_cell(cell, store)
    assert result.status == "failed"
    assert "the loss is nan at epoch 2, step 1" in result.reason
    assert "NotANumber" in result.reason
    assert store.result(cell.id) == result


@pytest.mark.parametrize(
    ("loss", "params"),
    [
        *[(name, {}) for name in ("contrastive", "triplet", "n_pair", "magnet", "latent_boost")],
        ("magnet", {"clusters": 2}),
    ],
    ids=str,
)
def test_latents_that_are_not_finite_are_recorded_with_epoch_step_and_loss(
    store: Store, loss: str, params: dict[str, object]
):
    cell = small_cell(
        backbone=f"{__name__}:Exploding",
        loss=loss,
        loss_params=params,
        max_epochs=4,
        warmup_epochs=0,
        batch_size=54,
        **{"lambda": 0.5},
    )
    result = run_cell(cell, store)
    assert result.status == "failed"
    assert "at epoch 2, step 3" in result.reason
    label = f"{loss}(clusters=2)" if params else loss
    assert f"{label} " in result.reason


def test_an_exception_is_recorded_in_one_line(store: Store):
    result = run_cell(small_cell(backbone=f"{__name__}:Raising"), store)
    assert re.fullmatch(
        rf"RuntimeError: out of luck in two lines \({__file__}:\d+, in forward\)", result.reason
    )


def test_training_learns(store: Store):
    cell = small_cell(
        max_epochs=15, train_size=None, test_size=None, learning_rate=5e-3, batch_size=64
    )
    assert run_cell(cell, store).metrics["test/acc"] > 0.9


def test_the_callers_random_numbers_are_left_alone(store: Store):
    before = torch.get_rng_state()
    run_cell(small_cell(max_epochs=1), store)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("warmup", "lam"), [(0, 0.5), (1, 0.0)])
def test_a_result_tells_whether_the_loss_had_acted_by_the_best_epoch(
    store: Store, warmup: int, lam: float
):
    epochs = {"max_epochs": 2, "warmup_epochs": warmup, "learning_rate": 1.0}
    cell = small_cell(loss="magnet", **epochs, **{"lambda": 0.5})
    result = run_cell(cell, store)
    assert (result.metrics["epochs/best"], result.metrics["lambda/best"]) == (1, lam)


class Damaging:
    """A reporter that shortens checkpoints after the last epoch, so many times."""

    def __init__(self, store: Store, pattern: str, times: int = 1) -> None:
        self.folder = Path(store.location) / "cells" / CELL.id
        self.pattern, self.left = pattern, times
        self.epochs = []

    def epoch(self, metrics: dict[str, float]) -> bool:
        self.epochs.append(metrics["epoch"])
        if metrics["epoch"] == CELL.max_epochs - 1 and self.left:
            self.left -= 1
            for path in self.folder.glob(self.pattern):
                path.write_bytes(path.read_bytes()[:-20])
        return False


@pytest.mark.parametrize(("pattern", "times"), [("best.*", 1), ("*.safetensors", 2)])
def test_best_weights_that_are_damaged_meanwhile_are_had_again(
    store: Store, undisturbed, pattern: str, times: int
):
    """From the end of their epoch, or if that is damaged as well, from the cell's beginning."""
    damaging = Damaging(store, pattern)
    assert_same(store, run_cell(CELL, store, reporter=damaging), undisturbed)
    assert damaging.epochs == list(range(5)) * times


def test_a_disk_that_damages_them_again_fails_the_cell(store: Store):
    result = run_cell(CELL, store, reporter=Damaging(store, "*.safetensors", times=2))
    assert result.status == "failed"
    assert "best.safetensors: it does not match its checksum" in result.reason


def test_a_reporter_that_fails_is_no_fault_of_the_cell(store: Store):
    class Gone:
        def epoch(self, metrics: dict[str, float]) -> bool:
            raise ConnectionError("who was told has died")

    with pytest.raises(ConnectionError):
        run_cell(CELL, store, reporter=Gone())
    assert store.result(CELL.id) is None
    assert len(store.cell(CELL.id).history()) == 1


@pytest.mark.parametrize("lanes", [1, 2])
def test_a_gpu_that_failed_ends_the_process_and_no_cell(
    store: Store, monkeypatch: pytest.MonkeyPatch, lanes: int
):
    """All further cells would fail in a process whose device asserted something."""

    def fails(*_: object, **__: object) -> None:
        raise RuntimeError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(trainer.Trainer, "run_epoch", fails)
    monkeypatch.setattr(import_module("lbray.training.run_cells"), "run_epochs", fails)
    cells = [CELL, small_cell(seed=9)]
    trained = partial(run_cells, cells, lanes=lanes) if lanes > 1 else partial(run_cell, CELL)
    with pytest.raises(RuntimeError, match="CUDA error"):
        trained(store=store)
    assert [store.result(cell.id) for cell in cells] == [None, None]


def test_a_cell_that_another_sweep_took_before_it_began_is_left_alone(store: Store):
    with Lease(store.files) as lease, pytest.raises(StoreUnavailable, match="has taken its cells"):
        run_cell(CELL, store, claims=lease)
    assert store.files.list("cells") == []


@pytest.mark.parametrize("after", [1, 5])
def test_nothing_is_written_once_another_sweep_has_the_cell(store: Store, after: int):
    """After an epoch in the middle, and after the last."""
    folder = Path(store.location) / "cells" / CELL.id

    class Losing:
        def epoch(self, metrics: dict[str, float]) -> bool:
            if metrics["epoch"] + 1 == after:
                lease.release(CELL.id)  # as who takes a cell does with the claims of dead sweeps
                self.before = {path.name: path.read_bytes() for path in folder.iterdir()}
            return False

    with Lease(store.files) as lease:
        assert lease.claim(CELL.id) is None
        losing = Losing()
        with pytest.raises(StoreUnavailable, match="another sweep has taken its cells"):
            run_cell(CELL, store, reporter=losing, claims=lease)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == losing.before


_ENDING = """
import atexit, json, sys, threading, time
import torch
from lbray.spec import Cell
from lbray.store import Store
from lbray.training import run_cell, trainer

class EndsMain:
    def epoch(self, metrics):
        if metrics["epoch"] == 1:
            to_end.set()
            while threading.main_thread().is_alive():
                time.sleep(0.01)
            if then == "fails":
                trainer.Trainer.run_epoch = lambda *_: 1 / 0
        return False

def train():
    run_cell(Cell.resolved(json.loads(settings)), Store(location), reporter=EndsMain())

location, settings, threads, then = sys.argv[1:]
torch.set_num_threads(int(threads))
to_end = threading.Event()
training = threading.Thread(target=train, daemon=True)
atexit.register(training.join)
training.start()
to_end.wait()
"""


@pytest.mark.parametrize("then", ["goes on", "fails"])
def test_the_thread_of_a_process_that_ends_writes_nothing(store: Store, undisturbed, then: str):
    """It goes on while the libraries are taken down under it, and another continues its cell."""
    words = [store.location, json.dumps(CELL.settings), str(torch.get_num_threads()), then]
    ended = subprocess.run([sys.executable, "-c", _ENDING, *words], capture_output=True, text=True)
    assert "StoreUnavailable: this process ends" in ended.stderr
    assert store.result(CELL.id) is None
    before = store.cell(CELL.id).history()
    assert len(before) == 2
    assert_same(store, run_cell(CELL, store), undisturbed)
    assert_continued(store, CELL, before)

"""What cells compute together is what each computes alone."""

from __future__ import annotations

import re
import time
from copy import deepcopy
from importlib import import_module
from pathlib import Path

import pytest
import torch
from small_cells import assert_continued, small_cell
from torch import Tensor, nn

from lbray import backbones, data, losses
from lbray.errors import Diverged
from lbray.spec import Cell
from lbray.store import Store
from lbray.training import calibration, run_cell, run_cells
from lbray.training.lanes import run_epochs
from lbray.training.trainer import Trainer

HALF = {"lambda": 0.5}


class Normalised(nn.Module):
    """Batch normalisation, and dropout of maps and of latents, as VGG-16 has them."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            *(nn.Conv2d(in_channels, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU()),
            *(
                nn.Conv2d(8, 12, 3, bias=False),
                nn.BatchNorm2d(12),
                nn.ReLU(),
                backbones.Dropout(0.25),
            ),
        )
        self.norm = nn.BatchNorm1d(12)
        self.head = nn.Sequential(backbones.Dropout(0.5), nn.Linear(12, num_classes))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        latents = self.norm(self.trunk(images).mean(dim=(2, 3)))
        return latents, self.head(latents)


class Drawing(Normalised):
    """Draws from torch's default generator."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        latents, logits = super().forward(images)
        return latents + torch.randn_like(latents), logits


class Counting(Normalised):
    """Counts its batches where nobody sees it."""

    batches = 0

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        self.batches += 1
        return super().forward(images)


class OtherOrder(Normalised):
    """Drops out maps in another memory order than convolutions give."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        maps = self.trunk[:-1](images).contiguous()
        latents = self.trunk[-1](maps).mean(dim=(2, 3))
        return latents, self.head(latents)


class NoisyLoss(nn.Module):
    """Draws from torch's default generator."""

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        return (latents * torch.randn_like(latents)).mean()


class Failing(nn.Module):
    """Goes wrong in its second epoch, at the second batch: as a number, or as it is computed."""

    def __init__(self, where: str) -> None:
        super().__init__()
        self.where = where

    def start_epoch(self, epoch: int, max_epochs: int) -> None:
        self.epoch, self.batch = epoch, 0

    def forward(self, latents: Tensor, labels: Tensor) -> Tensor:
        self.batch += 1
        if (self.epoch, self.batch) == (1, 2):
            if self.where == "forward":
                raise RuntimeError("no forward")
            if self.where == "backward":
                latents.register_hook(self.fail)
            if self.where == "nan":
                latents = latents * torch.nan
        return latents.square().mean()

    def fail(self, gradient: Tensor) -> None:
        raise RuntimeError("no backward")


ALONE = [
    *[{"loss": name, "warmup_epochs": 0} for name in losses.names()],
    {},
    *[{"loss": name, "loss_params": {"form": "equation"}} for name in ("contrastive", "triplet")],
    {"loss": "n_pair", "loss_params": {"form": "equation"}, "lambda": 0.1},
    {"loss": "magnet", "loss_params": {"clusters": 3}, "learning_rate": 3e-3},
    {"loss": "pml:ProxyAnchorLoss", "loss_learning_rate_factor": 20.0, "seed": 1},
    {"loss": "contrastive", "lambda_schedule": "learned", "seed": 2},
    {"loss": f"{__name__}:NoisyLoss", "seed": 3},
]
"""Every loss of the registry, and what a cell may differ in from one beside it."""


def cells_of(settings: list[dict[str, object]], **common: object) -> list[Cell]:
    return [small_cell(**HALF | {"max_epochs": 2} | each | common) for each in settings]


def trainers_of(cells: list[Cell]) -> list[Trainer]:
    return [
        Trainer(cell, data.prepared(cell.dataset, None, "cpu", **cell.split_settings)[1])
        for cell in cells
    ]


def without_time(metrics: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if not name.startswith("time/")}


def distance(one: Tensor, other: Tensor) -> float:
    """Against their size."""
    return float((one.double() - other.double()).norm() / other.double().norm().clamp(min=1e-12))


def assert_same_state(one: Trainer, other: Trainer, rounding: float) -> None:
    (tensors, state), (expected, expected_state) = one.state(), other.state()
    assert tensors.keys() == expected.keys()
    for name, tensor in tensors.items():
        # a moment is a sum of gradients, which may nearly cancel out
        allowed = 100 * rounding if name.startswith("optimizer.") else rounding
        assert distance(tensor, expected[name]) <= allowed, name
    assert state == expected_state


@pytest.mark.parametrize(
    ("backbone", "grouped", "rounding"),
    [
        ("cnn", True, 3e-3),
        (f"{__name__}:Normalised", True, 3e-3),
        (f"{__name__}:Normalised", False, 0),
    ],
)
def test_lanes_are_as_alone(backbone: str, grouped: bool, rounding: float):
    cells = cells_of(ALONE, backbone=backbone, train_size=240, batch_size=50)
    together, alone = trainers_of(cells), trainers_of(cells)
    for epoch in range(2):
        outcomes = run_epochs(together, [epoch] * len(cells), grouped)
        for outcome, trainer in zip(outcomes, alone, strict=True):
            expected = without_time(trainer.run_epoch(epoch))
            assert isinstance(outcome, dict), outcome
            assert without_time(outcome) == pytest.approx(expected, rel=rounding / 10, abs=1e-9)
    for one, other in zip(together, alone, strict=True):
        assert_same_state(one, other, rounding)


def test_lanes_need_not_be_in_the_same_epoch():
    cells = cells_of([{"loss": "latent_boost", "max_epochs": 9}, {"loss": "magnet", "seed": 1}])
    together, alone = trainers_of(cells), trainers_of(cells)
    run_epochs(together, [7, 1], grouped=True)
    for trainer, epoch in zip(alone, (7, 1), strict=True):
        trainer.run_epoch(epoch)
    for one, other in zip(together, alone, strict=True):
        assert_same_state(one, other, 3e-3)


def test_a_loss_that_fails_leaves_the_group_as_it_is():
    cells = cells_of([{"loss": "magnet"}, MIXED[3], {"seed": 1}, MIXED[2]])
    together, alone = trainers_of(cells), trainers_of(cells)
    outcomes = run_epochs(together, [1] * 4, grouped=True)
    assert [type(outcome) for outcome in outcomes] == [dict, RuntimeError, dict, Diverged]
    for lane in (0, 2):
        alone[lane].run_epoch(1)
        assert_same_state(together[lane], alone[lane], 3e-3)


def test_bfloat16_is_grouped_too():
    settings = [{"loss": "magnet"}, {"seed": 1}]
    cells = cells_of(settings, precision="bfloat16")
    outcomes = run_epochs(trainers_of(cells), [0, 0], grouped=True)
    exact = run_epochs(trainers_of(cells_of(settings)), [0, 0], grouped=True)
    for outcome, other, trainer in zip(outcomes, exact, trainers_of(cells), strict=True):
        assert outcome["train/loss"] == pytest.approx(trainer.train_epoch(0)["train/loss"], 0.01)
        assert outcome["train/loss"] != other["train/loss"], "it was computed in float32"


@pytest.mark.parametrize(
    ("backbone", "same"),
    [
        ("cnn", True),
        *[
            (f"{__name__}:{name}", name == "Normalised")
            for name in ("Normalised", "Drawing", "Counting", "OtherOrder")
        ],
    ],
)
def test_only_what_does_the_same_in_a_group_is_grouped(backbone: str, same: bool):
    models = [backbones.build(backbone, 10, 1) for _ in range(3)]
    images = torch.randn(3 * 8, 1, 8, 8).contiguous(memory_format=torch.channels_last)
    images, before = images.view(3, 8, 1, 8, 8), [deepcopy(m.state_dict()) for m in models]
    assert calibration.same_grouped(models, images, "float32") is same
    for model, state in zip(models, before, strict=True):
        assert all(torch.equal(state[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize("slow", ["_in_turns", "_grouped"])
def test_what_was_faster_is_chosen(slow: str, monkeypatch: pytest.MonkeyPatch):
    compute = getattr(calibration, slow)

    def slowed(*arguments: object) -> object:
        time.sleep(0.03)
        return compute(*arguments)

    monkeypatch.setattr(calibration, slow, slowed)
    models = [backbones.build("cnn", 10, 1) for _ in range(2)]
    size = calibration._fastest(models, torch.randn(2, 4, 1, 8, 8), "float32")
    assert size == (2 if slow == "_in_turns" else 1)
    assert calibration.group_size(trainers_of(cells_of([{}, {"seed": 1}]))) == 1


@pytest.mark.parametrize(
    ("seconds", "memory_for", "size"),
    [
        ({1: 1, 2: 3, 4: 3, 6: 5}, 6, 4),
        ({1: 1, 2: 1.9, 4: 3, 6: 4}, 6, 6),
        ({1: 1, 2: 1.9, 4: 3, 6: 4}, 5, 4),
        ({1: 1, 2: 2.1, 4: 4.1, 6: 7}, 6, 1),
        ({1: 1}, 1, 1),
    ],
    ids=["in the middle", "all", "out of memory", "none", "no memory at all"],
)
def test_a_group_has_the_size_that_is_fastest_per_network(
    seconds: dict[int, float], memory_for: int, size: int, monkeypatch: pytest.MonkeyPatch
):
    def step_seconds(compute: object, models: list[nn.Module], *_: object) -> float:
        if len(models) > memory_for:
            raise torch.OutOfMemoryError
        return seconds[len(models)]

    monkeypatch.setattr(calibration, "_step_seconds", step_seconds)
    models = [backbones.build("cnn", 10, 1) for _ in range(6)]
    assert calibration._fastest(models, torch.randn(6, 4, 1, 8, 8), "float32") == size


@pytest.mark.parametrize(
    ("most", "sizes"), [(2, [2]), (3, [2, 3]), (4, [2, 4]), (5, [2, 4, 5]), (8, [2, 4, 8])]
)
def test_the_sizes_that_are_tried(most: int, sizes: list[int]):
    assert calibration._sizes(most) == sizes


MIXED = [
    {"loss": "magnet", "lambda": 0.3, "max_epochs": 4},
    {"learning_rate": 1e-9, "max_epochs": 9, "patience": 2, "plateau_patience": 1},
    {"loss": f"{__name__}:Failing", "loss_params": {"where": "nan"}},
    {"loss": f"{__name__}:Failing", "loss_params": {"where": "forward"}},
    {"loss": "triplet", "lambda": 0.9, "learning_rate": 3e-3, "max_epochs": 4, "seed": 1},
    {"loss": "pml:ProxyAnchorLoss", "seed": 2},
]
"""They end after 2 to 4 epochs, two of them in failure."""


@pytest.fixture(params=[2, 8], ids=["groups of 2", "one group"])
def grouped(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    module = import_module("lbray.training.run_cells")
    monkeypatch.setattr(module, "group_size", lambda trainers: request.param)


@pytest.fixture
def always_grouped(grouped: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """No group is given up, after which its cells would be trained one after another."""
    module = import_module("lbray.training.run_cells")
    monkeypatch.setattr(module, "_again", lambda lane: pytest.fail("a group was given up"))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Store:
    store = Store(str(tmp_path_factory.mktemp("alone")))
    for cell in cells_of(MIXED):
        run_cell(cell, store)
    return store


class Following:
    """A reporter that writes down what it hears, and may end everything."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.heard: list[tuple[str, int | None]] = []
        self._stop_at = stop_at

    def epoch(self, cell: Cell, metrics: dict[str, float]) -> bool:
        self.heard.append((cell.id, int(metrics["epoch"])))
        return metrics["epoch"] + 1 == self._stop_at

    def ended(self, cell: Cell) -> None:
        self.heard.append((cell.id, None))


def assert_same_results(store: Store, expected: Store, cells: list[Cell]) -> None:
    for cell in cells:
        result, wanted = store.result(cell.id), expected.result(cell.id)
        assert (result.status, result.reason) == (wanted.status, wanted.reason)
        history, metrics = store.cell(cell.id).history(), result.metrics
        pairs = [(metrics, wanted.metrics)] if wanted.done else []
        pairs += zip(history, expected.cell(cell.id).history(), strict=True)
        for one, other in pairs:  # an image or two may be on the other side of a boundary
            assert without_time(one) == pytest.approx(without_time(other), rel=5e-3, abs=0.011)


@pytest.mark.usefixtures("always_grouped")
def test_lanes_fail_and_end_for_themselves_and_are_filled_again(store: Store, alone: Store):
    cells, reporter = cells_of(MIXED), Following()
    results = run_cells(cells, store, lanes=3, reporter=reporter)
    assert_same_results(store, alone, cells)
    assert [results[cell.id].status for cell in cells] == ["done"] * 2 + ["failed"] * 2 + [
        "done"
    ] * 2
    assert results[cells[1].id].metrics["epochs/stopped"] == 3, "its patience, and no one else's"
    assert results[cells[0].id].provenance["lanes"] == 3
    heard, running, most = reporter.heard, set(), 0
    for cell, epoch in heard:
        running = running - {cell} if epoch is None else running | {cell}
        most = max(most, len(running))
    assert most == 3
    assert heard.index((cells[3].id, 0)) < heard.index((cells[0].id, None)), "a free lane is filled"
    assert sorted(c for c, e in heard if e is None) == sorted(c.id for c in cells)
    assert run_cells(cells, store, lanes=3) == results, "what has a result is not trained again"


@pytest.mark.usefixtures("grouped")
def test_a_backward_pass_that_fails_is_not_the_others_fault(store: Store, tmp_path: Path):
    failing = {"loss": f"{__name__}:Failing", "loss_params": {"where": "backward"}}
    cells, alone = cells_of([{"loss": "magnet"}, failing, {"seed": 1}]), Store(str(tmp_path / "a"))
    for cell in cells:
        run_cell(cell, alone)
    run_cells(cells, store, lanes=3)
    reason = store.result(cells[1].id).reason
    assert re.fullmatch(rf"RuntimeError: no backward \({__file__}:\d+, in fail\)", reason)
    assert_same_results(store, alone, cells)


@pytest.mark.usefixtures("always_grouped")
def test_what_lanes_began_one_can_finish_and_the_other_way_round(store: Store, alone: Store):
    cells = [
        cell
        for cell, kind in zip(cells_of(MIXED), MIXED, strict=True)
        if "where" not in kind.get("loss_params", {})
    ]
    assert not run_cells(cells[:2], store, lanes=2, reporter=Following(stop_at=1))
    assert not run_cells(cells[2:], store, lanes=1, reporter=Following(stop_at=1))
    begun = {cell.id: store.cell(cell.id).history() for cell in cells}
    for cell in cells[:2]:
        run_cell(cell, store)
    run_cells(cells[2:], store, lanes=2)
    for cell in cells:
        assert_continued(store, cell, begun[cell.id])
    assert_same_results(store, alone, cells)


@pytest.mark.parametrize(("settings", "lanes"), [({"batch_size": 64}, 2), ({"seed": 1}, 0)])
def test_cells_of_other_batches_do_not_go_together(store: Store, settings: dict, lanes: int):
    with pytest.raises(ValueError, match="one fuse_key and a lane"):
        run_cells(cells_of([{}, settings]), store, lanes=lanes)

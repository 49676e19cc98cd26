from __future__ import annotations

from collections.abc import Collection

import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score
from small_cells import small_cell
from torch import nn
from torch.nn import functional

from lbray import backbones, data, losses, streams
from lbray.data import Split
from lbray.training.evaluate import evaluate
from lbray.training.trainer import Trainer


def splits_of(cell):
    return data.prepared(cell.dataset, None, "cpu", **cell.split_settings)[1]


def plain_epochs(cell, splits, epochs: int) -> torch.nn.Module:
    """The training of a cell, written down once more as a script.

    In the same memory format, whose order the dropout masks follow.
    """
    with streams.scope(cell.seed, "init"):
        model = backbones.build(cell.backbone, 10, 1)
        params = losses.fitted(cell.loss, cell.loss_params, num_classes=10, embedding_size=64)
        distance = losses.build(cell.loss, **params)
    rate = cell.learning_rate
    groups = [{"params": list(model.parameters()), "lr": rate}]
    if learnt := list(distance.parameters()):
        groups.append({"params": learnt, "lr": rate * cell.loss_learning_rate_factor})
    optimizer = torch.optim.Adam(groups)
    model.train()
    mean, std = splits.mean.view(-1, 1, 1), splits.std.view(-1, 1, 1)
    for epoch in range(epochs):
        distance.start_epoch(epoch, cell.max_epochs)
        masks = streams.generator(cell.seed, "dropout", epoch)
        for module in model.modules():
            if isinstance(module, backbones.Dropout):
                module.generator = masks
        order = torch.randperm(
            len(splits.train.labels), generator=streams.generator(cell.seed, "shuffle", epoch)
        )
        for batch in order.split(cell.batch_size):
            labels = splits.train.labels[batch]
            latents, logits = model((splits.train.images[batch] / 255 - mean) / std)
            loss = cell.lam * distance(latents, labels)
            loss = loss + (1 - cell.lam) * functional.cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return model


@pytest.mark.parametrize(
    "loss",
    [
        "contrastive",
        "triplet",
        "n_pair",
        "magnet",
        "latent_boost",
        "pml:ProxyAnchorLoss",
        "pml:SubCenterArcFaceLoss",
    ],
)
def test_two_epochs_equal_a_plain_script(loss: str):
    settings = {"loss_learning_rate_factor": 20.0, "lambda": 0.4}
    cell = small_cell(loss=loss, warmup_epochs=0, **settings)
    splits = splits_of(cell)
    trainer = Trainer(cell, splits)
    for epoch in range(2):
        trainer.train_epoch(epoch)
    expected = plain_epochs(cell, splits, 2).state_dict()
    for name, weight in trainer.weights().items():
        torch.testing.assert_close(weight, expected[name], rtol=2e-3, atol=2e-4)


def test_the_reported_loss_is_equation_5():
    metrics = Trainer(cell := small_cell(loss="magnet", **{"lambda": 0.3}), splits_of(cell))
    epoch = metrics.train_epoch(0)
    expected = 0.3 * epoch["train/dist"] + 0.7 * epoch["train/ce"]
    assert epoch["train/loss"] == pytest.approx(expected, rel=1e-5)


PROXIES = {"loss": "pml:ProxyAnchorLoss", "lambda": 0.5}


def proxies_of(trainer: Trainer) -> torch.Tensor:
    return trainer._loss.module.proxies.detach().clone()


def test_what_a_loss_learns_begins_by_the_seed_and_moves_by_its_own_rate():
    cell = small_cell(**PROXIES, loss_learning_rate_factor=50.0)
    splits = splits_of(cell)
    trainer, slow = Trainer(cell, splits), Trainer(small_cell(**PROXIES), splits)
    baseline = Trainer(small_cell(), splits)
    other = Trainer(small_cell(**PROXIES, seed=1), splits)
    begin = proxies_of(trainer)
    assert begin.shape == (10, 64)
    assert torch.equal(begin, proxies_of(slow))
    assert not torch.equal(begin, proxies_of(other))
    for name, weight in baseline.weights().items():
        assert torch.equal(weight, trainer.weights()[name])
    assert trainer.weights().keys() == baseline.weights().keys()
    for each in (trainer, slow):
        each.train_epoch(0)
    moved = [(proxies_of(each) - begin).abs().mean() for each in (trainer, slow)]
    assert moved[0] > 10 * moved[1] > 0


def test_a_plateau_cuts_both_learning_rates():
    cell = small_cell(**PROXIES, loss_learning_rate_factor=3.0, plateau_patience=1, patience=9)
    trainer = Trainer(cell, splits_of(cell))
    for accuracy in (0.5, 0.4, 0.4):
        trainer._schedule.step(accuracy)
    rates = [group["lr"] for group in trainer._optimizer.param_groups]
    assert rates == pytest.approx([2e-4, 6e-4])


def test_a_learned_balance_begins_as_its_constant_and_is_reported():
    cell = small_cell(
        loss="contrastive",
        lambda_schedule="learned",
        warmup_epochs=1,
        loss_learning_rate_factor=30.0,
        **{"lambda": 0.4},
    )
    trainer = Trainer(cell, splits_of(cell))
    assert trainer.train_epoch(0)["lambda"] == 0
    assert trainer._balance.share() == pytest.approx(0.4)
    learned = trainer.train_epoch(1)["lambda"]
    assert learned == trainer._balance.share()
    assert 0.4 < learned < 1, "the distance loss is the smaller one, so its weight grows"


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("linear", [0, 0.2, 0.4]), ("cosine", [0, 0.2, 0.4]), ("step", [0, 0, 0.4])],
)
def test_a_schedule_is_followed_and_reported(schedule: str, expected: list[float]):
    cell = small_cell(loss="magnet", lambda_schedule=schedule, **{"lambda": 0.4})
    trainer = Trainer(cell, splits_of(cell))
    epochs = [trainer.train_epoch(epoch) for epoch in range(3)]
    assert [epoch["lambda"] for epoch in epochs] == pytest.approx(expected)
    for epoch in epochs:
        share = epoch["lambda"]
        total = share * epoch.get("train/dist", 0) + (1 - share) * epoch["train/ce"]
        assert epoch["train/loss"] == pytest.approx(total, rel=1e-5)


def test_during_warm_up_a_cell_is_the_baseline_of_its_seed():
    cell = small_cell(loss="latent_boost", warmup_epochs=1, **{"lambda": 0.5})
    baseline = Trainer(small_cell(), splits_of(cell))
    boosted = Trainer(cell, splits_of(cell))
    assert boosted.train_epoch(0) == baseline.train_epoch(0)
    assert boosted.train_epoch(1)["train/dist"] != 0
    assert boosted.weights().keys() == baseline.weights().keys()


class Drawing(nn.Module):
    """A backbone of a user's own: torch's dropout, and an offset drawn when it is first called."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.dropout = nn.Dropout()
        self.head = nn.Linear(64, num_classes)
        self.register_buffer("offset", torch.zeros(64))
        self.begun = False
        self.masks: list[torch.Tensor] = []

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if not self.begun:
            self.begun, self.offset = True, torch.rand(64)
        latents = images.flatten(1) + self.offset
        if self.training:
            mask = self.dropout(torch.ones_like(latents))
            self.masks.append(mask)
            latents = latents * mask
        return latents, self.head(latents)


class DrawingLoss(nn.Module):
    """A loss of a user's own that draws random numbers before an epoch and in its steps."""

    def start_epoch(self, epoch: int, max_epochs: int) -> None:
        self.noise = torch.rand(()).item()

    def forward(self, latents, labels) -> torch.Tensor:
        return (latents * torch.randn_like(latents)).mean() * self.noise


def test_what_a_network_draws_does_not_depend_on_the_loss():
    settings = {"backbone": f"{__name__}:Drawing"}
    baseline = small_cell(**settings)
    drawing = small_cell(loss=f"{__name__}:DrawingLoss", **settings | {"lambda": 0.5})
    trainers = [Trainer(cell, splits_of(cell)) for cell in (baseline, drawing)]
    torch.testing.assert_close(*(trainer.weights() for trainer in trainers), rtol=0, atol=0)
    for trainer in trainers:
        trainer.train_epoch(0)
    masks, others = (trainer.model.masks for trainer in trainers)
    assert len(masks) == 5
    torch.testing.assert_close(masks, others, rtol=0, atol=0)


def test_what_a_loss_draws_is_decided_by_the_seed_and_the_epoch():
    cell = small_cell(loss=f"{__name__}:DrawingLoss", **{"lambda": 0.5})
    trainers = [Trainer(cell, splits_of(cell)) for _ in range(2)]
    first, second = (trainer.train_epoch(0) for trainer in trainers)
    assert first == second
    noise = trainers[0]._loss.module.noise
    trainers[0].train_epoch(1)
    assert trainers[0]._loss.module.noise != noise == trainers[1]._loss.module.noise


def test_with_lambda_zero_the_distance_loss_is_not_evaluated(monkeypatch: pytest.MonkeyPatch):
    cell = small_cell(loss="magnet", warmup_epochs=1, **{"lambda": 0.5})
    trainer = Trainer(cell, splits_of(cell))
    monkeypatch.setattr(trainer._loss, "forward", lambda *_: pytest.fail("evaluated"))
    assert "train/dist" not in trainer.train_epoch(0)


class Watching(nn.Module):
    """A loss of a user's own that asks for the training set."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[torch.Tensor, torch.Tensor, int]] = []

    def refresh(self, latents, labels, generator) -> None:
        self.seen.append((latents, labels, generator.initial_seed()))

    def forward(self, latents, labels) -> torch.Tensor:
        return latents.square().mean()


def test_a_loss_that_asks_sees_the_training_set_before_each_epoch_it_acts_in():
    cell = small_cell(loss=f"{__name__}:Watching", warmup_epochs=1, **{"lambda": 0.5})
    splits = splits_of(cell)
    trainer, expected = Trainer(cell, splits), []
    for epoch in range(3):
        trainer.model.eval()
        with torch.no_grad():
            expected.append(trainer.model(splits.normalise(splits.train.images))[0])
        trainer.train_epoch(epoch)
    seen = trainer._loss.module.seen
    assert len(seen) == 2
    for epoch, (latents, labels, seed) in enumerate(seen, start=1):
        torch.testing.assert_close(latents, expected[epoch])
        assert torch.equal(labels, splits.train.labels)
        assert seed == streams.stream_seed(cell.seed, "refresh", epoch)
        assert not latents.requires_grad


@pytest.mark.parametrize("loss", ["magnet", "latent_boost"])
def test_clusters_are_found_anew_before_each_epoch(loss: str):
    cell = small_cell(loss=loss, loss_params={"clusters": 3}, warmup_epochs=0, **{"lambda": 0.5})
    trainer = Trainer(cell, splits_of(cell))
    epochs = [(trainer.train_epoch(epoch), trainer._loss.centroids) for epoch in range(2)]
    assert all(centroids.shape == (10, 3, 64) for _, centroids in epochs)
    assert not torch.equal(epochs[0][1], epochs[1][1])
    one = Trainer(small_cell(loss=loss, warmup_epochs=0, **{"lambda": 0.5}), splits_of(cell))
    assert one.train_epoch(0)["train/dist"] != epochs[0][0]["train/dist"]


def test_latent_boost_reports_its_components():
    cell = small_cell(loss="latent_boost", **{"lambda": 0.5})
    metrics = Trainer(cell, splits_of(cell)).train_epoch(0)
    assert 1 <= metrics["latent/pca_components"] <= 64


@pytest.mark.parametrize("size", [540, 539, 270, 49, 600])
def test_every_image_is_seen_once_an_epoch_and_none_alone(size: int):
    trainer = Trainer(cell := small_cell(batch_size=size), splits_of(cell))
    batches = list(trainer.begin(3))
    assert torch.equal(torch.cat(batches).sort().values, torch.arange(540))
    assert all(2 <= len(batch) <= size + 1 for batch in batches)
    assert not torch.equal(torch.cat(batches), torch.cat(list(trainer.begin(4))))


@pytest.mark.parametrize("labels", [range(10), (3, 8)], ids=["all classes", "two classes"])
def test_metrics_are_scikit_learns(labels: Collection[int]):
    cell = small_cell()
    splits = splits_of(cell)
    trainer = Trainer(cell, splits)
    trainer.train_epoch(0)
    rows = torch.isin(splits.test.labels, torch.tensor(list(labels)))
    split = Split(splits.test.images[rows], splits.test.labels[rows])
    metrics = evaluate(trainer.model, splits, split, "float32", "test")
    trainer.model.eval()
    logits = trainer.model(splits.normalise(split.images))[1].detach()
    truth, predicted = split.labels.numpy(), logits.argmax(1).numpy()
    assert metrics == pytest.approx(
        {
            "test/acc": accuracy_score(truth, predicted),
            "test/f1_micro": f1_score(truth, predicted, average="micro"),
            "test/f1_macro": f1_score(truth, predicted, average="macro", zero_division=0.0),
            "test/loss": functional.cross_entropy(logits.double(), split.labels).item(),
        }
    )
    assert metrics["test/f1_micro"] == pytest.approx(metrics["test/acc"])


def test_bfloat16_computes_in_bfloat16_and_keeps_float32_weights():
    cell = small_cell(precision="bfloat16", loss="magnet", **{"lambda": 0.5})
    trainer = Trainer(cell, splits_of(cell))
    seen = []
    trainer.model.trunk[0].convolution.register_forward_hook(
        lambda *call: seen.append(call[2].dtype)
    )
    metrics = trainer.train_epoch(0)
    assert set(seen) == {torch.bfloat16}
    assert {weight.dtype for weight in trainer.weights().values()} == {torch.float32}
    exact = Trainer(small_cell(loss="magnet", **{"lambda": 0.5}), splits_of(cell)).train_epoch(0)
    assert metrics["train/ce"] == pytest.approx(exact["train/ce"], rel=0.02)
    assert metrics["train/ce"] != exact["train/ce"]

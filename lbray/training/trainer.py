"""The training loop of one cell: `L = λ·L_dist(latents) + (1−λ)·L_CE` (Eq. 5 of the paper)."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from lbray import backbones, losses, streams
from lbray.data import Splits
from lbray.errors import DamagedArtefact
from lbray.spec import Cell
from lbray.training.balance import LearnedBalance, lambda_at
from lbray.training.evaluate import evaluate, outputs
from lbray.training.precision import autocast
from lbray.training.steps import Steps
from lbray.training.workers import ALONE, Workers

_SCHEDULE_STATE = ("best", "num_bad_epochs", "cooldown_counter", "last_epoch")


class Trainer:
    """Model, loss, optimiser and schedule of a cell, advanced by one epoch at a time.

    The protocol is §3.3 of the paper: Adam, and a learning rate multiplied by `plateau_factor`
    when `plateau_patience` epochs brought no better validation accuracy. What the loss learns
    itself (proxies, centres, a learned balance) has a learning rate of its own, which is
    `loss_learning_rate_factor` times the model's.

    Args:
        cell: the settings.
        splits: the data, on the device that is to train.
        workers: among whom each batch is shared; all of them call the same methods.

    Attributes:
        model: on the device of the splits.
    """

    def __init__(self, cell: Cell, splits: Splits, workers: Workers = ALONE) -> None:
        self.cell = cell
        self.splits = splits
        self._workers = workers
        channels, classes = splits.image_shape[0], len(splits.classes)
        device = splits.train.images.device
        with streams.scope(cell.seed, "init"):
            model = backbones.build(cell.backbone, classes, channels)
            # for the baseline too: a network may be another one after it was first called
            width = backbones.latent_width(model, splits.image_shape)
            loss = None if cell.is_baseline else _loss(cell, classes, width)
        self.model = model.to(device)
        self._shared_model = workers.model(self.model)
        self._loss = loss
        self._balance = LearnedBalance(cell.lam) if cell.lambda_schedule == "learned" else None
        beside = {"loss": self._loss, "balance": self._balance}
        self._beside_model = nn.ModuleDict(
            {name: module for name, module in beside.items() if module is not None}
        ).to(device)
        groups: list[dict[str, Any]] = [{"params": list(self.model.parameters())}]
        if learnt := list(self._beside_model.parameters()):
            rate = cell.learning_rate * cell.loss_learning_rate_factor
            groups.append({"params": learnt, "lr": rate})
        self._optimizer = torch.optim.Adam(groups, lr=cell.learning_rate, fused=True)
        self._schedule = ReduceLROnPlateau(
            self._optimizer,
            mode="max",
            factor=cell.plateau_factor,
            patience=cell.plateau_patience,
            threshold=0.0,
            eps=0.0,
        )

    def run_epoch(self, epoch: int) -> dict[str, Any]:
        """Train on every training image once, validate, and adapt the learning rate.

        Args:
            epoch: counted from 0.

        Returns:
            The epoch's metrics by name, JSON-ready.

        Raises:
            Diverged: the loss of some step was NaN or infinite.
        """
        started = time.perf_counter()
        metrics = self.train_epoch(epoch)
        return self.conclude(epoch, metrics, time.perf_counter() - started)

    def conclude(self, epoch: int, metrics: dict[str, float], seconds: float) -> dict[str, Any]:
        """Validate after the training part of an epoch, and adapt the learning rate.

        Args:
            epoch: counted from 0.
            metrics: of the training part, which took so many
            seconds.

        Returns:
            See `run_epoch`.
        """
        started = time.perf_counter()
        learning_rate = self._optimizer.param_groups[0]["lr"]
        metrics = metrics | self._validate()
        self._schedule.step(metrics["val/acc"])
        return {
            "epoch": epoch,
            "lr": learning_rate,
            **metrics,
            "time/epoch_s": seconds + time.perf_counter() - started,
        }

    def _validate(self) -> dict[str, float]:
        splits, precision = self.splits, self.cell.precision
        return evaluate(
            self.model, splits, splits.validation, precision, "val", workers=self._workers
        )

    def train_epoch(self, epoch: int) -> dict[str, float]:
        """The training part of `run_epoch`; returns λ (a learned one as it is in the end) and the
        metrics of the training images."""
        steps = self.begin(epoch)
        network, loss = (self.draws(purpose, epoch) for purpose in ("network", "loss"))
        for batch in steps:
            with network:
                latents, logits = self._forward(batch)
            with loss:
                total = steps.total(latents, logits)
            total.backward()
            steps.step()
        return steps.metrics()

    def draws(self, purpose: streams.Purpose, epoch: int) -> streams.Resumable:
        """A stream of torch's default generators for a part of each step of an epoch."""
        return streams.Resumable(self.cell.seed, purpose, epoch, self.splits.train.labels.device)

    def begin(self, epoch: int) -> Steps:
        """The steps of an epoch, for whoever computes the network and the gradients; the model is
        in training mode then, with the epoch's dropout masks to come."""
        cell = self.cell
        lam = lambda_at(
            epoch,
            cell.lam,
            cell.max_epochs,
            schedule=cell.lambda_schedule,
            warmup_epochs=cell.warmup_epochs,
            step=cell.lambda_step or 0.0,
        )
        if self._loss is not None:
            with streams.scope(cell.seed, "before_epoch", epoch):
                self._loss.start_epoch(epoch, cell.max_epochs)
                if lam and self._loss.wants_refresh:
                    self._refresh(self._loss, epoch)
        device = self.splits.train.labels.device
        dropout = streams.generator(cell.seed, "dropout", epoch, device)
        for module in self._dropouts():
            module.generator = dropout
        self.model.train()
        return Steps(
            cell, epoch, lam, self.splits.train.labels, self._loss, self._balance, self._optimizer
        )

    @torch.no_grad()
    def _refresh(self, loss: losses.LatentLoss, epoch: int) -> None:
        train, workers = self.splits.train, self._workers
        rows, count = workers.rows(len(train.labels)), len(train.labels)
        parts = outputs(self.model, self.splits, train.images[rows], self.cell.precision)
        latents = workers.gather(torch.cat([latents for latents, _ in parts]), count)
        loss.refresh(latents, train.labels, streams.generator(self.cell.seed, "refresh", epoch))

    def _forward(self, batch: Tensor) -> tuple[Tensor, Tensor]:
        """Latents [B, d] and logits [B, C] in float32 of a batch of training images, each worker's
        rows by that worker."""
        rows, size = self._workers.rows(len(batch)), len(batch)
        images = self.splits.normalise(self.splits.train.images[batch[rows]])
        for module in self._dropouts():
            module.rows = rows, size
        with autocast(images.device, self.cell.precision):
            latents, logits = self._shared_model(images)
        latents, logits = self._workers.gather_columns((latents.float(), logits.float()), size)
        return latents, logits

    def _dropouts(self) -> list[backbones.Dropout]:
        return [module for module in self.model.modules() if isinstance(module, backbones.Dropout)]

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """All that the next epoch depends on, as tensors and as JSON-ready values."""
        optimizer = self._optimizer.state_dict()
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        for name, tensor in self._beside_model.state_dict().items():
            tensors[f"beside_model.{name}"] = tensor
        for index, moments in optimizer["state"].items():
            tensors |= {f"optimizer.{index}.{name}": tensor for name, tensor in moments.items()}
        schedule = {name: getattr(self._schedule, name) for name in _SCHEDULE_STATE}
        learning_rates = [group["lr"] for group in self._optimizer.param_groups]
        return tensors, {"schedule": schedule, "learning_rates": learning_rates}

    def restore(self, tensors: dict[str, Tensor], state: Any) -> None:
        """Go back to what `state` returned.

        Raises:
            DamagedArtefact: it is of another model or loss, or nothing that `state` returns.
        """
        self.load_weights(self.weights_in(tensors))
        self._load(self._beside_model, _below("beside_model.", tensors))
        optimizer = self._optimizer.state_dict()
        parameters = [each for group in self._optimizer.param_groups for each in group["params"]]
        moments = {
            index: _moments(_below(f"optimizer.{index}.", tensors), parameter)
            for index, parameter in enumerate(parameters)
        }
        optimizer["state"] = {index: each for index, each in moments.items() if each}
        try:
            rates = [float(rate) for rate in state["learning_rates"]]
            schedule = {name: _number(state["schedule"][name]) for name in _SCHEDULE_STATE}
            for group, rate in zip(optimizer["param_groups"], rates, strict=True):
                group["lr"] = rate
        except (KeyError, TypeError, ValueError) as problem:
            raise DamagedArtefact(f"the state does not fit: {problem!r}") from None
        self._optimizer.load_state_dict(optimizer)
        self._schedule.load_state_dict(schedule)

    @staticmethod
    def weights_in(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
        """What `weights` returned, from the tensors that `state` did."""
        return _below("model.", tensors)

    def weights(self) -> dict[str, Tensor]:
        """The model's parameters and buffers."""
        return dict(self.model.state_dict())

    def load_weights(self, weights: dict[str, Tensor]) -> None:
        """Replace the model's parameters and buffers.

        Raises:
            DamagedArtefact: they are of another model.
        """
        self._load(self.model, weights)

    def _load(self, module: nn.Module, tensors: dict[str, Tensor]) -> None:
        """As `load_state_dict`, also into buffers that were filled, or changed their shape, since
        the module was made."""
        device = self.splits.train.labels.device
        for name, buffer in _buffers(module).items():
            stored = tensors.get(name)
            if stored is not None and (buffer is None or buffer.shape != stored.shape):
                path, _, own_name = name.rpartition(".")
                setattr(module.get_submodule(path), own_name, stored.to(device, copy=True))
        try:
            module.load_state_dict(tensors)
        except RuntimeError as problem:
            what = str(problem).splitlines()[-1].strip()
            raise DamagedArtefact(f"the state does not fit: {what}") from None


def _loss(cell: Cell, num_classes: int, width: int) -> losses.LatentLoss:
    """The loss of a cell, on the CPU; proxies and the like are drawn after the model's weights."""
    params = losses.fitted(
        cell.loss, cell.loss_params, num_classes=num_classes, embedding_size=width
    )
    return losses.build(cell.loss, **params)


def _moments(stored: dict[str, Tensor], parameter: Tensor) -> dict[str, Tensor]:
    """Adam's moments of a parameter, in whose order in memory the fused step walks them: by which
    it would leave them, were they smaller. None before the first step.

    Raises:
        DamagedArtefact: they are not of such a parameter.
    """
    if not stored:
        return {}
    shapes = {name: tensor.shape for name, tensor in stored.items()}
    of_parameter = parameter.shape
    if shapes != {"step": torch.Size(), "exp_avg": of_parameter, "exp_avg_sq": of_parameter}:
        raise DamagedArtefact(f"the state does not fit: moments of a parameter are {shapes}")
    return {
        name: tensor if name == "step" else torch.empty_like(parameter).copy_(tensor).detach()
        for name, tensor in stored.items()
    }


def _number(value: object) -> float:
    if not isinstance(value, (int, float)):
        raise TypeError(value)
    return value


def _buffers(module: nn.Module) -> dict[str, Tensor | None]:
    """All buffers by their full names, those that are None among them."""
    return {
        f"{path}.{name}" if path else name: buffer
        for path, part in module.named_modules()
        for name, buffer in part._buffers.items()
    }


def _below(prefix: str, tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }

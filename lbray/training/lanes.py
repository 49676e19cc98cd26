"""Cells that are trained together, an epoch at a time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from lbray.training.grouped import GroupedNetwork
from lbray.training.precision import autocast
from lbray.training.steps import Steps
from lbray.training.trainer import Trainer

Outcome = dict[str, Any] | Exception
"""Of an epoch of one trainer: what `Trainer.run_epoch` returns, or what it would raise."""


def run_epochs(trainers: Sequence[Trainer], epochs: Sequence[int], grouped: bool) -> list[Outcome]:
    """An epoch of each trainer. What goes wrong in one is its outcome, and the others go on.

    Args:
        trainers: of the same splits, backbone, batch size and precision.
        epochs: of each trainer, counted from 0.
        grouped: compute their networks together; else one after another, each as it is alone. An
            epoch's seconds are then the trainer's share of all.

    Raises:
        Exception: the networks could not be computed together, and whose fault that is cannot be
            said. The trainers are then in the midst of an epoch.
    """
    if grouped:
        return _Lanes(trainers, epochs).run()
    return [_attempt(trainer, epoch) for trainer, epoch in zip(trainers, epochs, strict=True)]


def _attempt(trainer: Trainer, epoch: int) -> Outcome:
    try:
        return trainer.run_epoch(epoch)
    except Exception as problem:
        return problem


class _Lane:
    """A trainer and how far it is in its epoch; what went wrong, from when on it only keeps its
    place in the group."""

    def __init__(self, trainer: Trainer, epoch: int) -> None:
        self.trainer = trainer
        self.epoch = epoch
        self.problem: Exception | None = None
        self.steps: Steps | None = None
        self._draws = trainer.draws("loss", epoch)

    def begin(self) -> None:
        try:
            self.steps = self.trainer.begin(self.epoch)
        except Exception as problem:
            self.problem = problem

    def total(self, latents: Tensor, logits: Tensor) -> Tensor | None:
        """The loss; None if it could not be computed, now or before."""
        if self.steps is None or self.problem is not None:
            return None
        try:
            with self._draws:
                return self.steps.total(latents, logits)
        except Exception as problem:
            self.problem = problem
            return None

    def step(self) -> None:
        if self.steps is not None and self.problem is None:
            self.steps.step()

    def conclude(self, seconds: float) -> Outcome:
        if self.steps is None or self.problem is not None:
            assert self.problem is not None
            return self.problem
        try:
            return self.trainer.conclude(self.epoch, self.steps.metrics(), seconds)
        except Exception as problem:
            return problem


class _Lanes:
    """One epoch of trainers whose networks are computed together."""

    def __init__(self, trainers: Sequence[Trainer], epochs: Sequence[int]) -> None:
        self._all = [_Lane(*each) for each in zip(trainers, epochs, strict=True)]
        self._splits = trainers[0].splits
        self._precision = trainers[0].cell.precision

    def run(self) -> list[Outcome]:
        started = time.perf_counter()
        for lane in self._all:
            lane.begin()
        lanes = [lane for lane in self._all if lane.steps is not None]
        if lanes:
            self._train(lanes)
        share = (time.perf_counter() - started) / len(self._all)
        return [lane.conclude(share) for lane in self._all]

    def _train(self, lanes: Sequence[_Lane]) -> None:
        batches_of_all = zip(*(lane.steps for lane in lanes if lane.steps), strict=True)
        with GroupedNetwork([lane.trainer.model for lane in lanes]) as network:
            for batches in batches_of_all:
                latents, logits = self._forward(network, batches)
                computed = [
                    lane.total(*outputs)
                    for lane, *outputs in zip(lanes, latents, logits, strict=True)
                ]
                totals = [total for total in computed if total is not None]
                if not totals:
                    return
                torch.autograd.backward(totals)
                network.hand_out_gradients()
                for lane in lanes:
                    lane.step()

    def _forward(self, network: GroupedNetwork, batches: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Latents [K, B, d] and logits [K, B, num_classes] in float32 of the lanes' batches."""
        images = self._splits.normalise(self._splits.train.images[torch.cat(list(batches))])
        with autocast(images.device, self._precision):
            latents, logits = network(images.unflatten(0, (len(batches), -1)))
        return latents.float(), logits.float()

"""How many networks are soonest computed together; and whether they may be."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Sequence
from statistics import median

import torch
from torch import Tensor, nn

from lbray import backbones
from lbray.training.grouped import GroupedNetwork
from lbray.training.precision import autocast
from lbray.training.trainer import Trainer

_STEPS = 5
_SAME = 0.05
"""How far outputs may be apart, against their size. Rounding, even of TF32 and bfloat16, stays well
below; another dropout mask, or batch statistics of the wrong images, do not."""

Outputs = list[tuple[Tensor, Tensor]]
"""Latents and logits of each network."""

_known: dict[tuple[object, ...], int] = {}
"""What was found in this process, by all that it depends on."""


def group_size(trainers: Sequence[Trainer]) -> int:
    """How many of the trainers' models are soonest computed in one `GroupedNetwork`; 1 if they are
    sooner computed one after another, or a group does not do the same.

    Measured once by a few steps of copies, in groups of 2, 4, … and all, as far as there is memory.
    Always 1 on a CPU: there a step of 2, 4 or 8 grouped networks took 1.3 to 3 times as long, see
    ``benchmarks/fused.py``.
    """
    cell, splits = trainers[0].cell, trainers[0].splits
    device = splits.train.images.device
    if device.type == "cpu" or len(trainers) == 1:
        return 1
    kind = (cell.backbone, splits.image_shape, cell.batch_size, cell.precision)
    key = (*kind, len(trainers), str(device))
    if key not in _known:
        models = [trainer.model for trainer in trainers]
        batch = splits.train.images[: cell.batch_size].repeat(len(models), 1, 1, 1)
        images = splits.normalise(batch).unflatten(0, (len(models), -1))
        with torch.random.fork_rng():
            _known[key] = _fastest(models, images, cell.precision)
    return _known[key]


def _fastest(models: Sequence[nn.Module], images: Tensor, precision: str) -> int:
    """The size with the least seconds per network."""
    if not same_grouped(models[:2], images[:2], precision):
        return 1
    seconds = {1: _step_seconds(_in_turns, models[:1], images[:1], precision)}
    for size in _sizes(len(models)):
        try:
            taken = _step_seconds(_grouped, models[:size], images[:size], precision)
        except torch.OutOfMemoryError:
            break
        seconds[size] = taken / size
    return min(seconds, key=seconds.__getitem__)


def _sizes(most: int) -> list[int]:
    """2, 4, 8, … below `most`, and `most`."""
    return [*(2**power for power in range(1, (most - 1).bit_length())), most]


def _step_seconds(
    compute: Callable[..., Outputs], models: Sequence[nn.Module], images: Tensor, precision: str
) -> float:
    """What a forward and a backward pass of copies take."""
    copies, seconds = _copies(models), []
    for step in range(1 + _STEPS):
        _wait_for(images.device)
        started = time.perf_counter()
        outputs = compute(copies, images, precision)
        totals = [logits.float().logsumexp(dim=1).sum() for _, logits in outputs]
        torch.autograd.backward(totals)
        _wait_for(images.device)
        if step:  # the first one chooses algorithms
            seconds.append(time.perf_counter() - started)
    return median(seconds)


def same_grouped(models: Sequence[nn.Module], images: Tensor, precision: str) -> bool:
    """Whether networks, in training mode, give and keep the same in a group as apart.

    A backbone of a user's own may draw random numbers that no network has for itself in a group,
    keep in plain attributes what then is kept for all of them, drop out features of another memory
    order, or do what `torch.vmap` cannot.

    Args:
        models: left as they are.
        images: [K, B, C, H, W], normalised.
        precision: ``float32`` or ``bfloat16``.
    """
    together, apart = _copies(models), _copies(models)
    before = _plain(apart)
    with torch.no_grad():
        expected = _in_turns(apart, images, precision)
        try:
            found = _grouped(together, images, precision)
        except Exception:
            return False
    pairs = [
        *zip(_flat(found), _flat(expected), strict=True),
        *zip(_buffers(together), _buffers(apart), strict=True),
    ]
    return _plain(apart) == before and all(_near(one, other) for one, other in pairs)


def _in_turns(models: Sequence[nn.Module], images: Tensor, precision: str) -> Outputs:
    with autocast(images.device, precision):
        return [model(each) for model, each in zip(models, images, strict=True)]


def _grouped(models: Sequence[nn.Module], images: Tensor, precision: str) -> Outputs:
    with GroupedNetwork(models) as network, autocast(images.device, precision):
        return list(zip(*network(images), strict=True))


def _copies(models: Sequence[nn.Module]) -> list[nn.Module]:
    """Models like these, with dropout streams of their own."""
    copies = []
    for seed, model in enumerate(models):
        dropouts = [each for each in model.modules() if isinstance(each, backbones.Dropout)]
        for dropout in dropouts:
            dropout.generator = None  # an epoch sets it anew, and it cannot be copied
        made = copy.deepcopy(model).train()
        masks = torch.Generator(next(model.parameters()).device).manual_seed(seed)
        for each in made.modules():
            if isinstance(each, backbones.Dropout):
                each.generator = masks
        copies.append(made)
    return copies


def _buffers(models: Sequence[nn.Module]) -> list[Tensor]:
    return [buffer for model in models for buffer in model.buffers()]


def _flat(outputs: Outputs) -> list[Tensor]:
    return [tensor for pair in outputs for tensor in pair]


def _plain(models: Sequence[nn.Module]) -> list[dict[str, object]]:
    """What modules keep in plain attributes."""
    kinds = (bool, int, float, str)
    return [
        {name: value for name, value in vars(module).items() if isinstance(value, kinds)}
        for model in models
        for module in model.modules()
    ]


def _near(one: Tensor, other: Tensor) -> bool:
    size = other.double().norm()
    return bool((one.double() - other.double()).norm() <= _SAME * size)


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)

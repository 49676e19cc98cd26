"""Networks of one shape that are computed together."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from types import TracebackType

import torch
from torch import Tensor, nn
from torch.func import functional_call

from lbray import backbones


class GroupedNetwork:
    """K networks as one: under `torch.vmap`, K convolutions are one of K groups, K linear layers a
    batched product. What is launch-bound alone takes the launches of one.

    To be used as a context: what the networks track, such as the running statistics of batch
    normalisation, is theirs again at its end.

    Args:
        models: with parameters and buffers of the same names and shapes, in the same mode. Each
            has dropout masks from its own generators, but for the rounding the outputs that it has
            alone, and, by `hand_out_gradients`, its own gradients.
    """

    def __init__(self, models: Sequence[nn.Module]) -> None:
        self._models = models
        self._parameters = [dict[str, Tensor](model.named_parameters()) for model in models]
        self._buffers = [dict(model.named_buffers()) for model in models]
        self._stacked: dict[str, Tensor] = {}
        self._tracked: dict[str, Tensor] = {}
        self._dropouts = list(zip(*map(_dropouts, models), strict=True))

    def __enter__(self) -> GroupedNetwork:
        self._stacked = {
            name: _stack(parameter, len(self._models)).requires_grad_(parameter.requires_grad)
            for name, parameter in self._parameters[0].items()
        }
        self._tracked = {
            name: _stack(buffer, len(self._models)) for name, buffer in self._buffers[0].items()
        }
        _copy(_rows(self._tracked), self._buffers)
        return self

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Latents [K, B, d] and logits [K, B, num_classes] of images [K, B, C, H, W]."""
        _copy(_rows(self._stacked), self._parameters)
        with ExitStack() as afterwards:
            for of_one, *_ in self._dropouts:
                afterwards.callback(setattr, of_one, "lanes", None)
            for lanes in self._dropouts:
                lanes[0].lanes = [dropout.generator for dropout in lanes]
            call = torch.vmap(self._one, randomness="error")
            outputs: tuple[Tensor, Tensor] = call(self._stacked, self._tracked, images)
            return outputs

    def hand_out_gradients(self) -> None:
        """After the backward pass: each network's parameters get their gradients."""
        for name, stacked in self._stacked.items():
            for lane, parameters in enumerate(self._parameters):
                parameters[name].grad = None if stacked.grad is None else stacked.grad[lane]
            stacked.grad = None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        _copy(self._buffers, _rows(self._tracked))

    def _one(
        self, parameters: dict[str, Tensor], buffers: dict[str, Tensor], images: Tensor
    ) -> tuple[Tensor, Tensor]:
        outputs: tuple[Tensor, Tensor] = functional_call(
            self._models[0], (parameters, buffers), (images,)
        )
        return outputs


def _stack(one: Tensor, count: int) -> Tensor:
    """Room for `count` tensors, each in the memory order of this one: Adam's fused step walks a
    parameter and its gradient in memory order, and a gradient takes that of what it is of."""
    size, strides = one.numel(), torch.empty_like(one, device="meta").stride()
    return torch.empty_strided(
        (count, *one.shape), (size, *strides), dtype=one.dtype, device=one.device
    )


def _rows(stacked: dict[str, Tensor]) -> list[dict[str, Tensor]]:
    unbound = {name: tensor.detach().unbind() for name, tensor in stacked.items()}
    count = max(map(len, unbound.values()), default=0)
    return [{name: rows[lane] for name, rows in unbound.items()} for lane in range(count)]


def _copy(to: Sequence[dict[str, Tensor]], of: Sequence[dict[str, Tensor]]) -> None:
    """Copy tensors of the same names, in as few launches as there can be."""
    targets = [tensor for lane in to for tensor in lane.values()]
    with torch.no_grad():
        if targets:
            sources = [of[lane][name] for lane, names in enumerate(to) for name in names]
            torch._foreach_copy_(targets, sources)


def _dropouts(model: nn.Module) -> list[backbones.Dropout]:
    return [module for module in model.modules() if isinstance(module, backbones.Dropout)]

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
            alone, and its own gradients from the backward pass of anything that follows.
    """

    def __init__(self, models: Sequence[nn.Module]) -> None:
        self._models = models
        self._parameters = _by_name([dict(model.named_parameters()) for model in models])
        self._buffers = _by_name([dict(model.named_buffers()) for model in models])
        self._tracked: dict[str, Tensor] = {}
        self._dropouts = list(zip(*map(_dropouts, models), strict=True))

    def __enter__(self) -> GroupedNetwork:
        self._tracked = {name: torch.stack(each) for name, each in self._buffers.items()}
        return self

    def __call__(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Latents [K, B, d] and logits [K, B, num_classes] of images [K, B, C, H, W]."""
        parameters = {name: torch.stack(each) for name, each in self._parameters.items()}
        with ExitStack() as afterwards:
            for of_one, *_ in self._dropouts:
                afterwards.callback(setattr, of_one, "lanes", None)
            for lanes in self._dropouts:
                lanes[0].lanes = [dropout.generator for dropout in lanes]
            call = torch.vmap(self._one, randomness="error")
            outputs: tuple[Tensor, Tensor] = call(parameters, self._tracked, images)
            return outputs

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with torch.no_grad():
            for name, lanes in self._buffers.items():
                for buffer, tracked in zip(lanes, self._tracked[name], strict=True):
                    buffer.copy_(tracked)

    def _one(
        self, parameters: dict[str, Tensor], buffers: dict[str, Tensor], images: Tensor
    ) -> tuple[Tensor, Tensor]:
        outputs: tuple[Tensor, Tensor] = functional_call(
            self._models[0], (parameters, buffers), (images,)
        )
        return outputs


def _by_name(tensors: Sequence[dict[str, Tensor]]) -> dict[str, list[Tensor]]:
    return {name: [each[name] for each in tensors] for name in tensors[0]}


def _dropouts(model: nn.Module) -> list[backbones.Dropout]:
    return [module for module in model.modules() if isinstance(module, backbones.Dropout)]

"""A loss as training will call it, before anything is trained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lbray import own_code
from lbray.errors import InputError
from lbray.losses.registry import build, fitted


def rehearse(
    name: str,
    params: Mapping[str, Any],
    labels: Tensor,
    *,
    num_classes: int,
    embedding_size: int,
    max_epochs: int,
) -> None:
    """Build a loss and call it once, on a batch of random latents on the CPU.

    One that wants to see the latents of all training images first is built only. Random numbers are
    left alone.

    Args:
        name: see `build`.
        params: as the user gave them.
        labels: of a batch as it will come in training, int64 [B].
        num_classes: of the dataset.
        embedding_size: d, the width of the backbone's latents.
        max_epochs: of the training.

    Raises:
        InputError: see `fitted` and `build`; or the loss raised an error, gave no single number, or
            had a parameter or buffer that it did not have before, which no checkpoint could be
            restored into.
    """
    sizes = fitted(name, params, num_classes=num_classes, embedding_size=embedding_size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        loss = build(name, **sizes)
        if loss.wants_refresh:
            return
        at_first = _registered(loss)
        latents = torch.randn(len(labels), embedding_size, requires_grad=True)
        with own_code.blamed(
            f"loss {name} cannot be called with latents {list(latents.shape)} and labels "
            f"{list(labels.shape)}"
        ):
            loss.start_epoch(0, max_epochs)
            total = loss(latents, labels) + 0 * latents.sum()  # a loss may be constant
            total.backward()
    if late := sorted({name for _, name in _registered(loss) - at_first}):
        raise InputError(
            f"loss {name} registers {', '.join(late)} when it is called, but must in __init__ (a "
            "buffer as None, if there is nothing yet): it could not be restored."
        )


def _registered(loss: nn.Module) -> set[tuple[str, str]]:
    """All parameters and buffers, those that are None among them, by their module and name."""
    return {
        (path, name)
        for path, module in loss.named_modules(remove_duplicate=False)
        for name in (*module._parameters, *module._buffers)
    }

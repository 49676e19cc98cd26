"""Losses by name."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

from torch import Tensor, nn

from lbray.errors import InputError
from lbray.losses.contrastive import Contrastive
from lbray.losses.latent_boost import LatentBoost
from lbray.losses.latent_loss import LatentLoss
from lbray.losses.magnet import Magnet
from lbray.losses.n_pair import NPair
from lbray.losses.triplet import Triplet

_LOSSES: dict[str, Callable[..., nn.Module]] = {
    "contrastive": Contrastive,
    "triplet": Triplet,
    "n_pair": NPair,
    "magnet": Magnet,
    "latent_boost": LatentBoost,
}


def names() -> tuple[str, ...]:
    """The losses of lbray itself; besides them there is the form ``module:attribute``."""
    return tuple(_LOSSES)


def parameters(name: str) -> dict[str, Any]:
    """A loss's parameters and their defaults.

    Raises:
        InputError: there is no such loss.
    """
    return {
        parameter.name: None if parameter.default is parameter.empty else parameter.default
        for parameter in inspect.signature(_made_by(name)).parameters.values()
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    }


def default_warmup_epochs(name: str) -> int:
    """Epochs with λ = 0 at the start of a training with this loss, unless it sets them.

    Raises:
        InputError: there is no such loss.
    """
    return int(getattr(_made_by(name), "default_warmup_epochs", 0))


def build(name: str, **params: Any) -> LatentLoss:
    """A loss: ``module(latents [B, d], labels [B]) -> scalar``.

    Args:
        name: one of `names`, or ``module:attribute``: a callable of the user's own that returns
            a `torch.nn.Module` to be called like this.
        params: the loss's parameters; those left out have their defaults.

    Raises:
        InputError: there is no such loss, it has no such parameter, or a value is not allowed.
    """
    made_by, known = _made_by(name), parameters(name)
    for parameter in params:
        if parameter not in known:
            raise InputError.unknown(f"parameter of the loss {name}", parameter, known)
    try:
        loss = made_by(**params)
    except (ValueError, TypeError) as problem:
        raise InputError(f"loss {name}: {problem}.") from None
    if not isinstance(loss, nn.Module):
        raise InputError(f"loss is '{name}', which must return a torch.nn.Module.")
    return loss if isinstance(loss, LatentLoss) else _Adapted(loss)


class _Adapted(LatentLoss):
    """A module that is called like a loss but knows nothing of lbray."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def compare(self, latents: Tensor, labels: Tensor) -> Tensor:
        loss: Tensor = self.module(latents, labels)
        return loss

    def start_epoch(self, epoch: int, max_epochs: int) -> None:
        start_epoch = getattr(self.module, "start_epoch", None)
        if start_epoch is not None:
            start_epoch(epoch, max_epochs)


@cache
def _made_by(name: str) -> Callable[..., nn.Module]:
    if name in _LOSSES:
        return _LOSSES[name]
    if ":" not in name:
        raise InputError.unknown("loss", name, ["baseline", *_LOSSES, "MODULE:ATTRIBUTE"])
    module, attribute = name.split(":", 1)
    try:
        made_by: Callable[..., nn.Module] = getattr(importlib.import_module(module), attribute)
        inspect.signature(made_by)
    except (ImportError, AttributeError, TypeError, ValueError) as problem:
        raise InputError(
            f"loss is '{name}', which must be an importable callable that returns a "
            f"torch.nn.Module ({problem})."
        ) from None
    return made_by

"""Losses by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from importlib.metadata import entry_points
from typing import Any

import torch
from torch import Tensor, nn

from lbray import own_code
from lbray.errors import InputError
from lbray.losses import pml
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


ENTRY_POINTS = "lbray.losses"
"""The group of entry points under which an installed package registers losses by name."""

Scalar = bool | int | float | str | None
"""What a parameter can be in a file."""

_TRIAL_SIZES = {"num_classes": 2, "embedding_size": 960}
"""What `trial` takes for sizes that are not known yet; most numbers of heads divide 960."""

_SIZES = {
    "num_classes": "num_classes",
    "embedding_size": "embedding_size",
    "descriptors_dim": "embedding_size",
}
"""Parameters without a default that the data and the backbone decide."""


def names() -> tuple[str, ...]:
    """The losses of lbray itself, then those that installed packages register.

    Besides them there are the forms ``pml:CLASS`` and ``module:attribute``.
    """
    return (*_LOSSES, *sorted(entry_points(group=ENTRY_POINTS).names - set(_LOSSES)))


def parameters(name: str) -> dict[str, Any]:
    """A loss's parameters and their defaults; None for one without.

    Raises:
        InputError: there is no such loss.
    """
    return {
        parameter.name: None if parameter.default is parameter.empty else parameter.default
        for parameter in _parameters(name)
    }


def known_defaults(name: str) -> dict[str, Any]:
    """As `parameters`, but nothing for ``module:attribute``, which would be run, nor for what is
    not installed here."""
    if _is_of_a_module(name):
        return {}
    try:
        return parameters(name)
    except InputError:
        return {}


def required(name: str) -> list[str]:
    """The parameters of a loss that have no default.

    Raises:
        InputError: there is no such loss.
    """
    return [p.name for p in _parameters(name) if p.default is p.empty]


def fillable(name: str) -> list[str]:
    """Those of `required` that data and backbone decide; see `fitted`.

    Raises:
        InputError: there is no such loss.
    """
    return [parameter for parameter in required(name) if parameter in _SIZES]


def code_digest(name: str) -> str | None:
    """Sixteen digits that tell one state of the file of a ``module:attribute`` from another; None
    for other losses, which `package` and its version tell of.

    Raises:
        InputError: there is no such loss.
    """
    made_by(name)
    return own_code.digest(name) if _is_of_a_module(name) else None


@cache
def package(name: str) -> str | None:
    """The installed package, not lbray itself, that a loss comes from; None if there is none."""
    if name.startswith(pml.PREFIX):
        return pml.PACKAGE
    registered = entry_points(group=ENTRY_POINTS)
    known = name not in _LOSSES and name in registered.names
    distribution = registered[name].dist if known else None
    return None if distribution is None else distribution.name


def default_warmup_epochs(name: str) -> int:
    """Epochs with λ = 0 at the start of a training with this loss, unless it sets them.

    Raises:
        InputError: there is no such loss.
    """
    return int(getattr(made_by(name), "default_warmup_epochs", 0))


def fitted(
    name: str, params: Mapping[str, Any], *, num_classes: int, embedding_size: int
) -> dict[str, Any]:
    """A loss's parameters, with those filled in that the data and the backbone decide.

    These are `num_classes` and `embedding_size` (or `descriptors_dim`) of a loss that has them
    without a default, where `params` lacks them or has None.

    Args:
        name: see `build`.
        params: as the user gave them.
        num_classes: of the dataset.
        embedding_size: d, the width of the backbone's latents.

    Raises:
        InputError: there is no such loss, or `params` gives sizes that do not fit.
    """
    sizes = {"num_classes": num_classes, "embedding_size": embedding_size}
    filled = dict(params)
    for parameter in fillable(name):
        size = sizes[_SIZES[parameter]]
        given = filled.get(parameter)
        if given is None:
            filled[parameter] = size
        elif given != size and (parameter != "num_classes" or given < size):
            raise InputError(
                f"loss {name}: {parameter} is {given}, but must be "
                f"{'at least ' if parameter == 'num_classes' else ''}{size} with this dataset and "
                "backbone; left out, it is filled in."
            )
    return filled


def trial(name: str, params: Mapping[str, Any]) -> LatentLoss:
    """Build a loss before data and backbone are known, to see that its parameters are allowed.

    Sizes that `fitted` would fill in are made up. Random numbers are left alone.

    Raises:
        InputError: see `build`.
    """
    filled = dict(params)
    for parameter in fillable(name):
        given = filled.get(parameter)
        if given is None:
            filled[parameter] = _TRIAL_SIZES[_SIZES[parameter]]
        elif type(given) is not int or given < 1:
            raise InputError(
                f"loss {name}: {parameter} is {given!r}, but must be a whole number from 1."
            )
    with torch.random.fork_rng(devices=[]):
        return build(name, **filled)


def check_training_set(
    name: str, params: Mapping[str, Any], class_sizes: Mapping[str, int]
) -> None:
    """See, before anything is trained, that a loss can do with a training set.

    Args:
        name: see `build`.
        params: as the user gave them.
        class_sizes: how many training images each class has, by the class's name.

    Raises:
        InputError: see `build`; or the loss cannot.
    """
    try:
        trial(name, params).check_training_set(class_sizes)
    except ValueError as problem:
        raise InputError(f"loss {name}: {problem}.") from None


def build(name: str, /, **params: Any) -> LatentLoss:
    """A loss: ``module(latents [B, d], labels [B]) -> scalar``.

    Args:
        name: one of `names`; or ``pml:CLASS``, a loss of pytorch-metric-learning; or
            ``module:attribute``, a callable of the user's own that returns a `torch.nn.Module` to
            be called like this.
        params: the loss's parameters; those left out have their defaults.

    Raises:
        InputError: there is no such loss, it has no such parameter, one is missing, or a value is
            not allowed.
    """
    maker, known, needed = made_by(name), parameters(name), required(name)
    for parameter in params:
        if parameter not in known:
            to_choose = ", ".join(sorted(set(known) - set(fillable(name))))
            raise InputError.unknown(f"parameter of the loss {name}", parameter, known, to_choose)
    params = {key: value for key, value in params.items() if not (value is None and key in needed)}
    if {"latents", "labels"} <= set(needed):
        raise InputError(
            f"loss is '{name}', which takes latents and labels itself, but must be a class, or a "
            "function that returns a torch.nn.Module to be called with them."
        )
    for parameter in needed:
        if parameter not in params:
            raise InputError(
                f"loss {name}: {parameter} is missing, and has no default; give it beside the "
                f"loss's name: {{name: {name}, {parameter}: …}}."
            )
    with own_code.blamed(f"loss {name} cannot be made"):
        try:
            loss = maker(**params)
        except (ValueError, TypeError) as problem:
            raise InputError(f"loss {name}: {problem}.") from None
    if not isinstance(loss, nn.Module):
        raise InputError(
            f"loss is '{name}', which must return a torch.nn.Module, but gave a "
            f"{type(loss).__name__}."
        )
    return loss if isinstance(loss, LatentLoss) else _Adapted(loss)


class _Adapted(LatentLoss):
    """A module that is called like a loss but knows nothing of lbray."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module
        # a tensor that is a plain attribute is state too: as a buffer it moves and is stored
        for part in module.modules():
            for name, value in list(vars(part).items()):
                if isinstance(value, Tensor):
                    delattr(part, name)
                    part.register_buffer(name, value)

    def compare(self, latents: Tensor, labels: Tensor) -> Tensor:
        for part in self.module.modules():  # what is kept of earlier batches has no gradient
            for name, value in part.named_buffers(recurse=False):
                if value.requires_grad:
                    setattr(part, name, value.detach())
        loss: Tensor = self.module(latents, labels)
        if not isinstance(loss, Tensor) or loss.dim():
            what = "a tensor of shape" if isinstance(loss, Tensor) else f"a {type(loss).__name__}"
            shape = list(loss.shape) if isinstance(loss, Tensor) else ""
            raise InputError(
                f"the loss {type(self.module).__name__} returned {what} {shape}".rstrip()
                + ", but must return one number, as a tensor without dimensions."
            )
        return loss

    def start_epoch(self, epoch: int, max_epochs: int) -> None:
        start_epoch = getattr(self.module, "start_epoch", None)
        if start_epoch is not None:
            start_epoch(epoch, max_epochs)

    @property
    def wants_refresh(self) -> bool:
        return hasattr(self.module, "refresh")

    def refresh(self, latents: Tensor, labels: Tensor, generator: torch.Generator) -> None:
        refresh: Any = self.module.refresh
        refresh(latents, labels, generator)


def _is_of_a_module(name: str) -> bool:
    return ":" in name and not name.startswith(pml.PREFIX)


def _parameters(name: str) -> list[inspect.Parameter]:
    """Those that a file can give; one whose default is another kind of object keeps it."""
    return [
        parameter
        for parameter in inspect.signature(made_by(name)).parameters.values()
        if parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
        and (parameter.default is parameter.empty or isinstance(parameter.default, Scalar))
    ]


@cache
def made_by(name: str) -> Callable[..., nn.Module]:
    """What builds a loss: a class, or another callable.

    Raises:
        InputError: there is no such loss.
    """
    if name in _LOSSES:
        return _LOSSES[name]
    registered = entry_points(group=ENTRY_POINTS)
    if name in registered.names:
        return _loaded(name, registered[name].load)
    if name.startswith(pml.PREFIX):
        return pml.factory(name.removeprefix(pml.PREFIX))
    if ":" not in name:
        raise InputError.unknown(
            "loss", name, ["baseline", *names(), f"{pml.PREFIX}CLASS", "MODULE:ATTRIBUTE"]
        )
    return _loaded(name, lambda: own_code.load(name))


def _loaded(name: str, load: Callable[[], Any]) -> Callable[..., nn.Module]:
    with own_code.blamed(
        f"loss is '{name}', which must be an importable callable that returns a torch.nn.Module, "
        f"as module:attribute in {own_code.where()}"
    ):
        maker: Callable[..., nn.Module] = load()
        inspect.signature(maker)
    return maker

"""Backbones by name.

torchvision is imported where it is used: that takes as long as importing torch, and most of the
processes of a sweep never need it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

import torch
from torch import nn
from torch.nn.parameter import UninitializedParameter

from lbray import own_code
from lbray.backbones.backbone import blank_images
from lbray.backbones.cnn import cnn
from lbray.backbones.resnet import resnet50
from lbray.backbones.torchvision_model import torchvision_model
from lbray.backbones.vgg import vgg16
from lbray.docstrings import sections
from lbray.errors import InputError

_BACKBONES: dict[str, Callable[[int, int], nn.Module]] = {
    "cnn": cnn,
    "vgg16": vgg16,
    "resnet50": resnet50,
}


def own_names() -> tuple[str, ...]:
    """The backbones of lbray itself."""
    return tuple(_BACKBONES)


def description(name: str) -> str:
    """What a backbone of lbray itself is: its docstring, without its arguments."""
    return sections(inspect.getdoc(_BACKBONES[name]) or "")[0].strip()


def names() -> tuple[str, ...]:
    """The backbones of lbray itself, then torchvision's classifiers."""
    from torchvision import models

    classifiers = models.list_models(module=models)
    return (*_BACKBONES, *(name for name in classifiers if name not in _BACKBONES))


def check_name(name: str) -> None:
    """See that a name is one of `names`, or has the form ``module:attribute``.

    Raises:
        InputError: it is neither.
    """
    if ":" not in name and name not in _BACKBONES and name not in names():
        shown = f"{', '.join(_BACKBONES)}, a classifier of torchvision, or MODULE:ATTRIBUTE"
        raise InputError.unknown("backbone", name, names(), shown)


def build(name: str, num_classes: int, in_channels: int) -> nn.Module:
    """A freshly initialised backbone in channels-last memory format, on the CPU.

    `latents, logits = backbone(images)`, where images are channels-last too.

    Args:
        name: one of `names`, or ``module:attribute``, a callable of the user's own that takes
            `num_classes` and `in_channels` and returns such a module.
        num_classes: width of the logits.
        in_channels: channels of the images.

    Raises:
        InputError: there is no such backbone, or it cannot be imported or built.
    """
    check_name(name)
    if name in _BACKBONES:
        backbone = _BACKBONES[name](num_classes, in_channels)
    elif ":" in name:
        backbone = _user_backbone(name, num_classes, in_channels)
    else:
        backbone = torchvision_model(name, num_classes, in_channels)
    return backbone.to(memory_format=torch.channels_last)


def code_digest(name: str) -> str | None:
    """Sixteen digits that tell one state of the file of a ``module:attribute`` from another; None
    for other backbones, which versions tell of.

    Raises:
        InputError: it cannot be imported.
    """
    if ":" not in name:
        return None
    with own_code.blamed(f"backbone is '{name}', which cannot be imported"):
        return own_code.digest(name)


def _user_backbone(name: str, num_classes: int, in_channels: int) -> nn.Module:
    with own_code.blamed(
        f"backbone is '{name}', which must be an importable callable of num_classes and "
        f"in_channels, as module:attribute in {own_code.where()}"
    ):
        backbone = own_code.load(name)(num_classes=num_classes, in_channels=in_channels)
    if not isinstance(backbone, nn.Module):
        raise InputError(
            f"backbone is '{name}', which must return a torch.nn.Module, but gave a "
            f"{type(backbone).__name__}."
        )
    if any(isinstance(each, UninitializedParameter) for each in backbone.parameters()):
        raise InputError(
            f"backbone is '{name}', which must have its parameters from the start, but has layers "
            "that make theirs when they are first called."
        )
    return backbone


def check_fit(name: str, num_classes: int, image_shape: tuple[int, int, int]) -> nn.Module:
    """Build a backbone and pass it two blank images of a dataset.

    Returns:
        The backbone, for whoever wants to count its parameters.

    Raises:
        InputError: it cannot take such images, or does not return latents and logits.
    """
    channels, height, width = image_shape
    with torch.random.fork_rng():
        backbone = build(name, num_classes, channels)
        from_the_start = set(backbone.state_dict())
        try:
            with torch.no_grad():
                latents, logits = backbone(blank_images(image_shape))
            shapes = tuple(latents.shape), tuple(logits.shape)
        except Exception as problem:
            raise InputError(
                f"backbone is '{name}', which cannot take images of {channels}×{height}×{width} "
                f"(channels, height, width): {str(problem).splitlines()[0]}."
            ) from None
    if len(shapes[0]) != 2 or shapes[0][0] != 2 or shapes[1] != (2, num_classes):
        raise InputError(
            f"backbone is '{name}', which must return latents [B, d] and logits "
            f"[B, {num_classes}], but gave {list(shapes[0])} and {list(shapes[1])} for B = 2."
        )
    if made := sorted(set(backbone.state_dict()) - from_the_start):
        raise InputError(
            f"backbone is '{name}', which must have its parameters and buffers from the start, but "
            f"made {made[0]} when it was first called."
        )
    return backbone

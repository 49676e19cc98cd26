"""Whether several workers may share the batches of a network."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from lbray.backbones.backbone import blank_images


def unshareable(network: nn.Module, image_shape: tuple[int, int, int]) -> str | None:
    """Why workers cannot share a network's batches, as what the network "has" or does; None if they
    can.

    Modules that draw random numbers do so from torch's own generator, which gives each worker the
    same ones; and `lbray.training` gathers the statistics of ordinary batch normalisation alone. A
    module that does such a thing and is of none of the kinds known here is not found. Besides,
    every parameter must have a gradient, and a worker's share of a batch may be empty.

    Args:
        network: to be tried out; its state is of no use afterwards.
        image_shape: (C, H, W).
    """
    for module in network.modules():
        if _needs_the_whole_batch(module):
            return (
                f"has a {type(module).__name__}, which does not do with each worker's share of a "
                "batch what it does with the whole"
            )
    images = blank_images(image_shape)
    with torch.random.fork_rng(devices=[]):
        unused = _without_gradient(network, images)
    if unused is not None:
        return f"does not use its parameter {unused} in training"
    try:
        network.eval()(images[:0])
    except Exception:
        return "cannot take a share of a batch that is empty"
    return None


def _needs_the_whole_batch(module: nn.Module) -> bool:
    if isinstance(module, _BatchNorm):
        ordinary = module.affine and module.track_running_stats and module.momentum is not None
        return type(module) is not nn.BatchNorm2d or not ordinary
    return isinstance(module, _DropoutNd) or type(module).__name__ == "StochasticDepth"


def _without_gradient(network: nn.Module, images: torch.Tensor) -> str | None:
    """The name of a parameter that neither latents nor logits depend on."""
    parameters = {name: each for name, each in network.named_parameters() if each.requires_grad}
    latents, logits = network.train()(images)
    gradients = torch.autograd.grad(
        latents.sum() + logits.sum(), list(parameters.values()), allow_unused=True
    )
    found = zip(parameters, gradients, strict=True)
    return next((name for name, gradient in found if gradient is None), None)

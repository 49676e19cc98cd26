"""Whether several workers may share the batches of a network."""

from __future__ import annotations

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd


def unshareable(network: nn.Module) -> str | None:
    """The kind of a module that does not do with each worker's share of a batch what it does with
    the whole batch; None if there is none.

    These draw random numbers from torch's own generator, which gives each worker the same ones, or
    take statistics of the batch where `lbray.training` does not gather them. A module that does so
    and is of none of the kinds known here is not found.
    """
    for module in network.modules():
        draws = isinstance(module, _DropoutNd) or type(module).__name__ == "StochasticDepth"
        normalises = isinstance(module, _BatchNorm) and type(module) is not nn.BatchNorm2d
        if draws or normalises:
            return type(module).__name__
    return None

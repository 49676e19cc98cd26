"""Any classifier of torchvision, cut before its last linear layer."""

from __future__ import annotations

from torch import nn

from lbray.backbones.backbone import Backbone
from lbray.backbones.dropout import Dropout
from lbray.errors import InputError


def torchvision_model(name: str, num_classes: int, in_channels: int) -> Backbone:
    """A model by its torchvision name, untrained; the latent is what its last linear layer sees.

    Args:
        name: as `torchvision.models.list_models` gives it.
        num_classes: width of the logits.
        in_channels: channels of the images; a first convolution for another number is replaced.

    Raises:
        InputError: the model has no linear layer to be cut at.
    """
    from torchvision import models

    trunk = models.get_model(name, weights=None)
    linears = [path for path, module in trunk.named_modules() if isinstance(module, nn.Linear)]
    if not linears:
        raise InputError(
            f"backbone is '{name}', which has no linear layer before its logits; choose a "
            "torchvision classifier that ends in one."
        )
    latent_dim = trunk.get_submodule(linears[-1]).in_features
    trunk.set_submodule(linears[-1], nn.Identity())
    _accept_channels(trunk, in_channels)
    _use_own_dropout(trunk)
    return Backbone(trunk, nn.Linear(latent_dim, num_classes))


def _accept_channels(trunk: nn.Module, in_channels: int) -> None:
    for path, module in trunk.named_modules():
        if isinstance(module, nn.Conv2d):
            if module.in_channels != in_channels:
                replacement = nn.Conv2d(
                    in_channels,
                    module.out_channels,
                    module.kernel_size,  # type: ignore[arg-type]
                    module.stride,  # type: ignore[arg-type]
                    module.padding,  # type: ignore[arg-type]
                    bias=module.bias is not None,
                )
                trunk.set_submodule(path, replacement)
            return


def _use_own_dropout(trunk: nn.Module) -> None:
    for path, module in list(trunk.named_modules()):
        if type(module) is nn.Dropout:
            trunk.set_submodule(path, Dropout(module.p))

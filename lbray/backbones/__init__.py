"""Networks that return what the losses need: `latent, logits = backbone(images)`."""

from lbray.backbones.backbone import Backbone, latent_width
from lbray.backbones.dropout import Dropout
from lbray.backbones.registry import (
    build,
    check_fit,
    check_name,
    code_digest,
    description,
    names,
    own_names,
)
from lbray.backbones.shareable import unshareable

__all__ = [
    "Backbone",
    "Dropout",
    "build",
    "check_fit",
    "check_name",
    "code_digest",
    "description",
    "latent_width",
    "names",
    "own_names",
    "unshareable",
]

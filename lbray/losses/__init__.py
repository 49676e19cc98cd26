"""Distance losses: modules that map latents [B, d] and labels [B] to a scalar."""

from lbray.losses.catalogue import Description, describe
from lbray.losses.latent_loss import LatentLoss
from lbray.losses.registry import (
    Scalar,
    build,
    check_training_set,
    code_digest,
    default_warmup_epochs,
    fitted,
    known_defaults,
    names,
    package,
    parameters,
    trial,
)
from lbray.losses.rehearsal import rehearse

__all__ = [
    "Description",
    "LatentLoss",
    "Scalar",
    "build",
    "check_training_set",
    "code_digest",
    "default_warmup_epochs",
    "describe",
    "fitted",
    "known_defaults",
    "names",
    "package",
    "parameters",
    "rehearse",
    "trial",
]

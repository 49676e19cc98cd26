from __future__ import annotations

import pytest
import torch
from torch import nn

from lbray import losses
from lbray.errors import InputError


class Spread(nn.Module):
    """A loss of a user's own, who knows nothing of lbray."""

    def __init__(self, weight: float = 2.0) -> None:
        super().__init__()
        self.weight = weight

    def forward(self, latents: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return self.weight * latents.var()


def test_the_names_are_the_public_ones():
    assert losses.names() == ("contrastive", "triplet", "n_pair", "magnet", "latent_boost")


def test_parameters_are_known_with_their_defaults():
    assert losses.parameters("triplet") == {"form": "pml", "margin": 0.05}
    assert losses.parameters("latent_boost")["pca_threshold"] == 0.95


def test_a_loss_of_the_users_own_is_taken_by_its_path():
    name = f"{__name__}:Spread"
    latents = torch.randn(8, 3)
    assert losses.parameters(name) == {"weight": 2.0}
    loss = losses.build(name, weight=3.0)
    loss.start_epoch(0, 10)
    torch.testing.assert_close(loss(latents, torch.zeros(8)), 3 * latents.var())
    assert losses.default_warmup_epochs(name) == 0


@pytest.mark.parametrize(
    ("name", "params", "sentence"),
    [
        ("magnte", {}, "unknown loss 'magnte'; did you mean 'magnet'?"),
        (
            "magnet",
            {"alhpa": 1},
            "unknown parameter of the loss magnet 'alhpa'; did you mean 'alpha'?",
        ),
        ("triplet", {"margin": -0.1}, "loss triplet: margin is -0.1, but must be a number from 0."),
        ("triplet", {"margin": "wide"}, "margin is 'wide', but must be a number"),
        ("triplet", {"margin": True}, "margin is True, but must be a number"),
        ("contrastive", {"neg_margin": float("nan")}, "neg_margin is nan"),
        ("n_pair", {"form": "pmml"}, "form is 'pmml', but must be pml or equation"),
        ("magnet", {"hinge": 1}, "hinge is 1, but must be true or false"),
        ("latent_boost", {"pca_threshold": 0}, "pca_threshold is 0"),
        (
            "latent_boost",
            {"pca_threshold": 1.5},
            "pca_threshold is 1.5, but must be null or a number above 0",
        ),
        ("latent_boost", {"beta": "both"}, "beta is 'both', but must be factor or exponent"),
        ("latent_boost", {"beta_0": 0.0}, "beta_0 is 0.0, but must be a number from 1e-08"),
        ("nowhere:Loss", {}, "must be an importable callable"),
        (f"{__name__}:Spread", {"wieght": 1.0}, "did you mean 'weight'?"),
    ],
)
def test_what_does_not_exist_or_is_not_allowed_is_one_sentence(
    name: str, params: dict[str, object], sentence: str
):
    with pytest.raises(InputError) as problem:
        losses.build(name, **params)
    assert sentence in str(problem.value)
    assert "\n" not in str(problem.value)

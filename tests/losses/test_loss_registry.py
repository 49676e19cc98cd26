from __future__ import annotations

import inspect
import sys
from pathlib import Path

import pytest
import torch
from pytorch_metric_learning import losses as pml_losses
from torch import nn

from lbray import losses
from lbray.errors import InputError
from lbray.losses import pml, registry


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


PML_LOSSES = sorted(
    name
    for name, each in vars(pml_losses).items()
    if inspect.isclass(each)
    and issubclass(each, pml_losses.BaseMetricLossFunction)
    # abstract, or not for labels
    and name not in ("BaseMetricLossFunction", "GenericPairLoss", "ManifoldLoss", "VICRegLoss")
)


@pytest.mark.parametrize("name", PML_LOSSES)
def test_every_loss_of_pytorch_metric_learning_is_taken_by_its_class(name: str):
    given = {"margin": 0.4, "Tn": 1.0} if name == "RankedListLoss" else {}
    sizes = {"num_classes": 4, "embedding_size": 6}
    torch.manual_seed(0)
    params = losses.fitted(f"pml:{name}", given, **sizes)
    loss = losses.build(f"pml:{name}", **params)
    torch.manual_seed(0)
    direct = getattr(pml_losses, name)(**params)
    latents = torch.randn(16, 6).requires_grad_()
    labels = torch.arange(16) % 4
    value = loss(latents, labels)
    torch.testing.assert_close(value, direct(latents.detach(), labels).squeeze())
    value.backward()
    assert latents.grad.isfinite().all()
    loss.load_state_dict(loss.state_dict())


def test_sizes_are_filled_in_where_they_are_needed_and_not_given():
    sizes = {"num_classes": 10, "embedding_size": 64}
    assert losses.fitted("magnet", {"alpha": 2.0}, **sizes) == {"alpha": 2.0}
    assert losses.fitted("pml:MarginLoss", {}, **sizes) == {}
    assert losses.fitted("pml:ProxyNCALoss", {"num_classes": 12}, **sizes) == {
        "num_classes": 12,
        "embedding_size": 64,
    }
    assert losses.fitted("pml:P2SGradLoss", {}, **sizes)["descriptors_dim"] == 64
    for wrong in ({"num_classes": 9}, {"embedding_size": 65}):
        with pytest.raises(InputError, match="left out, it is filled in"):
            losses.fitted("pml:ProxyNCALoss", wrong, **sizes)


def test_a_trial_draws_no_random_numbers():
    before = torch.get_rng_state()
    loss = losses.trial("pml:ProxyAnchorLoss", {"embedding_size": 8})
    assert loss.module.proxies.shape == (2, 8)
    assert torch.equal(torch.get_rng_state(), before)
    with pytest.raises(InputError, match="num_classes is 'ten', but must be a whole number from 1"):
        losses.trial("pml:ProxyAnchorLoss", {"num_classes": "ten"})


def test_tensors_that_a_loss_keeps_as_attributes_are_state():
    loss = losses.build("pml:DynamicSoftMarginLoss")
    before = loss.state_dict()["module.hist_"].clone()
    loss(torch.randn(16, 6), torch.arange(16) % 4)
    assert not torch.equal(loss.state_dict()["module.hist_"], before)


def test_without_the_package_its_losses_are_refused_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setitem(sys.modules, "pytorch_metric_learning.losses", None)
    pml._classes.cache_clear()
    registry.made_by.cache_clear()
    with pytest.raises(InputError, match="pytorch-metric-learning is not installed; pip install"):
        losses.parameters("pml:CircleLoss")


def test_an_installed_package_may_register_a_loss(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    metadata = tmp_path / "spread-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: spread\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(
        f"[lbray.losses]\nspread = {__name__}:Spread\ntriplet = x:y\nbroken = nowhere:Loss\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert losses.names()[-2:] == ("broken", "spread")
    assert losses.parameters("spread") == {"weight": 2.0}
    assert losses.parameters("triplet") == {"form": "pml", "margin": 0.05}
    with pytest.raises(InputError, match="loss is 'broken', which must be an importable callable"):
        losses.build("broken")
    with pytest.raises(InputError, match="did you mean 'spread'"):
        losses.build("spred")


@pytest.mark.parametrize(
    ("name", "params", "sentence"),
    [
        ("magnte", {}, "unknown loss 'magnte'; did you mean 'magnet'?"),
        (
            "magnet",
            {"alhpa": 1},
            "unknown parameter of the loss magnet 'alhpa'; did you mean 'alpha'? Allowed: alpha,",
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
        ("pml:ProxyAnchorLos", {}, "did you mean 'ProxyAnchorLoss'?"),
        ("pml:VICRegLoss", {}, "unknown loss of pytorch-metric-learning 'VICRegLoss'"),
        ("pml:SupConLoss", {"temprature": 1.0}, "did you mean 'temperature'?"),
        ("pml:SupConLoss", {"distance": 1.0}, "unknown parameter of the loss pml:SupConLoss"),
        ("pml:TripletMarginLoss", {"margin": -1}, "margin is -1, but must be a number from 0"),
        ("pml:TripletMarginLoss", {"swap": 1}, "swap is 1, but must be true or false"),
        ("pml:ProxyNCALoss", {"num_classes": 3}, "embedding_size is missing, and has no default;"),
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

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from lbray import backbones
from lbray.errors import InputError


class Flat(nn.Module):
    """A backbone as a user would write one."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.linear = nn.Linear(in_channels * 64, num_classes)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return images.flatten(1), self.linear(images.flatten(1))


class Growing(Flat):
    """Makes a part of itself when it is first called."""

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        if not hasattr(self, "head"):
            self.head = nn.Linear(64, self.linear.out_features)
        return images.flatten(1), self.head(images.flatten(1))


def lazy(num_classes: int, in_channels: int) -> nn.Module:
    return backbones.Backbone(nn.Flatten(), nn.LazyLinear(num_classes))


def refusing(num_classes: int, in_channels: int) -> nn.Module:
    raise KeyError("width")


class OnlyLogits(Flat):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return super().forward(images)[1]


@pytest.mark.parametrize(
    ("name", "shape", "classes", "latent"),
    [
        ("cnn", (1, 28, 28), 10, 64),
        ("cnn", (3, 32, 32), 7, 64),
        ("cnn", (1, 8, 8), 10, 64),
        ("vgg16", (3, 32, 32), 10, 512),
        ("vgg16", (1, 32, 32), 10, 512),
        ("resnet50", (3, 32, 32), 100, 2048),
        ("resnet18", (1, 28, 28), 10, 512),
        ("mobilenet_v2", (3, 32, 32), 10, 1280),
        (f"{__name__}:Flat", (1, 8, 8), 10, 64),
    ],
)
def test_a_backbone_gives_latents_and_logits(
    name: str, shape: tuple[int, int, int], classes: int, latent: int
):
    backbone = backbones.check_fit(name, classes, shape).eval()
    latents, logits = backbone(torch.rand(3, *shape))
    assert latents.shape == (3, latent)
    assert logits.shape == (3, classes)


def test_the_papers_backbones_have_the_papers_convolutions():
    vgg = backbones.build("vgg16", 10, 3)
    assert sum(isinstance(module, nn.Conv2d) for module in vgg.modules()) == 13
    assert sum(isinstance(module, nn.Linear) for module in vgg.modules()) == 3
    resnet = backbones.build("resnet50", 100, 3)
    assert resnet.trunk.conv1.kernel_size == (3, 3)
    assert resnet.trunk.conv1.stride == (1, 1)
    stages = resnet.trunk.layer4(resnet.trunk.layer3(torch.rand(1, 512, 16, 16)))
    assert stages.shape == (1, 2048, 4, 4)


def test_logits_come_from_the_latents_alone():
    backbone = backbones.build("resnet18", 10, 3).eval()
    latents, logits = backbone(torch.rand(2, 3, 32, 32))
    assert torch.equal(backbone.head(latents), logits)


@pytest.mark.parametrize(
    ("name", "shape", "sentence"),
    [
        ("vgg16", (3, 28, 28), "cannot take images of 3×28×28"),
        ("cnn", (1, 2, 2), "cannot take images of 1×2×2"),
        ("vit_b_16", (3, 32, 32), "cannot take images of 3×32×32"),
        ("squeezenet1_0", (3, 32, 32), "no linear layer"),
        ("resnet81", (3, 32, 32), "did you mean 'resnet18'?"),
        ("nowhere:Net", (3, 32, 32), "must be an importable callable"),
        (f"{__name__}:Absent", (3, 32, 32), "must be an importable callable"),
        (f"{__name__}:Flat", (1, 9, 9), "cannot take images of 1×9×9"),
        (f"{__name__}:lazy", (1, 8, 8), "has layers that make theirs when they are first called"),
        (f"{__name__}:Growing", (1, 8, 8), "made head.bias when it was first called"),
        ("syntax_error:Net", (1, 8, 8), "SyntaxError: invalid syntax (syntax_error.py, line 1)"),
        (f"{__name__}:refusing", (1, 8, 8), ": KeyError: 'width' ("),
        (f"{__name__}:OnlyLogits", (1, 8, 8), "must return latents [B, d] and logits [B, 10]"),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    name: str,
    shape: tuple[int, int, int],
    sentence: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
):
    (tmp_path / "syntax_error.py").write_text("class Net(:\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError) as problem:
        backbones.check_fit(name, 10, shape)
    assert sentence in str(problem.value)
    assert "\n" not in str(problem.value)


def test_checking_a_fit_leaves_the_random_state_alone():
    before = torch.get_rng_state()
    backbones.check_fit("cnn", 10, (1, 8, 8))
    assert torch.equal(torch.get_rng_state(), before)


class Small(backbones.Backbone):
    """A backbone with one more module in its trunk."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__(
            nn.Sequential(nn.Conv2d(3, 4, 3), inner, nn.Flatten(), nn.LazyLinear(6)),
            nn.Linear(6, 10),
        )
        self(torch.zeros(1, 3, 32, 32))


class Idle(nn.Module):
    """Has a parameter that it does not use."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return maps


class Viewing(nn.Module):
    """Takes no empty batch."""

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        return maps.reshape(len(maps), -1)


@pytest.mark.parametrize(
    ("network", "why_not"),
    [
        (backbones.build("vgg16", 10, 3), None),
        (backbones.build("resnet18", 10, 3), None),
        (backbones.build("efficientnet_b0", 10, 3), "has a StochasticDepth, which does not do"),
        (Small(nn.Dropout2d()), "has a Dropout2d, which does not do"),
        (Small(nn.BatchNorm2d(4)), None),
        (Small(nn.BatchNorm2d(4, affine=False)), "has a BatchNorm2d, which does not do"),
        (Small(nn.BatchNorm2d(4, momentum=None)), "has a BatchNorm2d, which does not do"),
        (Small(nn.BatchNorm2d(4, track_running_stats=False)), "has a BatchNorm2d, which does not"),
        (Small(Idle()), "does not use its parameter trunk.1.scale in training"),
        (Small(Viewing()), "cannot take a share of a batch that is empty"),
    ],
    ids=str,
)
def test_what_workers_cannot_share_is_named(network: nn.Module, why_not: str | None):
    before = torch.get_rng_state()
    found = backbones.unshareable(network, (3, 32, 32))
    assert found is None if why_not is None else found.startswith(why_not)
    assert torch.equal(torch.get_rng_state(), before)

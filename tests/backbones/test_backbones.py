from __future__ import annotations

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
        (f"{__name__}:OnlyLogits", (1, 8, 8), "must return latents [B, d] and logits [B, 10]"),
    ],
)
def test_what_does_not_fit_is_one_sentence(name: str, shape: tuple[int, int, int], sentence: str):
    with pytest.raises(InputError) as problem:
        backbones.check_fit(name, 10, shape)
    assert sentence in str(problem.value)
    assert "\n" not in str(problem.value)


def test_checking_a_fit_leaves_the_random_state_alone():
    before = torch.get_rng_state()
    backbones.check_fit("cnn", 10, (1, 8, 8))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("network", "kind"),
    [
        (backbones.build("cnn", 10, 1), None),
        (backbones.build("vgg16", 10, 3), None),
        (backbones.build("resnet18", 10, 3), None),
        (backbones.build("efficientnet_b0", 10, 3), "StochasticDepth"),
        (nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4)), "BatchNorm1d"),
        (nn.Sequential(nn.Linear(4, 4), nn.Dropout1d()), "Dropout1d"),
    ],
)
def test_what_workers_cannot_share_is_named(network: nn.Module, kind: str | None):
    assert backbones.unshareable(network) == kind

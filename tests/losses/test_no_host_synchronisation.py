"""On an accelerator no loss may wait for data: shapes and branches come from shapes alone.

A tensor on the device ``meta`` has a shape and no data, so whatever reads data fails on it.
"""

from __future__ import annotations

import pytest
import torch

from lbray import losses
from lbray.losses import cluster_spread, n_pair, triplet

EVERY = [
    *[
        (name, {"form": form})
        for name in ("contrastive", "triplet", "n_pair")
        for form in ("pml", "equation")
    ],
    ("magnet", {}),
    ("magnet", {"hinge": True, "variance_grad": False}),
    ("latent_boost", {}),
    ("latent_boost", {"pca_threshold": None, "sigma": "anchor"}),
    ("latent_boost", {"beta": "exponent", "variance_grad": True}),
]
every_loss = pytest.mark.parametrize(("name", "params"), EVERY, ids=str)


@every_loss
@pytest.mark.parametrize(("size", "dimensions"), [(1, 4), (16, 300), (300, 16)])
def test_nothing_reads_the_data(name: str, params: dict[str, object], size: int, dimensions: int):
    latents = torch.empty(size, dimensions, device="meta", requires_grad=True)
    labels = torch.empty(size, dtype=torch.int64, device="meta")
    value = losses.build(name, **params).compare(latents, labels)
    (gradient,) = torch.autograd.grad(value, latents)
    assert value.shape == ()
    assert gradient.shape == latents.shape


def test_reading_the_data_would_fail_here():
    labels = torch.empty(4, dtype=torch.int64, device="meta")
    for reads in (lambda: labels.unique(), lambda: int(labels.sum()), lambda: bool(labels.any())):
        with pytest.raises((RuntimeError, NotImplementedError)):
            reads()


LABELS = {
    "several classes": torch.arange(14) % 4,
    "one class": torch.zeros(14, dtype=torch.int64),
    "singletons": torch.arange(14),
    "some singletons": torch.tensor([5, 5, 5, 9, 9, 2, 2, 2, 2, 7, 8, 5, 9, 1]),
}


@every_loss
@pytest.mark.parametrize("case", LABELS)
def test_empty_slots_change_nothing(
    name: str, params: dict[str, object], case: str, monkeypatch: pytest.MonkeyPatch
):
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(14, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    loss = losses.build(name, **params)
    value = loss(latents, LABELS[case])
    (gradient,) = torch.autograd.grad(value, latents)
    for module in (cluster_spread, n_pair, triplet):
        monkeypatch.setattr(module, "slots", lambda needed, at_most: at_most)
    as_on_an_accelerator = loss(latents, LABELS[case])
    torch.testing.assert_close(as_on_an_accelerator, value)
    torch.testing.assert_close(torch.autograd.grad(as_on_an_accelerator, latents)[0], gradient)

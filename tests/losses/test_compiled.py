"""Under `torch.compile` a loss is one graph, and the same loss."""

from __future__ import annotations

import pytest
import torch

from lbray import losses


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("contrastive", {}),
        ("triplet", {}),
        ("n_pair", {"form": "equation"}),
        ("magnet", {"clusters": 2}),
        ("latent_boost", {}),
    ],
    ids=str,
)
def test_a_compiled_loss_is_one_graph_with_the_same_value_and_gradient(
    name: str, params: dict[str, object]
):
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn(24, 6, generator=generator, requires_grad=True)
    labels = torch.arange(24) % 4
    loss = losses.build(name, **params)
    if loss.wants_refresh:
        loss.refresh(latents.detach(), labels, generator)
    torch.compiler.reset()
    compiled = torch.compile(loss, backend="aot_eager", fullgraph=True)
    for epoch in (0, 9) if name == "latent_boost" else (0,):  # whose schedules change with it
        loss.start_epoch(epoch, 10)
        expected, value = loss(latents, labels), compiled(latents, labels)
        torch.testing.assert_close(value, expected)
        torch.testing.assert_close(
            torch.autograd.grad(value, latents), torch.autograd.grad(expected, latents)
        )
    torch.compiler.reset()

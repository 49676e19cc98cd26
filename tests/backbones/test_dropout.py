from __future__ import annotations

import pytest
import torch

from lbray.backbones import Dropout


@pytest.mark.parametrize("p", [0.1, 0.25, 0.5, 0.9])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_a_share_is_dropped_and_the_mean_is_kept(p: float, memory_format: torch.memory_format):
    dropout = Dropout(p)
    dropout.generator = torch.Generator().manual_seed(0)
    features = torch.ones(64, 16, 30, 31).contiguous(memory_format=memory_format)
    dropped = dropout(features)
    assert dropped.is_contiguous(memory_format=memory_format)
    assert (dropped == 0).float().mean().item() == pytest.approx(p, abs=0.004)
    assert dropped.mean().item() == pytest.approx(1, abs=0.01)
    assert len(dropped.unique()) == 2


def test_every_element_has_a_bit_of_its_own():
    dropout = Dropout(0.5)
    dropout.generator = torch.Generator().manual_seed(1)
    kept = (dropout(torch.ones(20_000, 16)) != 0).double()
    shares = kept.mean(dim=0)
    assert torch.all((shares - 0.5).abs() < 0.02)
    correlation = torch.corrcoef(kept.T) - torch.eye(16)
    assert correlation.abs().max() < 0.04


def test_the_generator_decides_and_evaluation_drops_nothing():
    dropout = Dropout(0.5)
    features = torch.rand(8, 5)
    dropout.generator = torch.Generator().manual_seed(3)
    first = dropout(features)
    dropout.generator = torch.Generator().manual_seed(3)
    torch.rand(100)
    assert torch.equal(dropout(features), first)
    assert torch.equal(dropout.eval()(features), features)


def test_the_gradient_goes_where_the_value_went():
    dropout = Dropout(0.25)
    features = torch.rand(50, 7, requires_grad=True)
    dropped = dropout(features)
    dropped.sum().backward()
    torch.testing.assert_close(features.grad * features.detach(), dropped.detach())


@pytest.mark.parametrize("shape", [(5, 3, 4, 7), (5, 3)])
def test_lanes_have_the_masks_that_each_has_alone(shape: tuple[int, ...]):
    dropout, features = Dropout(0.5), torch.rand(3, *shape)
    expected = []
    for seed, lane in enumerate(features):
        dropout.generator = torch.Generator().manual_seed(seed)
        order = torch.channels_last if lane.ndim == 4 else torch.contiguous_format
        expected.append(dropout(lane.contiguous(memory_format=order)))
    dropout.lanes = [torch.Generator().manual_seed(seed) for seed in range(3)]
    assert torch.equal(torch.vmap(dropout)(features), torch.stack(expected))
    assert torch.equal(torch.vmap(dropout.eval())(features), features)


@pytest.mark.parametrize("p", [-0.1, 1.0, 2.0])
def test_an_impossible_share_is_refused(p: float):
    with pytest.raises(ValueError, match="from 0 to below 1"):
        Dropout(p)

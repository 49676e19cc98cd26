from __future__ import annotations

import math

import pytest
import torch

from lbray.training.balance import LearnedBalance, lambda_at


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"schedule": "constant"}, [0.8, 0.8, 0.8, 0.8, 0.8]),
        ({"schedule": "learned"}, [0.8, 0.8, 0.8, 0.8, 0.8]),
        ({"schedule": "linear"}, [0, 0.2, 0.4, 0.6, 0.8]),
        ({"schedule": "cosine"}, [0, 0.4 - 0.2 * 2**0.5, 0.4, 0.4 + 0.2 * 2**0.5, 0.8]),
        ({"schedule": "step"}, [0, 0, 0, 0.8, 0.8]),
        ({"schedule": "step", "step": 0.4}, [0, 0, 0.8, 0.8, 0.8]),
        ({"schedule": "step", "step": 0.01}, [0, 0.8, 0.8, 0.8, 0.8]),
        ({"schedule": "constant", "warmup_epochs": 2}, [0, 0, 0.8, 0.8, 0.8]),
        ({"schedule": "linear", "warmup_epochs": 2}, [0, 0, 0, 0.4, 0.8]),
        ({"schedule": "cosine", "warmup_epochs": 2}, [0, 0, 0, 0.4, 0.8]),
        ({"schedule": "step", "warmup_epochs": 1}, [0, 0, 0, 0.8, 0.8]),
        ({"schedule": "linear", "warmup_epochs": 4}, [0, 0, 0, 0, 0.8]),
        ({"schedule": "cosine", "warmup_epochs": 4}, [0, 0, 0, 0, 0.8]),
    ],
)
def test_lambda_by_hand(settings: dict[str, object], expected: list[float]):
    assert [lambda_at(epoch, 0.8, 5, **settings) for epoch in range(5)] == pytest.approx(expected)


def test_a_learned_balance_begins_with_equation_5_and_has_the_papers_gradient():
    balance = LearnedBalance(0.3)
    assert balance.share() == pytest.approx(0.3)
    distance, cross_entropy = torch.tensor(2.0, requires_grad=True), torch.tensor(5.0)
    total = balance(distance, cross_entropy)
    total.backward()
    assert total.item() == pytest.approx(0.3 * 2 + 0.7 * 5 - math.log(0.3) - math.log(0.7))
    assert float(distance.grad) == pytest.approx(0.3)
    assert float(balance.s_dist.grad) == pytest.approx(1 - 0.3 * 2)
    assert float(balance.s_ce.grad) == pytest.approx(1 - 0.7 * 5)


def test_a_learned_balance_weights_the_smaller_loss_more():
    balance = LearnedBalance(0.5)
    optimizer = torch.optim.Adam(balance.parameters(), lr=0.05)
    for _ in range(500):
        optimizer.zero_grad()
        balance(torch.tensor(0.25), torch.tensor(4.0)).backward()
        optimizer.step()
    # the optimum is exp(s) = L, so the weights are 4 and 1/4
    assert balance.share() == pytest.approx(4 / 4.25, abs=1e-3)

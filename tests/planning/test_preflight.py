from __future__ import annotations

import pytest
import torch
from small_cells import small_cell
from torch import Tensor, nn

from lbray.planning import plan, preflight
from lbray.store import Store
from lbray.store.files import Files


class OfWidth(nn.Module):
    """As many weights and biases in the trunk as `width` says, besides those of the head."""

    width = 1

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.trunk = nn.Conv2d(in_channels, self.width, 1, bias=False)
        self.head = nn.Linear(self.width, num_classes, bias=False)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        latents = torch.relu(self.trunk(images)).mean(dim=(2, 3))
        return latents, self.head(latents)


class Wide(OfWidth):
    width = 1000


def test_each_cell_needs_room_for_its_own_network(store: Store, monkeypatch: pytest.MonkeyPatch):
    asked = []
    monkeypatch.setattr(Files, "check_writable", lambda self, size=0: asked.append(size))
    cells = [small_cell(backbone=f"{__name__}:OfWidth", seed=seed) for seed in range(5)]
    cells.append(small_cell(backbone=f"{__name__}:Wide"))
    preflight(plan(cells, store), store, None, at_once=2)
    small, wide = 4 * (1 + 10), 4 * (1000 + 10_000)
    assert asked == [5 * small + wide + 3 * 3 * 2 * wide]

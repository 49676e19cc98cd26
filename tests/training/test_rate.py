from __future__ import annotations

import pytest
from small_cells import small_cell

from lbray.store import Store
from lbray.training import epoch_seconds


@pytest.mark.parametrize(
    "settings", [{"loss": "baseline"}, {"loss": "magnet", "loss_params": {"clusters": 8}}]
)
def test_the_rate_is_measured_on_as_many_images_as_the_loss_needs(
    store: Store, settings: dict[str, object]
):
    cell = small_cell(batch_size=16, train_size=None, **settings | {"lambda": 0.5})
    assert 0 < epoch_seconds(cell, store) < 60

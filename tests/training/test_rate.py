from __future__ import annotations

import pytest
import torch
from small_cells import small_cell

from lbray.store import Store
from lbray.training import epoch_seconds
from lbray.training.trainer import Trainer


@pytest.mark.parametrize(
    "settings", [{"loss": "baseline"}, {"loss": "magnet", "loss_params": {"clusters": 8}}]
)
def test_the_rate_is_measured_on_as_many_images_as_the_loss_needs(
    store: Store, settings: dict[str, object]
):
    cell = small_cell(batch_size=16, train_size=None, **settings | {"lambda": 0.5})
    assert 0 < epoch_seconds(cell, store) < 60


def test_the_rate_is_that_of_as_many_threads_as_the_workers_have(
    store: Store, monkeypatch: pytest.MonkeyPatch
):
    seen, run_epoch = [], Trainer.run_epoch

    def noting(self: Trainer, epoch: int) -> object:
        seen.append(torch.get_num_threads())
        return run_epoch(self, epoch)

    monkeypatch.setattr(Trainer, "run_epoch", noting)
    before = torch.get_num_threads()
    epoch_seconds(small_cell(), store, threads=2)
    assert set(seen) == {2}
    assert torch.get_num_threads() == before

"""A faster arithmetic must not be paid for with accuracy."""

from __future__ import annotations

import pytest

from analysis import mean_interval
from lbray.spec import Cell
from lbray.store import Store
from lbray.training import run_cell

EPOCHS = 4


@pytest.fixture(scope="module")
def accuracies(real_images: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list]:
    """Best validation accuracies of five seeds on 500 images, by precision."""
    store = Store(str(tmp_path_factory.mktemp("store")))

    def accuracy(seed: int, precision: str) -> float:
        cell = Cell.of(
            dataset=real_images,
            seed=seed,
            precision=precision,
            train_size=1000,
            test_size=100,
            validation_fraction=0.5,
            max_epochs=EPOCHS,
            batch_size=32,
            learning_rate=0.003,
        )
        return run_cell(cell, store).metrics["val/acc"]

    return {
        precision: [accuracy(seed, precision) for seed in range(5)]
        for precision in ("float32", "bfloat16")
    }


def test_bfloat16_is_as_accurate_as_float32(accuracies: dict[str, list]):
    plain, fast = (mean_interval(accuracies[name]) for name in ("float32", "bfloat16"))
    assert plain.mean > 0.3, "nothing was learnt"
    assert abs(fast.mean - plain.mean) <= plain.half_width

"""Two small cells, trained once; each test has a copy of their store."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from small_cells import small_cell

from lbray.spec import Cell, Experiment
from lbray.store import Store
from lbray.training import run_cell


@pytest.fixture(scope="session")
def trained_cells() -> list[Cell]:
    return [small_cell(seed=seed, max_epochs=2) for seed in (0, 1)]


@pytest.fixture(scope="session")
def _trained_once(tmp_path_factory: pytest.TempPathFactory, trained_cells: list[Cell]) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "store"
    store = Store(str(folder))
    for cell in trained_cells:
        assert run_cell(cell, store).done
    store.record_experiment(Experiment(name="two", blocks=({},)), trained_cells)
    return folder


@pytest.fixture
def trained(_trained_once: Path, tmp_path: Path) -> Store:
    return Store(str(shutil.copytree(_trained_once, tmp_path / "trained")))

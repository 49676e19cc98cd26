"""Four cells of some seconds each, and what they come to when nothing happens to them."""

from __future__ import annotations

from pathlib import Path

import pytest
from sweeps import FOUR, experiment, numbers, run

from lbray.planning import Placement
from lbray.spec import Experiment
from lbray.store import Store
from lbray.training import run_cell


@pytest.fixture
def declared(tmp_path: Path) -> Experiment:
    """The four cells, for a driver that is started in `tmp_path`."""
    return experiment(tmp_path, FOUR)


@pytest.fixture
def results(tmp_path: Path) -> Store:
    """Where such a driver puts its results if it is not told otherwise."""
    return Store(str(tmp_path / "results"))


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict[str, object]]:
    """The cells' numbers by workers per cell: each trained alone, and each by two of a group."""
    folder = tmp_path_factory.mktemp("undisturbed")
    declared = experiment(folder, FOUR)
    alone, in_a_group = Store(str(folder / "alone")), Store(str(folder / "in_a_group"))
    for cell in declared.cells():
        run_cell(cell, alone)
    placement = Placement("ddp", "cpu", 1, workers_per_cell=2, cells_per_group=4)
    run(declared, in_a_group, placement)
    return {1: numbers(alone, declared), 2: numbers(in_a_group, declared)}

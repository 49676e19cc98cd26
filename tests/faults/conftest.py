"""Four cells of some seconds each, and what they come to when nothing happens to them."""

from __future__ import annotations

from pathlib import Path

import pytest
from sweeps import experiment, four_cells, numbers, run

from lbray.planning import Placement
from lbray.spec import Experiment
from lbray.store import Store
from lbray.training import run_cell


@pytest.fixture
def workers() -> int:
    """How many share each cell, unless a test is parametrized by it."""
    return 1


@pytest.fixture
def command(workers: int) -> tuple[str, ...]:
    """The words of such a driver's sweep."""
    return ("sweep", "grid.yaml", "--workers-per-cell", str(workers))


@pytest.fixture
def declared(tmp_path: Path, workers: int) -> Experiment:
    """The four cells, for a driver that is started in `tmp_path`."""
    return experiment(tmp_path, four_cells(workers))


@pytest.fixture
def results(tmp_path: Path) -> Store:
    """Where such a driver puts its results if it is not told otherwise."""
    return Store(str(tmp_path / "results"))


@pytest.fixture
def undisturbed(workers: int, undisturbed_by_workers) -> dict[str, object]:
    """The cells' numbers when nothing happens to them."""
    return undisturbed_by_workers[workers]


@pytest.fixture(scope="session")
def undisturbed_by_workers(tmp_path_factory: pytest.TempPathFactory) -> dict[int, dict]:
    folder = tmp_path_factory.mktemp("undisturbed")
    alone, shared = (experiment(folder, four_cells(workers)) for workers in (1, 2))
    store = Store(str(folder / "results"))
    for cell in alone.cells():
        run_cell(cell, store)
    placement = Placement("ddp", "cpu", 1, workers_per_cell=2, cells_per_group=4)
    run(shared, store, placement)
    return {1: numbers(store, alone), 2: numbers(store, shared)}

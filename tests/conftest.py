"""Every test has caches of its own; data that needs no network is found where it lies."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import settings

from lbray import data
from lbray.store import Store

# the same examples in every run: what fails once fails again
settings.register_profile("reproducible", derandomize=True, deadline=None)
settings.load_profile("reproducible")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """One thread, whatever the test before has set: with several, some sums come in any order."""
    torch.set_num_threads(1)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(str(tmp_path / "store"))


@pytest.fixture(scope="session")
def real_images() -> str:
    """Fashion-MNIST where it is on disk, else scikit-learn's digits: both are real."""
    found = {row.name: row.where for row in data.catalogue()}
    return "digits" if found["fashion_mnist"].startswith("not found") else "fashion_mnist"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole sweeps first: what takes longest is not to be what the last of several processes is
    still at."""
    items.sort(key=lambda item: "sweep" not in item.path.parts)


def pytest_report_header() -> str:
    where = {row.name: row.where for row in data.catalogue()}["fashion_mnist"]
    return f"Fashion-MNIST: {where}"

"""A dataset and its splits on a device, kept while cells keep asking for the same."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from lbray.data.dataset import Dataset
from lbray.data.registry import load
from lbray.data.splits import Splits, split


@lru_cache(maxsize=1)
def prepared(
    name: str,
    root: Path | None = None,
    device: str = "cpu",
    *,
    copy: str | None = None,
    **split_settings: Any,
) -> tuple[Dataset, Splits]:
    """The dataset by `load` and its splits by `split`, moved to the device.

    The last answer is kept, so that the cells of a grid share one copy in a process.

    Raises:
        InputError: see `load` and `split`.
    """
    dataset = load(name, root, copy)
    return dataset, split(dataset, **split_settings).to(device)

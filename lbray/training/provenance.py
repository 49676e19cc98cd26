"""How and where a result came about."""

from __future__ import annotations

import platform
import subprocess
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from lbray import __version__, losses
from lbray.spec import Cell

_PACKAGES = ("torch", "torchvision", "numpy", "scikit-learn", "ray")


def provenance(cell: Cell, device: torch.device, executor: str) -> dict[str, Any]:
    """Commit, versions, device, precision, threads and executor, JSON-ready."""
    of_the_loss = None if cell.is_baseline else losses.package(cell.loss)
    return {
        "lbray": __version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "packages": _versions((*_PACKAGES, *([of_the_loss] if of_the_loss else []))),
        "device": _device_name(device),
        "precision": cell.precision,
        "threads": torch.get_num_threads(),
        "executor": executor,
    }


@cache
def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    versions = {}
    for name in packages:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


@cache
def _commit() -> str | None:
    """The commit of a development checkout, marked if it was changed; None when installed."""
    checkout = Path(__file__).resolve().parents[2]
    if not (checkout / ".git").exists():
        return None
    try:
        described = subprocess.run(
            ["git", "-C", str(checkout), "describe", "--always", "--dirty", "--abbrev=12"],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return described.stdout.strip()


@cache
def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"

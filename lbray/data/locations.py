"""Where datasets lie, and where their decoded copies do."""

from __future__ import annotations

import os
from pathlib import Path


def data_root(root: Path | str | None = None) -> Path:
    """The folder of datasets: the argument, else ``LBRAY_DATA``, else the user's cache."""
    chosen = root or os.environ.get("LBRAY_DATA")
    return Path(chosen).expanduser() if chosen else _user_cache() / "datasets"


def decoded_cache() -> Path:
    """The folder of decoded copies: ``LBRAY_CACHE``, else the user's cache."""
    chosen = os.environ.get("LBRAY_CACHE")
    return Path(chosen).expanduser() if chosen else _user_cache() / "decoded"


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "lbray"

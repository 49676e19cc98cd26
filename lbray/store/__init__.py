"""Artefacts: what a training writes and an analysis reads."""

from lbray.store.cell_files import CellFiles
from lbray.store.result import Result
from lbray.store.store import Store

__all__ = ["CellFiles", "Result", "Store"]

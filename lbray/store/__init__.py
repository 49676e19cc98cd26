"""Artefacts: what a training writes and an analysis reads."""

from lbray.store.cell_files import CellFiles
from lbray.store.claims import Claims, Lease, lives, scratch
from lbray.store.event_log import EventLog
from lbray.store.result import Result
from lbray.store.store import Store

__all__ = ["CellFiles", "Claims", "EventLog", "Lease", "Result", "Store", "lives", "scratch"]

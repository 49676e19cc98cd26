"""Training of one cell or of several together, wherever it runs."""

from lbray.training.rate import epoch_seconds
from lbray.training.report import LanesReporter, Reporter, Silent
from lbray.training.run_cell import run_cell
from lbray.training.run_cells import fuse_key, run_cells
from lbray.training.trainer import Trainer

__all__ = [
    "LanesReporter",
    "Reporter",
    "Silent",
    "Trainer",
    "epoch_seconds",
    "fuse_key",
    "run_cell",
    "run_cells",
]

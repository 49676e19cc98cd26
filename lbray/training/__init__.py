"""Training of one cell, wherever it runs."""

from lbray.training.rate import epoch_seconds
from lbray.training.report import Reporter, Silent
from lbray.training.run_cell import run_cell

__all__ = ["Reporter", "Silent", "epoch_seconds", "run_cell"]

"""Training of one cell, wherever it runs."""

from lbray.training.report import Reporter, Silent
from lbray.training.run_cell import run_cell

__all__ = ["Reporter", "Silent", "run_cell"]

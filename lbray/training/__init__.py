"""Training of one cell, wherever it runs."""

from lbray.training.rate import epoch_seconds
from lbray.training.report import Reporter, Silent
from lbray.training.run_cell import run_cell
from lbray.training.trainer import Trainer

__all__ = ["Reporter", "Silent", "Trainer", "epoch_seconds", "run_cell"]

"""Sweeps: run the cells of an experiment that have no result yet, on Ray Tune."""

from lbray.sweep.doctor import checkups
from lbray.sweep.ray_session import cluster
from lbray.sweep.schedulers import SCHEDULERS, scheduler
from lbray.sweep.sweep import Limits, Outcome, sweep
from lbray.sweep.trackers import trackers

__all__ = [
    "SCHEDULERS",
    "Limits",
    "Outcome",
    "checkups",
    "cluster",
    "scheduler",
    "sweep",
    "trackers",
]

"""Sweeps: run the cells of an experiment that have no result yet, on Ray Tune."""

from lbray.sweep.sweep import Machine, Outcome, sweep

__all__ = ["Machine", "Outcome", "sweep"]

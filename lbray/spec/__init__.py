"""Experiments as YAML, expanded to cells with content ids."""

from lbray.spec.cell import SCHEMA, Cell
from lbray.spec.experiment import Experiment, load, single

__all__ = ["SCHEMA", "Cell", "Experiment", "load", "single"]

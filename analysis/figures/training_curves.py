"""Training as it went: validation accuracy and cross-entropy by epoch."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure

from analysis.figures.canvas import styled
from analysis.figures.epoch_curves import CurvePanel, draw_curves


@styled
def training_curves(grid: Sequence[Sequence[CurvePanel]]) -> Figure:
    """A column per loss, a row per metric."""
    return draw_curves(grid)

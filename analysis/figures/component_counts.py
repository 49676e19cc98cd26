"""How many principal components Latent Boost keeps of a batch, by epoch."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.figures.canvas import styled
from analysis.figures.epoch_curves import CurvePanel, draw_curves


@styled
def component_counts(shown: Sequence[CurvePanel]) -> Figure:
    """A panel per loss that projects its latents."""
    figure = draw_curves([shown])
    for axes in figure.axes:
        axes.set_ylim(bottom=0)
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    return figure

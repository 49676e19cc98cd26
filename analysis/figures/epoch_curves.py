"""Curves over epochs in a grid of panels, coloured by λ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from analysis.figures.canvas import broken, grid_lines, panels
from analysis.figures.palette import BASELINE

_TITLE = 30  # characters that fit above a panel

Colour = tuple[float, float, float, float] | str


@dataclass(frozen=True, eq=False)
class Curve:
    """A treatment over epochs.

    Attributes:
        lam: λ; 0 is the baseline.
        seeds: [n, epochs], NaN after a seed's end.
        mean: [epochs], over the seeds that have not ended.
    """

    lam: float
    seeds: NDArray[np.float64]
    mean: NDArray[np.float64]


@dataclass(frozen=True)
class CurvePanel:
    """A panel's title, what is on its vertical axis, and its curves."""

    title: str
    ylabel: str
    curves: tuple[Curve, ...]


def draw_curves(grid: Sequence[Sequence[CurvePanel]]) -> Figure:
    """Panels in rows of one metric each; thin lines are seeds, strong ones their means."""
    columns = max(len(row) for row in grid)
    figure, lines = panels(
        len(grid), columns, 2.7 * columns + 0.5, 2.1 * len(grid) + 0.4, sharey="row", sharex=True
    )
    lambdas = sorted({curve.lam for row in grid for panel in row for curve in panel.curves})
    colours = _colours(lambdas)
    for row, line in zip(grid, lines, strict=True):
        for axes, panel in zip(line, row, strict=False):
            _panel(axes, panel, colours)
        for axes in line[len(row) :]:
            axes.axis("off")
        line[0].set_ylabel(row[0].ylabel)
    for axes in lines[-1]:
        axes.set_xlabel("epoch")
    handles = [
        Line2D(
            [],
            [],
            color=colours[lam],
            ls="-" if lam else "--",
            label=f"λ = {lam:g}" if lam else "baseline",
        )
        for lam in lambdas
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(3 * columns, len(handles)))
    return figure


def _colours(lambdas: Sequence[float]) -> dict[float, Colour]:
    rising = [lam for lam in lambdas if lam]
    scale = colormaps["viridis"](np.linspace(0.05, 0.85, max(1, len(rising))))
    named: dict[float, Colour] = {lam: tuple(c) for lam, c in zip(rising, scale, strict=False)}
    return named | {0.0: BASELINE}


def _panel(axes: Axes, panel: CurvePanel, colours: dict[float, Colour]) -> None:
    grid_lines(axes)
    for curve in panel.curves:
        epochs = np.arange(1, len(curve.mean) + 1)
        colour = colours[curve.lam]
        axes.plot(epochs, curve.seeds.T, color=colour, lw=0.5, alpha=0.35)
        axes.plot(epochs, curve.mean, color=colour, ls="-" if curve.lam else "--", lw=1.6)
    axes.set_title(broken(panel.title, _TITLE))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axes.tick_params(labelbottom=True)

"""How long trainings took: the best and the last epoch of every seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from analysis.figures.canvas import INK, broken, lines_of, panels, styled
from analysis.figures.palette import loss_colours

_NAME = 34  # characters of a row's name in a line


@dataclass(frozen=True, eq=False)
class EpochRow:
    """A treatment's seeds.

    Attributes:
        loss: for the colour.
        name: beside the row.
        best: [n], the best validation epoch of each seed, counted from 1.
        stopped: [n], the last epoch of each.
        mean_best: the mean of `best`.
    """

    loss: str
    name: str
    best: NDArray[np.float64]
    stopped: NDArray[np.float64]
    mean_best: float


@styled
def epochs(rows: Sequence[EpochRow]) -> Figure:
    """A row per treatment: filled dots are best epochs, rings the last ones, a bar the mean."""
    names = [broken(row.name, _NAME) for row in rows]
    row_height = 0.13 + 0.13 * lines_of(names)
    figure, ((axes,),) = panels(1, 1, 6.2, 0.9 + row_height * len(rows))
    colours = loss_colours([row.loss for row in rows])
    for place, row in enumerate(rows):
        spread = np.linspace(-0.22, 0.22, len(row.best)) if len(row.best) > 1 else np.zeros(1)
        style: dict[str, Any] = {"ls": "", "marker": "o", "ms": 4, "color": colours[row.loss]}
        axes.plot(row.stopped, place + spread, mfc="none", mew=0.7, alpha=0.7, **style)
        axes.plot(row.best, place + spread, mew=0, alpha=0.8, **style)
        axes.plot([row.mean_best] * 2, [place - 0.36, place + 0.36], color=INK, lw=1.3)
    axes.set(xlabel="epoch", yticks=range(len(rows)), ylim=(len(rows) - 0.4, -0.6))
    axes.set_yticklabels(names)
    latest = max(float(np.max(row.stopped)) for row in rows)
    axes.set_xlim(0, 1.04 * latest)  # the last ring is whole
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="x")
    axes.set_axisbelow(True)
    handles = [
        Line2D([], [], ls="", marker="o", ms=4, color=INK, mew=0, label="best epoch of a seed"),
        Line2D([], [], ls="", marker="o", ms=4, color=INK, mfc="none", label="its last epoch"),
        Line2D([], [], ls="", marker="|", ms=9, mew=1.3, color=INK, label="mean best epoch"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure

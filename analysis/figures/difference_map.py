"""Differences to the baseline by loss and λ, with the ones that survive Holm's correction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from analysis.figures.canvas import INK, panels, styled


@dataclass(frozen=True, eq=False)
class Differences:
    """Mean paired differences of a metric to the baseline.

    Attributes:
        metric: its name with the unit, for the colour bar.
        losses: names of the rows.
        lambdas: of the columns.
        means: [rows, columns]; NaN where there is no such cell.
        survives: bool, of the same shape.
        criterion: what surviving means, in a few words.
        digits: of the printed means, after the decimal point.
    """

    metric: str
    losses: tuple[str, ...]
    lambdas: tuple[float, ...]
    means: NDArray[np.float64]
    survives: NDArray[np.bool_]
    criterion: str
    digits: int


@styled
def difference_map(shown: Differences) -> Figure:
    """A heat map; blue is better than the baseline and orange worse, framed cells survive."""
    rows, columns = shown.means.shape
    figure, ((axes,),) = panels(1, 1, 2.6 + 0.72 * columns, 1.25 + 0.42 * rows)
    largest = float(np.nanmax(np.abs(shown.means))) or 1.0
    image = axes.imshow(shown.means, cmap="PuOr", vmin=-largest, vmax=largest, aspect="auto")
    for row, column in np.ndindex(rows, columns):
        mean = shown.means[row, column]
        if np.isnan(mean):
            continue
        dark = abs(mean) > 0.6 * largest
        axes.text(
            column,
            row,
            f"{mean:+.{shown.digits}f}".replace("-", "−"),
            ha="center",
            va="center",
            fontsize=7.5,
            color="white" if dark else INK,
        )
        if shown.survives[row, column]:
            frame = Rectangle((column - 0.46, row - 0.44), 0.92, 0.88, fill=False, ec=INK, lw=1.6)
            axes.add_patch(frame)
    axes.set(xlabel="λ", xticks=range(columns), yticks=range(rows))
    axes.set_xticklabels([f"{lam:g}" for lam in shown.lambdas])
    axes.set_yticklabels(shown.losses)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    bar = figure.colorbar(image, ax=axes, pad=0.02)
    bar.set_label(shown.metric)
    bar.outline.set_visible(False)  # type: ignore[operator]
    legend = Rectangle((0, 0), 1, 1, fill=False, ec=INK, lw=1.6, label=shown.criterion)
    figure.legend(handles=[legend], loc="outside lower center")
    return figure

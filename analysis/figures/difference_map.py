"""Differences to the baseline by loss and λ, with the ones that survive Holm's correction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from analysis.figures.canvas import INK, broken, lines_of, panels, styled

_NAME = 26  # characters of a row's name in a line

_SURVIVES: dict[str, Any] = {"lw": 1.8}
_APART: dict[str, Any] = {"lw": 0.9, "ls": (0, (3, 2))}


@dataclass(frozen=True, eq=False)
class Differences:
    """Mean paired differences of a metric to the baseline.

    Attributes:
        metric: its name with the unit, for the colour bar.
        losses: names of the rows.
        lambdas: of the columns.
        means: [rows, columns]; NaN where there is no such cell.
        apart: bool, of the same shape: the difference's own interval is without 0.
        survives: bool, of the same shape: it survives Holm's correction.
        digits: of the printed means, after the decimal point.
    """

    metric: str
    losses: tuple[str, ...]
    lambdas: tuple[float, ...]
    means: NDArray[np.float64]
    apart: NDArray[np.bool_]
    survives: NDArray[np.bool_]
    digits: int


@styled
def difference_map(shown: Differences) -> Figure:
    """A heat map: purple is above the baseline and orange below it, and frames tell evidence."""
    rows, columns = shown.means.shape
    names = [broken(loss, _NAME) for loss in shown.losses]
    row_height = max(0.42, 0.13 * lines_of(names) + 0.1)
    figure, ((axes,),) = panels(1, 1, 2.6 + 0.72 * columns, 1.25 + row_height * rows)
    largest = float(np.nanmax(np.abs(shown.means))) or 1.0
    image = axes.imshow(shown.means, cmap="PuOr", vmin=-largest, vmax=largest, aspect="auto")
    for row, column in np.ndindex(rows, columns):
        mean = shown.means[row, column]
        if np.isnan(mean):
            continue
        ink = "white" if abs(mean) > 0.6 * largest else INK
        axes.text(
            column,
            row,
            f"{mean:+.{shown.digits}f}".replace("-", "−"),
            ha="center",
            va="center",
            fontsize=7.5,
            color=ink,
        )
        if shown.survives[row, column] or shown.apart[row, column]:
            style = _SURVIVES if shown.survives[row, column] else _APART
            axes.add_patch(
                Rectangle((column - 0.46, row - 0.43), 0.92, 0.86, fill=False, ec=ink, **style)
            )
    axes.set(xlabel="λ", xticks=range(columns), yticks=range(rows))
    axes.set_xticklabels([f"{lam:g}" for lam in shown.lambdas])
    axes.set_yticklabels(names)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    bar = figure.colorbar(image, ax=axes, pad=0.02)
    bar.set_label(shown.metric)
    bar.outline.set_visible(False)
    handles = [
        Rectangle(
            (0, 0), 1, 1, fill=False, ec=INK, label="survives Holm's correction", **_SURVIVES
        ),
        Rectangle((0, 0), 1, 1, fill=False, ec=INK, label="95% interval without 0", **_APART),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)
    return figure

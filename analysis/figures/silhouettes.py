"""Silhouettes of all samples, class by class (Rousseeuw 1987)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from analysis.figures.canvas import INK, NAMED_CLASSES, PANEL_TITLE, broken, panels, styled
from analysis.figures.palette import class_colours


@dataclass(frozen=True, eq=False)
class SilhouettePanel:
    """One network's silhouettes.

    Attributes:
        title: of the panel.
        classes: names.
        scores: [N], from −1 to 1.
        labels: [N].
        mean: of the scores.
    """

    title: str
    classes: tuple[str, ...]
    scores: NDArray[np.float64]
    labels: NDArray[np.int64]
    mean: float


@styled
def silhouettes(shown: Sequence[SilhouettePanel]) -> Figure:
    """A panel per network: each class's scores in falling order, and their mean as a line."""
    figure, (line,) = panels(1, len(shown), 2.25 * len(shown) + 0.9, 3.7, sharey=True, sharex=True)
    for axes, panel in zip(line, shown, strict=True):
        _panel(axes, panel)
    handle = Line2D([], [], color=INK, ls="--", lw=1, label="mean of all samples")
    figure.legend(handles=[handle], loc="outside lower center")
    return figure


def _panel(axes: Axes, panel: SilhouettePanel) -> None:
    count = len(panel.classes)
    named = count <= NAMED_CLASSES
    for label, colour in enumerate(class_colours(count)):
        falling = np.sort(panel.scores[panel.labels == label])[::-1]
        if len(falling):
            heights = label + np.linspace(0.04, 0.96, len(falling))
            axes.fill_betweenx(heights, 0, falling, color=colour, lw=0.4, rasterized=True)
    axes.axvline(0, color=INK, lw=0.6)
    axes.axvline(panel.mean, color=INK, ls="--", lw=1)
    axes.set(title=broken(panel.title, PANEL_TITLE), xlabel="silhouette", ylim=(count, 0))
    axes.set_yticks(
        np.arange(count) + 0.5 if named else [], panel.classes if named else [], minor=False
    )
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.set_axisbelow(True)

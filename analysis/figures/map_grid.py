"""Maps in a grid: a row per dataset, a column per loss (Figure 3 of the paper)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from analysis.figures.canvas import FAINT, NAMED_CLASSES, PANEL_TITLE, broken, panels, styled
from analysis.figures.palette import class_colours


@dataclass(frozen=True, eq=False)
class MapPanel:
    """One map.

    Attributes:
        title: above it.
        note: below it, such as its trustworthiness.
        points: [N, 2].
        labels: [N].
    """

    title: str
    note: str
    points: NDArray[np.float32]
    labels: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class MapRow:
    """Maps of one dataset: its name, its classes and the panels; None leaves a gap."""

    name: str
    classes: tuple[str, ...]
    panels: tuple[MapPanel | None, ...]


@styled
def map_grid(rows: Sequence[MapRow]) -> Figure:
    """Every map of every row, with a legend of the row's classes beside it."""
    columns = max(len(row.panels) for row in rows)
    figure, grid = panels(
        len(rows),
        columns + 1,
        2.15 * columns + 1.25,
        2.45 * len(rows),
        width_ratios=[1.0] * columns + [0.55],
    )
    for row, line in zip(rows, grid, strict=True):
        colours = class_colours(len(row.classes))
        for axes, panel in zip(line, [*row.panels, *[None] * columns], strict=False):
            axes.axis("off")
            if panel is not None:
                _scatter(axes, panel, colours)
        _legend(line[-1], row, colours)
    return figure


def _scatter(axes: Axes, panel: MapPanel, colours: list[str]) -> None:
    axes.axis("on")
    axes.set(xticks=[], yticks=[], title=broken(panel.title, PANEL_TITLE))
    for side in axes.spines.values():
        side.set(visible=True, color="#d0d7de")
    order = np.random.default_rng(0).permutation(len(panel.points))  # no class lies on top
    axes.scatter(
        panel.points[order, 0],
        panel.points[order, 1],
        c=[colours[label] for label in panel.labels[order]],
        s=max(0.6, min(6.0, 9000 / len(order))),
        linewidths=0,
        rasterized=True,
    )
    axes.margins(0.03)
    axes.set_box_aspect(1)
    axes.set_xlabel(panel.note, color=FAINT, fontsize=6.5)


def _legend(axes: Axes, row: MapRow, colours: list[str]) -> None:
    axes.axis("off")
    shown = row.classes if len(row.classes) <= NAMED_CLASSES else ()
    handles = [
        Line2D([], [], marker="o", ls="", ms=4, color=colour, label=name)
        for name, colour in zip(shown, colours, strict=False)
    ]
    title = row.name if shown else f"{row.name}\n{len(row.classes)} classes,\na hue each"
    legend = axes.legend(
        handles=handles,
        title=title,
        loc="center left",
        bbox_to_anchor=(-0.12, 0.5),
        handletextpad=0.2,
        labelspacing=0.45,
        alignment="left",
    )
    legend.get_title().set(weight="bold", size=7.5)

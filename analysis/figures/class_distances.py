"""How far apart the classes' means lie in the latent space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.figures.canvas import NAMED_CLASSES, PANEL_TITLE, broken, lines_of, panels, styled


@dataclass(frozen=True, eq=False)
class ClassDistances:
    """Distances between class means.

    Attributes:
        title: of the panel.
        classes: names, in the order of the rows.
        distances: [C, C].
    """

    title: str
    classes: tuple[str, ...]
    distances: NDArray[np.float64]


@styled
def class_distances(shown: Sequence[ClassDistances], unit: str) -> Figure:
    """A matrix per panel, all on one colour scale.

    Args:
        shown: the panels.
        unit: what a distance of 1 is, for the colour bar.
    """
    titles = [broken(panel.title, PANEL_TITLE) for panel in shown]
    height = 3.1 + 0.15 * lines_of(titles)
    figure, (line,) = panels(1, len(shown), 2.35 * len(shown) + 1.5, height)
    largest = max(float(np.nanmax(panel.distances)) for panel in shown)
    for place, (axes, panel) in enumerate(zip(line, shown, strict=True)):
        image = axes.imshow(panel.distances, cmap="cividis", vmin=0, vmax=largest)
        named = range(len(panel.classes)) if len(panel.classes) <= NAMED_CLASSES else []
        names = [panel.classes[label] for label in named]
        axes.set_title(titles[place])
        axes.set_xticks(named, names, rotation=90)
        axes.set_yticks(named, names if place == 0 else [""] * len(names))
        axes.tick_params(length=0)
        for side in axes.spines.values():
            side.set_visible(False)
    bar = figure.colorbar(image, ax=line, shrink=0.75, pad=0.01)
    bar.set_label(f"distance ({unit})")
    bar.outline.set_visible(False)
    return figure

"""What a metric does as λ grows: seeds as dots, mean and interval as line and band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.figures.canvas import grid_lines, panels, styled
from analysis.figures.palette import BASELINE, loss_colours

_MARKERS = "osD^vP"


@dataclass(frozen=True, eq=False)
class Level:
    """Values of the seeds [n], their mean and the half-width of its interval (NaN for none)."""

    values: NDArray[np.float64]
    mean: float
    half_width: float


@dataclass(frozen=True)
class Response:
    """A loss's levels by rising λ."""

    loss: str
    lambdas: tuple[float, ...]
    levels: tuple[Level, ...]


@dataclass(frozen=True)
class ResponsePanel:
    """A metric (its name with the unit), the losses' responses, and the baseline's level."""

    metric: str
    responses: tuple[Response, ...]
    baseline: Level | None


@styled
def lambda_response(shown: Sequence[ResponsePanel]) -> Figure:
    """A panel per metric, and one legend for all of them."""
    figure, (line,) = panels(1, len(shown), 3.3 * len(shown) + 0.2, 2.9)
    losses = [response.loss for panel in shown for response in panel.responses]
    colours = loss_colours(losses)
    places = list(dict.fromkeys(losses))
    for axes, panel in zip(line, shown, strict=True):
        grid_lines(axes)
        if panel.baseline is not None:
            _baseline(axes, panel.baseline)
        for response in panel.responses:
            place = places.index(response.loss)
            shift = (place - (len(places) - 1) / 2) * 0.012
            _response(axes, response, colours[response.loss], _MARKERS[place % 6], shift)
        ticks = sorted({lam for response in panel.responses for lam in response.lambdas})
        axes.set(xlabel="λ", ylabel=panel.metric, xticks=ticks)
        axes.set_xticklabels([f"{tick:g}" for tick in ticks])
    handles, names = line[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=min(4, len(names)))
    return figure


def _baseline(axes: Axes, level: Level) -> None:
    axes.axhline(level.mean, color=BASELINE, ls="--", lw=1.1, label="baseline (mean, interval)")
    if np.isfinite(level.half_width):
        low, high = level.mean - level.half_width, level.mean + level.half_width
        axes.axhspan(low, high, color=BASELINE, alpha=0.13, lw=0)


def _response(axes: Axes, response: Response, colour: str, marker: str, shift: float) -> None:
    lambdas = np.array(response.lambdas) + shift
    means = np.array([level.mean for level in response.levels])
    widths = np.array([level.half_width for level in response.levels])
    axes.fill_between(lambdas, means - widths, means + widths, color=colour, alpha=0.16, lw=0)
    axes.plot(lambdas, means, color=colour, marker=marker, ms=4, label=response.loss)
    for lam, level in zip(lambdas, response.levels, strict=True):
        places = np.full(len(level.values), lam)
        axes.plot(places, level.values, ls="", marker="o", ms=2.2, color=colour, alpha=0.55, mew=0)

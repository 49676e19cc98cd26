"""What a metric does as λ grows: seeds as dots, mean and interval as line and band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from analysis.figures.canvas import broken, grid_lines, panels, styled
from analysis.figures.palette import BASELINE, loss_colours

_MARKERS = "osD^vP"
_NAME = 40  # characters of a loss's name in a line of the legend


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
    """A metric (its name with the unit), the losses' responses, the baseline's level, and the least
    and largest value that the metric can have."""

    metric: str
    responses: tuple[Response, ...]
    baseline: Level | None
    bounds: tuple[float, float]


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
        low, high = axes.get_ylim()
        axes.set_ylim(max(low, panel.bounds[0]), min(high, panel.bounds[1]))
    handles, names = line[0].get_legend_handles_labels()
    names = [broken(name, _NAME) for name in names]
    longest = max(len(part) for name in names for part in name.splitlines())
    columns = int(figure.get_figwidth() / (0.4 + 0.06 * longest))
    figure.legend(
        handles, names, loc="outside lower center", ncols=max(1, min(4, len(names), columns))
    )
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
    hollow: dict[str, Any] = {"marker": marker, "ms": 6, "mfc": "white", "clip_on": False}
    axes.plot(lambdas, means, color=colour, label=response.loss, **hollow)
    for lam, level in zip(lambdas, response.levels, strict=True):
        places = np.full(len(level.values), lam)
        dots: dict[str, Any] = {"ls": "", "marker": "o", "ms": 2.4, "mew": 0, "clip_on": False}
        axes.plot(places, level.values, color=colour, alpha=0.8, zorder=3, **dots)

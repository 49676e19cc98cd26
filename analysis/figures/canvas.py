"""An empty figure in the house style, and its files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

Arguments = ParamSpec("Arguments")

_NO_BREAK = "\N{NO-BREAK SPACE}"

INK, FAINT = "#22272e", "#8b949e"
PANEL_TITLE = 26  # characters that fit above a panel of a grid
NAMED_CLASSES = 20  # so many names fit beside a panel

_STYLE: Any = {  # matplotlib types the names of its settings one by one
    "font.family": "DejaVu Sans",
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "grid.color": "#d8dee4",
    "grid.linewidth": 0.5,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.linewidth": 1.3,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.constrained_layout.use": True,
    "pdf.fonttype": 42,  # text stays text in the PDF
    "svg.hashsalt": "lbray",
}


def styled(draw: Callable[Arguments, Figure]) -> Callable[Arguments, Figure]:
    """Have a drawing function draw in the house style, and leave matplotlib as it was.

    The figure is laid out once and for all, not anew for each of its files.
    """

    @wraps(draw)
    def drawn(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Figure:
        with matplotlib.rc_context(_STYLE):
            figure = draw(*args, **kwargs)
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
            return figure

    return drawn


def panels(
    rows: int, columns: int, width: float, height: float, **kwargs: Any
) -> tuple[Figure, list[list[Axes]]]:
    """A figure (inches) with a grid of axes, as rows of columns."""
    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, **kwargs)
    return figure, [list(row) for row in grid]


def broken(text: str, width: int) -> str:
    """The text in lines of at most so many characters.

    It is broken at spaces, and words that are longer than a line after ``:``, ``(`` or ``=`` where
    there is one. "λ = 0.5" stays together.
    """
    kept = text.replace(" = ", f"{_NO_BREAK}={_NO_BREAK}")
    lines = [""]
    for word in kept.split(" "):
        pieces = _pieces(word, width) if len(word) > width else [word]
        for place, piece in enumerate(pieces):
            space = " " if lines[-1] and not place else ""
            if lines[-1] and len(lines[-1] + space + piece) > width:
                lines.append(piece)
            else:
                lines[-1] += space + piece
    return "\n".join(lines).replace(_NO_BREAK, " ")


def lines_of(texts: Iterable[str]) -> int:
    """How many lines the longest of broken texts has."""
    return max(text.count("\n") + 1 for text in texts)


def _pieces(word: str, width: int) -> list[str]:
    return re.findall(rf"[^:(=]{{0,{width - 1}}}[:(=]|[^:(=]{{1,{width}}}", word)


def grid_lines(axes: Axes) -> None:
    """Faint horizontal lines behind the data."""
    axes.grid(axis="y")
    axes.set_axisbelow(True)


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure as ``stem.pdf`` and ``stem.png`` (200 dots per inch).

    Equal figures give equal bytes: no date is written into them.
    """
    stem.parent.mkdir(parents=True, exist_ok=True)
    pdf, png = stem.with_name(f"{stem.name}.pdf"), stem.with_name(f"{stem.name}.png")
    with matplotlib.rc_context(_STYLE):
        figure.savefig(pdf, metadata={"CreationDate": None})
        figure.savefig(png, dpi=200, metadata={"Software": None})
    return [pdf, png]

"""Colours for classes and losses, the same in every figure."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

BASELINE = "#5b6570"

_CLASSES = (
    "#3f90da",
    "#ffa90e",
    "#bd1f01",
    "#94a4a2",
    "#832db6",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)
"""Ten colours that colour-blind readers can tell apart (Petroff 2021, arXiv:2107.02270)."""

_LOSSES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
"""Okabe and Ito's colours, without black and yellow."""


def class_colours(count: int) -> list[str]:
    """A colour per class, as ``#rrggbb``.

    Up to ten can be told apart. Beyond that they go round the hues at alternating lightness: they
    show where classes are, and names have to tell which.
    """
    if count <= len(_CLASSES):
        return list(_CLASSES[:count])
    turns = [
        colorsys.hls_to_rgb(i / count, (0.42, 0.62)[i % 2], (0.75, 0.55)[i % 2])
        for i in range(count)
    ]
    return ["#" + "".join(f"{round(255 * part):02x}" for part in rgb) for rgb in turns]


def loss_colours(labels: Sequence[str]) -> dict[str, str]:
    """A colour per loss, in the order of their appearance; the baseline is grey."""
    losses = [label for label in dict.fromkeys(labels) if label != "baseline"]
    colours = {label: _LOSSES[place % len(_LOSSES)] for place, label in enumerate(losses)}
    return {"baseline": BASELINE, **colours}

"""A page whose every number is known, made of three clusters of images of one grey each."""

from __future__ import annotations

import numpy as np

from analysis import figures
from analysis.maps import Map
from analysis.report.explorer import ExplorerGroup, ExplorerPanel
from analysis.report.page import Findings, Picture, page
from analysis.report.sprite import sprite
from analysis.tables import Table

HOSTILE = "<img src=x onerror=\"document.title='owned'\"></script><!-- &amp; 'quoted'"
CLASSES = ("boot", "coat", HOSTILE)
COUNT = 60
LABELS = np.arange(COUNT) % 3
WRONG = {"baseline": [0, 3], "magnet": [0, 1]}
"""Images that each panel's network takes for the next class."""
LOW = {"baseline": [5], "magnet": [0, 6]}
"""Images with a silhouette of −0.5; all others have 0.5."""


def layout(turn: int) -> Map:
    """Clusters at three corners of a square, in another order for each turn."""
    corners = np.array([[0.0, 0.0], [0.0, 10.0], [10.0, 0.0]])
    within = np.random.default_rng(turn).uniform(-1, 1, size=(COUNT, 2))
    return Map((corners[(LABELS + turn) % 3] + within).astype(np.float32), 0.9 + turn / 100)


def panel(title: str, turn: int) -> ExplorerPanel:
    predictions = LABELS.copy()
    predictions[WRONG[title]] = (LABELS[WRONG[title]] + 1) % 3
    silhouettes = np.full(COUNT, 0.5)
    silhouettes[LOW[title]] = -0.5
    maps = {"t-SNE": layout(turn), "UMAP": layout(turn + 1)}
    return ExplorerPanel(title, "seed 0", predictions, silhouettes, maps)


def images() -> np.ndarray:
    """uint8 [COUNT, 1, 8, 8]; image i has the grey 4 i."""
    return np.broadcast_to(
        4 * np.arange(COUNT, dtype=np.uint8)[:, None, None, None], (COUNT, 1, 8, 8)
    )


def group() -> ExplorerGroup:
    return ExplorerGroup(
        f"images {HOSTILE}",
        CLASSES,
        LABELS,
        sprite(images()),
        [panel("baseline", 0), panel("magnet", 1)],
    )


TABLE = Table(
    f"numbers {HOSTILE}",
    ["loss", "accuracy"],
    [["magnet", "9.5 ± 0.1"], ["baseline", "80.1 ± 2.0"], ["own", "−3.2"], [HOSTILE, "–"]],
    [f"a note {HOSTILE}"],
)


def html() -> str:
    curve = figures.Curve(0.5, np.ones((1, 3)), np.ones(3))
    drawn = figures.component_counts([figures.CurvePanel("own", "kept", (curve,))])
    return page(
        f"An experiment {HOSTILE}",
        f"About {HOSTILE}",
        Findings((f"It is so {HOSTILE}.",), (f"But {HOSTILE}.",)),
        [group()],
        [Picture("kept", f"Components {HOSTILE}", f"Caption {HOSTILE}", drawn)],
        [TABLE],
        f"Made {HOSTILE}",
    )

"""What the latent explorer shows, as the JSON that its script reads."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from analysis.figures.palette import class_colours
from analysis.maps import Map
from analysis.report.sprite import Sprite

_STEPS = 65_535


@dataclass(frozen=True, eq=False)
class ExplorerPanel:
    """One network's images.

    Attributes:
        title: what tells it from the other panels.
        note: a line below it.
        predictions: int [N], the predicted class of each image.
        silhouettes: float [N], from −1 to 1.
        maps: by the name of their kind; at least one, and the same kinds in every panel.
    """

    title: str
    note: str
    predictions: NDArray[np.int64]
    silhouettes: NDArray[np.float64]
    maps: Mapping[str, Map]


@dataclass(frozen=True, eq=False)
class ExplorerGroup:
    """Panels that show the same images.

    Attributes:
        name: of the images.
        classes: names; label i is ``classes[i]``.
        labels: int [N].
        sprite: the images.
        panels: at least one.
    """

    name: str
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    sprite: Sprite
    panels: Sequence[ExplorerPanel]


def explorer_data(groups: Sequence[ExplorerGroup]) -> str:
    """The groups as JSON that can stand in a script element whatever its strings hold.

    Labels and predictions are uint16, silhouettes int8 (127 is 1), points uint16 with both axes
    on one scale; all little-endian and base64.
    """
    shown = [
        {
            "name": group.name,
            "classes": list(group.classes),
            "colours": class_colours(len(group.classes)),
            "labels": _base64(group.labels, "<u2"),
            "sprite": {
                "url": f"data:image/webp;base64,{base64.b64encode(group.sprite.webp).decode()}",
                "tile": group.sprite.tile,
                "columns": group.sprite.columns,
            },
            "panels": [_panel(panel) for panel in group.panels],
        }
        for group in groups
    ]
    text = json.dumps(shown, ensure_ascii=False, separators=(",", ":"))
    # neither the end of a script element nor a comment in it can then be spelt
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def quantised(points: ArrayLike) -> NDArray[np.uint16]:
    """Points [N, 2] as uint16, centred, with the larger extent over the whole range and the second
    axis downwards, as screens have it; equal steps are equal distances on both axes."""
    given = np.asarray(points, dtype=np.float64) * [1, -1]
    low, high = given.min(axis=0), given.max(axis=0)
    extent = float((high - low).max()) or 1.0
    steps: NDArray[np.float64] = np.rint(((given - (low + high) / 2) / extent + 0.5) * _STEPS)
    return steps.astype(np.uint16)


def _panel(panel: ExplorerPanel) -> dict[str, object]:
    # a sample without a silhouette, in a set of one class, is shown as 0
    scores = np.nan_to_num(panel.silhouettes)
    return {
        "title": panel.title,
        "note": panel.note,
        "predictions": _base64(panel.predictions, "<u2"),
        "silhouettes": _base64(np.rint(127 * scores), "<i1"),
        "layouts": {
            kind: {
                "points": _base64(quantised(drawn.points), "<u2"),
                "trustworthiness": round(drawn.trustworthiness, 4),
            }
            for kind, drawn in panel.maps.items()
        },
    }


def _base64(values: ArrayLike, kind: str) -> str:
    return base64.b64encode(np.asarray(values).astype(kind).tobytes()).decode("ascii")

"""The networks that the report looks into: one per treatment, with all that is shown of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.maps import Map, MapSettings, can_be_mapped
from analysis.outputs import outputs
from analysis.silhouette import silhouette_samples
from analysis.stored_maps import stored_map
from analysis.treatments import settings, treatment_name, treatments
from lbray.store import Store

MapChoice = Literal["chosen", "all", "none"]


@dataclass(frozen=True, eq=False)
class Network:
    """A cell's best weights and what they make of the test images.

    Attributes:
        setting: its setting's name.
        name: its treatment's name.
        loss_label: its loss.
        chosen: whether it is the baseline or has its loss's λ of the best validation accuracy.
        seed: its seed.
        dataset: its dataset's name.
        split: the settings that decide which images it was tested on.
        accuracy: on them, a fraction.
        classes: names.
        labels: [N].
        predictions: [N].
        latents: [N, d].
        silhouettes: [N]; NaN where fewer than two classes are present.
        maps: by the name of their kind; none where the latents cannot be mapped.
    """

    setting: str
    name: str
    loss_label: str
    chosen: bool
    seed: int
    dataset: str
    split: Mapping[str, Any]
    accuracy: float
    classes: tuple[str, ...]
    labels: NDArray[np.int64]
    predictions: NDArray[np.int64]
    latents: NDArray[np.float32]
    silhouettes: NDArray[np.float64]
    maps: Mapping[str, Map]


def networks(
    store: Store,
    frame: pd.DataFrame,
    summary: pd.DataFrame,
    choice: MapChoice,
    kinds: Sequence[MapSettings],
    data_root: Path | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> list[Network]:
    """The networks of the chosen treatments, each of its treatment's lowest seed.

    Args:
        store: where the cells are.
        frame: the cells.
        summary: of the frame, for which λ was chosen.
        choice: ``chosen`` for the baseline and each loss at its chosen λ, ``all`` for every
            treatment, ``none`` for those of ``chosen`` without maps.
        kinds: of the maps.
        data_root: where datasets lie.
        progress: called with a line about what is made next.
    """
    found = []
    for setting, row, name, chosen in _cells(frame, summary):
        if not chosen and choice != "all":
            continue
        cell = store.cell(row["id"]).cell()
        dataset, _ = store.datasets.prepared(cell.dataset, data_root, **cell.split_settings)
        sha256 = str(row["weights_sha256"])
        measured = outputs(store, cell.id, sha256, "test", data_root)
        maps = {}
        mapped = choice != "none" and can_be_mapped(measured.latents)
        for kind in kinds if mapped else ():
            progress(f"drawing the {kind.name} map of {cell.label}")
            maps[kind.name] = stored_map(store, cell.id, sha256, kind, data_root)
        several = len(np.unique(measured.labels)) > 1
        found.append(
            Network(
                setting,
                name,
                str(row["loss_label"]),
                chosen,
                cell.seed,
                cell.dataset,
                cell.split_settings,
                float(row["test/acc"]),
                dataset.classes,
                measured.labels,
                measured.logits.argmax(axis=1),
                measured.latents,
                silhouette_samples(measured.latents, measured.labels)
                if several
                else np.full(len(measured.labels), np.nan),
                maps,
            )
        )
    return found


def _cells(
    frame: pd.DataFrame, summary: pd.DataFrame
) -> Iterator[tuple[str, pd.Series, str, bool]]:
    """Per treatment: its setting, its cell of the lowest seed, its name, and whether it is the
    baseline or chosen."""
    chosen = {
        (setting, treatment_name(row, rows))
        for setting, rows in settings(summary)
        for _, row in rows[rows["chosen"]].iterrows()
    }
    for setting, cells in settings(frame):
        for name, rows in treatments(cells):
            first = rows.sort_values("seed").iloc[0]
            yield setting, first, name, name == "baseline" or (setting, name) in chosen

"""The report of an experiment, as files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd

from analysis import figures
from analysis.frame import left_out
from analysis.loss_names import shared_settings, with_short_names
from analysis.maps import MapSettings
from analysis.report.explorer import ExplorerGroup, ExplorerPanel
from analysis.report.findings import findings
from analysis.report.networks import MapChoice, Network, networks
from analysis.report.page import page
from analysis.report.pictures import History, pictures
from analysis.report.sprite import sprite
from analysis.tables import Table
from lbray import __version__
from lbray.errors import DamagedArtefact
from lbray.store import Store

LARGE = 25_000_000
"""Bytes above which a page is slow to open and hard to send."""


@dataclass(frozen=True)
class ReportSettings:
    """What a report shows beside the tables.

    Attributes:
        maps: which networks are mapped; see `networks`.
        paper_mode: whether t-SNE is drawn with scikit-learn's defaults; see `MapSettings`.
    """

    maps: MapChoice = "chosen"
    paper_mode: bool = False

    @property
    def kinds(self) -> tuple[MapSettings, ...]:
        """The maps that each network gets."""
        return MapSettings("tsne", self.paper_mode), MapSettings("umap")


def write_report(
    out: Path,
    store: Store,
    name: str,
    frame: pd.DataFrame,
    summary: pd.DataFrame,
    tables: Sequence[Table],
    settings: ReportSettings,
    data_root: Path | None = None,
    progress: Callable[[str], None] = lambda line: None,
) -> list[Path]:
    """Write ``report.html``, and the figures below ``figures/``.

    Args:
        out: the folder.
        store: where the cells are.
        name: of the experiment.
        frame: from `analysis.load`, with the structure's columns; not empty.
        summary: of the frame.
        tables: of the summary.
        settings: what is shown.
        data_root: where datasets lie.
        progress: called with a line about what is made next.

    Returns:
        The files, the page first.

    Raises:
        DamagedArtefact: a network that is to be shown has been damaged since it was measured.
        InputError: a dataset is not to be had.
        OSError: the folder cannot be written.
    """
    labels = frame["loss_label"].unique()
    frame, summary = (with_short_names(rows, labels) for rows in (frame, summary))
    shown = networks(store, frame, summary, settings.maps, settings.kinds, data_root, progress)
    progress("drawing the figures")
    made = pictures(frame, summary, _histories(store, frame), shown)
    progress("writing the page and the figures")
    html = page(
        f"{name}: what the losses did",
        _description(store, name, frame),
        findings(frame, summary, left_out(frame), shared_settings(labels)),
        _explorer([network for network in shown if network.maps], store, data_root),
        made,
        tables,
        f"Made by lbray {__version__} from the experiment {name}. Everything is in this one file.",
    )
    out.mkdir(parents=True, exist_ok=True)
    target = out / "report.html"
    target.write_text(html, encoding="utf-8")
    written = [target]
    for picture in made:
        written += figures.save(picture.figure, out / "figures" / picture.name)
    return written


def _description(store: Store, name: str, frame: pd.DataFrame) -> str:
    told = store.experiment_description(name)
    return told or f"{len(frame)} trainings, and what became of their latent spaces."


def _histories(store: Store, frame: pd.DataFrame) -> dict[str, History]:
    """What can be read of them; a curve that is missing is missing in the figure alone."""
    found: dict[str, History] = {}
    for cell_id in frame["id"]:
        with suppress(DamagedArtefact):
            found[cell_id] = store.cell(cell_id).history()
    return found


def _explorer(
    mapped: Sequence[Network], store: Store, data_root: Path | None
) -> list[ExplorerGroup]:
    """Networks that were tested on the same images, side by side."""

    def images(network: Network) -> tuple[str, str]:
        return network.dataset, repr(network.split)

    groups = []
    for _, same in groupby(sorted(mapped, key=images), key=images):
        members = list(same)
        first = members[0]
        _, splits = store.datasets.prepared(first.dataset, data_root, **first.split)
        several = len({member.setting for member in members}) > 1
        panels = [_panel(member, several) for member in members]
        groups.append(
            ExplorerGroup(
                f"{first.dataset}, {len(first.labels):,} test images",
                first.classes,
                first.labels,
                sprite(splits.test.images.numpy()),
                panels,
            )
        )
    return groups


def _panel(network: Network, several: bool) -> ExplorerPanel:
    mean = f"{np.mean(network.silhouettes):.3f}".replace("-", "−")
    note = f"seed {network.seed} · accuracy {100 * network.accuracy:.1f}% · silhouette {mean}"
    return ExplorerPanel(
        f"{network.name} ({network.setting})" if several else network.name,
        note,
        network.predictions,
        network.silhouettes,
        network.maps,
    )

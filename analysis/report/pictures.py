"""The report's figures, from the frame, its summary, the histories and the networks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis import figures
from analysis.figures import Curve, CurvePanel, EpochRow, Level, Response
from analysis.margins import margins
from analysis.report.networks import Network
from analysis.report.page import Picture
from analysis.treatments import settings, treatments, with_warmups

History = Sequence[Mapping[str, float]]
"""One object per epoch, as a cell's ``history.jsonl`` has them."""

_RESPONSES = {
    "test/acc": ("test accuracy, %", 100.0),
    "test/silhouette": ("silhouette", 1.0),
}
_BOUNDS = {"test/acc": (0.0, 100.0), "test/silhouette": (-1.0, 1.0)}
_CURVES = {
    "val/acc": ("validation accuracy, %", 100.0),
    "train/ce": ("training cross-entropy", 1.0),
}
_COMPONENTS = "latent/pca_components"


def pictures(
    frame: pd.DataFrame,
    summary: pd.DataFrame,
    histories: Mapping[str, History],
    looked_into: Sequence[Network],
) -> list[Picture]:
    """Every figure that the data allow, in the order of the page.

    Args:
        frame: the cells.
        summary: of the frame.
        histories: by cell id.
        looked_into: the networks of the chosen treatments at least.
    """
    chosen = [network for network in looked_into if network.chosen]
    made = list(_maps([network for network in chosen if network.maps]))
    several = len(list(settings(frame))) > 1
    for place, (setting, cells) in enumerate(settings(frame), start=1):
        rows = next(rows for name, rows in settings(summary) if name == setting)
        cells, rows = with_warmups(cells), with_warmups(rows)
        of = f" ({setting})" if several else ""
        stem = f"-{place}" if several else ""
        own = [network for network in chosen if network.setting == setting]
        for picture in (
            *_responses(cells, rows),
            *_differences(rows),
            *_epochs(cells, rows),
            *_components(cells, histories),
            *_training(cells, histories),
            *_networks(own),
        ):
            made.append(
                Picture(
                    picture.name + stem,
                    picture.title + of,
                    picture.caption,
                    picture.figure,
                    picture.wide,
                )
            )
    return made


def _maps(chosen: Sequence[Network]) -> Iterator[Picture]:
    """One grid per kind of map: a row per setting, the baseline's column first."""
    kinds = dict.fromkeys(kind for network in chosen for kind in network.maps)
    columns = list(dict.fromkeys(network.loss_label for network in chosen))
    columns.sort(key=lambda label: label != "baseline")
    for place, kind in enumerate(kinds, start=1):
        rows = []
        for setting, group in groupby(chosen, key=lambda network: network.setting):
            by_loss = {network.loss_label: network for network in group}
            own = tuple(_map_panel(by_loss.get(label), kind) for label in columns)
            first = next(iter(by_loss.values()))
            rows.append(figures.MapRow(setting, first.classes, own))
        yield Picture(
            f"maps-{place}",
            f"Test images in the latent space, {kind}",
            "One seed each; λ as chosen on validation. Which points are neighbours can be trusted "
            "as far as the trustworthiness says; distances, sizes and gaps cannot.",
            figures.map_grid(rows),
            wide=True,
        )


def _map_panel(network: Network | None, kind: str) -> figures.MapPanel | None:
    if network is None:
        return None
    drawn = network.maps[kind]
    note = f"trustworthiness {drawn.trustworthiness:.3f}"
    return figures.MapPanel(network.name, note, drawn.points, network.labels)


def _responses(cells: pd.DataFrame, rows: pd.DataFrame) -> Iterator[Picture]:
    panels = []
    for metric, (name, scale) in _RESPONSES.items():
        if metric not in cells:
            continue
        own = rows[rows["metric"] == metric]
        responses = []
        for label in own.loc[own["lambda"] > 0, "loss_label"].unique():
            of_loss = own[own["loss_label"] == label].sort_values("lambda")
            levels = tuple(_level(cells, row, metric, scale) for _, row in of_loss.iterrows())
            responses.append(Response(label, tuple(of_loss["lambda"]), levels))
        baseline = own[own["loss_label"] == "baseline"]
        level = None if baseline.empty else _level(cells, baseline.iloc[0], metric, scale)
        panels.append(figures.ResponsePanel(name, tuple(responses), level, _BOUNDS[metric]))
    if not any(panel.responses for panel in panels):
        return
    yield Picture(
        "lambda-response",
        "What λ does",
        "Dots are seeds, lines and hollow marks their means, bands 95% t-intervals of the means.",
        figures.lambda_response(panels),
        wide=True,
    )


def _level(cells: pd.DataFrame, row: pd.Series, metric: str, scale: float) -> Level:
    alike = cells[
        (cells["loss_label"] == row["loss_label"])
        & (cells["lambda"] == row["lambda"])
        & (cells["warmup_epochs"] == row["warmup_epochs"])
    ]
    values = scale * alike[metric].dropna().to_numpy(float)
    return Level(values, scale * row["mean"], scale * row["half_width"])


def _differences(rows: pd.DataFrame) -> Iterator[Picture]:
    for metric, (name, scale) in _RESPONSES.items():
        own = rows[(rows["metric"] == metric) & (rows["pairs"] > 0)]
        if own.empty:
            continue
        table = own.set_index(["loss_label", "lambda"])
        losses = tuple(table.index.get_level_values(0).unique())
        lambdas = tuple(sorted(table.index.get_level_values(1).unique()))

        def grid(column: str, table: pd.DataFrame = table) -> pd.DataFrame:
            return table[column].unstack().loc[list(losses), list(lambdas)]  # noqa: B023

        means = grid("difference").to_numpy(float)
        widths = grid("difference_half_width").to_numpy(float)
        kind = name.replace(", %", "")
        shown = figures.Differences(
            f"{kind}, {'points' if scale == 100 else 'difference'}",
            losses,
            lambdas,
            scale * means,
            np.abs(means) > widths,
            grid("survives").fillna(False).to_numpy(bool),
            2 if scale == 100 else 3,
        )
        pairs = _span(own["pairs"])
        yield Picture(
            f"differences-{kind.replace(' ', '-')}",
            f"Difference to the baseline, {kind}",
            f"Means of {pairs} paired differences per cell of the grid. {_survivors(own)}",
            figures.difference_map(shown),
        )


def _span(counts: pd.Series) -> str:
    low, high = int(counts.min()), int(counts.max())
    return str(low) if low == high else f"{low} to {high}"


def _survivors(own: pd.DataFrame) -> str:
    count, tests = int(own["survives"].sum()), len(own)
    smallest = own["smallest_p"].min()
    if count:
        return f"{count} of {tests} survive Holm's correction of the sign-flip test."
    return (
        f"None of {tests} survives Holm's correction of the sign-flip test, whose smallest p with "
        f"so few pairs is {smallest:.3g}."
    )


def _epochs(cells: pd.DataFrame, rows: pd.DataFrame) -> Iterator[Picture]:
    if not {"epochs/best", "epochs/stopped"} <= set(cells):
        return
    shown = [
        EpochRow(
            str(part["loss_label"].iloc[0]),
            name,
            part["epochs/best"].to_numpy(float),
            part["epochs/stopped"].to_numpy(float),
            float(part["epochs/best"].mean()),
        )
        for name, part in treatments(cells)
    ]
    yield Picture(
        "epochs",
        "How long trainings took",
        "The best epoch is that of the highest validation accuracy; a training stops when patience "
        "or epochs run out.",
        figures.epochs(shown),
    )


def _training(cells: pd.DataFrame, histories: Mapping[str, History]) -> Iterator[Picture]:
    grid = [
        panels
        for metric, (name, scale) in _CURVES.items()
        if (panels := _curve_panels(cells, histories, metric, name, scale, with_baseline=True))
    ]
    if grid:
        yield Picture(
            "training",
            "Training curves",
            "Thin lines are seeds, strong ones means over the seeds still training.",
            figures.training_curves(grid),
            wide=True,
        )


def _components(cells: pd.DataFrame, histories: Mapping[str, History]) -> Iterator[Picture]:
    panels = _curve_panels(
        cells, histories, _COMPONENTS, "components kept", 1.0, with_baseline=False
    )
    if panels:
        yield Picture(
            "components",
            "Principal components kept of a training batch",
            "Their number is at most one below the batch size, so it is no property of the whole "
            "latent space. There is none while the loss warms up.",
            figures.component_counts(panels),
        )


def _curve_panels(
    cells: pd.DataFrame,
    histories: Mapping[str, History],
    metric: str,
    name: str,
    scale: float,
    with_baseline: bool,
) -> list[CurvePanel]:
    """A panel per loss that has the metric, each with the baseline's curve too."""
    baseline: list[Curve] = []
    by_loss: dict[str, list[Curve]] = {}
    for _, part in treatments(cells):
        seeds = _over_epochs([histories.get(cell_id, ()) for cell_id in part["id"]], metric)
        if np.isnan(seeds).all():
            continue
        curve = Curve(float(part["lambda"].iloc[0]), scale * seeds, scale * _mean(seeds))
        label = str(part["loss_label"].iloc[0])
        if label == "baseline":
            baseline.append(curve)
        else:
            by_loss.setdefault(label, []).append(curve)
    if not by_loss and with_baseline and baseline:
        by_loss = {"baseline": []}
    shared = baseline if with_baseline else []
    return [CurvePanel(label, name, (*shared, *own)) for label, own in by_loss.items()]


def _over_epochs(histories: Sequence[History], metric: str) -> NDArray[np.float64]:
    longest = max((len(history) for history in histories), default=0)
    values = np.full((len(histories), longest), np.nan)
    for row, history in zip(values, histories, strict=True):
        for epoch, metrics in enumerate(history):
            row[epoch] = metrics.get(metric, np.nan)
    return values


def _mean(seeds: NDArray[np.float64]) -> NDArray[np.float64]:
    """The mean over seeds [epochs] of [seeds, epochs]; NaN where no seed has a value."""
    counts = np.sum(~np.isnan(seeds), axis=0)
    sums = np.nansum(seeds, axis=0)
    means = np.full(len(sums), np.nan)
    np.divide(sums, counts, where=counts > 0, out=means)
    return means


def _networks(own: Sequence[Network]) -> Iterator[Picture]:
    shown = [network for network in own if np.isfinite(network.silhouettes).all()]
    if not shown:
        return
    matrices = []
    for network in shown:
        present = np.unique(network.labels)
        names = tuple(network.classes[label] for label in present)
        separation = margins(network.latents, network.labels)
        matrices.append(figures.ClassDistances(network.name, names, separation))
    yield Picture(
        "class-distances",
        "Distances between class means",
        "In standard deviations along the line between two means, one seed each, in the latents' "
        "full dimension.",
        figures.class_distances(matrices, "standard deviations"),
        wide=True,
    )
    panels = [
        figures.SilhouettePanel(
            network.name,
            network.classes,
            network.silhouettes,
            network.labels,
            float(network.silhouettes.mean()),
        )
        for network in shown
    ]
    yield Picture(
        "silhouettes",
        "Silhouettes of the test images",
        "One seed each. Below 0, an image is nearer to another class than to its own.",
        figures.silhouettes(panels),
        wide=True,
    )

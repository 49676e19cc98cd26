"""Every figure draws what it is given, names it, and leaves matplotlib as it was."""

from __future__ import annotations

import sys
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from analysis import figures
from analysis.figures import Curve, CurvePanel, EpochRow, Level, Response
from analysis.figures.canvas import broken

CLASSES = ("boot", "coat", "dress & shirt")
LAMBDAS = (0.25, 0.5)
GENERATOR = np.random.default_rng(0)
LABELS = np.arange(90) % 3


def level(mean: float) -> Level:
    return Level(mean + GENERATOR.normal(size=5), mean, 1.0)


def map_panel(title: str) -> figures.MapPanel:
    points = GENERATOR.normal(size=(90, 2)).astype(np.float32)
    return figures.MapPanel(title, "trustworthiness 0.9", points, LABELS)


def curve(lam: float) -> Curve:
    seeds = GENERATOR.random((2, 4))
    return Curve(lam, seeds, seeds.mean(axis=0))


def differences() -> Figure:
    means = np.array([[1.5, -0.5], [np.nan, 0.25]])
    survives = np.array([[True, False], [False, False]])
    apart = np.array([[True, True], [False, False]])
    return figures.difference_map(
        figures.Differences("points", ("magnet", "own"), LAMBDAS, means, apart, survives, 2)
    )


def scores() -> figures.SilhouettePanel:
    values = GENERATOR.uniform(-1, 1, 90)
    return figures.SilhouettePanel("magnet", CLASSES, values, LABELS, float(values.mean()))


def response(loss: str) -> Response:
    return Response(loss, LAMBDAS, (level(80), level(82)))


DRAWN = {
    "maps": (
        lambda: figures.map_grid(
            [figures.MapRow("clothes", CLASSES, (map_panel("baseline"), None, map_panel("own")))]
        ),
        ["baseline", "own", "trustworthiness 0.9", "clothes", *CLASSES],
    ),
    "lambda_response": (
        lambda: figures.lambda_response(
            [
                figures.ResponsePanel(
                    "accuracy, %", (response("magnet"), response("own")), level(81), (0, 100)
                )
            ]
        ),
        ["λ", "accuracy, %", "magnet", "own", "baseline (mean, interval)", "0.25", "0.5"],
    ),
    "epochs": (
        lambda: figures.epochs(
            [EpochRow("magnet", "magnet, λ = 0.5", np.array([3.0]), np.array([9.0]), 3.0)]
        ),
        ["epoch", "magnet, λ = 0.5", "best epoch of a seed", "its last epoch", "mean best epoch"],
    ),
    "differences": (
        differences,
        ["+1.50", "−0.50", "+0.25", "survives Holm's correction", "95% interval without 0"],
    ),
    "training": (
        lambda: figures.training_curves(
            [[CurvePanel("magnet", "accuracy, %", (curve(0), curve(0.5)))]]
        ),
        ["magnet", "accuracy, %", "epoch", "baseline", "λ = 0.5"],
    ),
    "components": (
        lambda: figures.component_counts([CurvePanel("own", "components kept", (curve(0.5),))]),
        ["own", "components kept", "epoch", "λ = 0.5"],
    ),
    "class_distances": (
        lambda: figures.class_distances(
            [figures.ClassDistances("magnet", CLASSES, 1.0 - np.eye(3))], "deviations"
        ),
        ["magnet", "distance (deviations)", *CLASSES],
    ),
    "silhouettes": (
        lambda: figures.silhouettes([scores()]),
        ["magnet", "silhouette", "mean of all samples", *CLASSES],
    ),
}


def texts(figure: Figure) -> set[str]:
    found = figure.findobj(lambda artist: isinstance(artist, matplotlib.text.Text))
    return {text.get_text() for text in found if text.get_visible()}


def assert_whole(png: Path) -> None:
    """Something is drawn, and nothing reaches an edge of the picture."""
    picture = np.asarray(Image.open(png).convert("L"))
    assert picture.std() > 5
    edges = (picture[0], picture[-1], picture[:, 0], picture[:, -1])
    assert all((edge == 255).all() for edge in edges)


@pytest.mark.parametrize("name", DRAWN)
def test_a_figure_names_all_that_it_shows_and_nothing_is_clipped(name: str, tmp_path: Path):
    draw, named = DRAWN[name]
    before = dict(matplotlib.rcParams)
    figure = draw()
    pdf, png = figures.save(figure, tmp_path / "folder" / name)
    assert dict(matplotlib.rcParams) == before
    assert (
        "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
    )
    assert set(named) <= texts(figure)
    assert pdf.read_bytes().startswith(b"%PDF")
    assert_whole(png)


def test_equal_figures_are_equal_files(tmp_path: Path):
    one, other = (figures.save(differences(), tmp_path / name) for name in ("one", "other"))
    for first, second in zip(one, other, strict=True):
        assert first.read_bytes() == second.read_bytes()


def test_a_figure_draws_the_numbers_that_it_is_given():
    shown = response("magnet")
    panel = figures.ResponsePanel("accuracy", (shown,), None, (0, 100))
    (axes,) = figures.lambda_response([panel]).axes
    mean, *dots = axes.get_lines()
    np.testing.assert_allclose(mean.get_xydata(), [[0.25, 80], [0.5, 82]])
    for line, seeds in zip(dots, shown.levels, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), seeds.values)


LONG = "spread:Spread(gap=2.5, lambda_schedule=cosine, loss_learning_rate_factor=10.0)"


def boxes(figure: Figure, shown: str) -> list[matplotlib.transforms.Bbox]:
    """Where the texts that contain this are drawn, from left to right."""
    found = [
        text.get_window_extent()
        for text in figure.findobj(matplotlib.text.Text)
        if "".join(shown.split()) in "".join(text.get_text().split())
    ]
    return sorted(found, key=lambda box: box.x0)


LONG_TITLES = {
    "maps": lambda title: figures.map_grid(
        [figures.MapRow("clothes", CLASSES, (map_panel(title), map_panel(title)))]
    ),
    "training": lambda title: figures.training_curves(
        [[CurvePanel(title, "accuracy, %", (curve(0), curve(0.5)))] * 2]
    ),
    "class_distances": lambda title: figures.class_distances(
        [figures.ClassDistances(title, CLASSES, 1.0 - np.eye(3))] * 2, "deviations"
    ),
    "silhouettes": lambda title: figures.silhouettes(
        [figures.SilhouettePanel(title, CLASSES, np.linspace(-1, 1, 90), LABELS, 0.0)] * 2
    ),
}


@pytest.mark.parametrize("name", LONG_TITLES)
def test_long_titles_are_whole_and_beside_each_other(name: str, tmp_path: Path):
    figure = LONG_TITLES[name](f"{LONG}, λ = 0.1")
    left, right = boxes(figure, f"{LONG}, λ = 0.1")
    assert left.x1 < right.x0
    assert_whole(figures.save(figure, tmp_path / name)[1])


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("magnet, λ = 0.5", ["magnet, λ = 0.5"]),
        ("magnet(hinge=true), λ = 0.5", ["magnet(hinge=true),", "λ = 0.5"]),
        ("own:AVeryLongName(gap=2.5)", ["own:AVeryLongName(", "gap=2.5)"]),
        ("WithoutAnyPlaceToBreakAtAll", ["WithoutAnyPlaceToBre", "akAtAll"]),
    ],
)
def test_a_text_is_broken_where_it_reads_well(text: str, lines: list[str]):
    assert broken(text, 20).splitlines() == lines


def test_long_names_leave_a_difference_map_its_room():
    means, flags = np.array([[1.5, -0.5]]), np.zeros((1, 2), dtype=bool)
    shown = figures.Differences("points", (LONG,), LAMBDAS, means, flags, flags, 2)
    figure = figures.difference_map(shown)
    assert boxes(figure, LONG)[0].width < 0.45 * figure.bbox.width


def test_a_long_legend_stays_in_the_figure():
    shown = figures.ResponsePanel(
        "accuracy", (response(LONG), response(f"{LONG} ")), level(81), (0, 100)
    )
    figure = figures.lambda_response([shown, shown])
    legend = figure.legends[0].get_window_extent()
    assert figure.bbox.x0 <= legend.x0
    assert legend.x1 <= figure.bbox.x1


def test_an_axis_ends_where_the_metric_does():
    wide = Level(np.array([98.0, 99.0]), 98.5, 120.0)
    shown = Response("magnet", LAMBDAS, (wide, wide))
    figure = figures.lambda_response([figures.ResponsePanel("accuracy", (shown,), None, (0, 100))])
    assert figure.axes[0].get_ylim() == (0, 100)


def test_seeds_are_drawn_over_a_hollow_mean():
    shown = figures.ResponsePanel("accuracy", (response("magnet"),), None, (0, 100))
    mean, *dots = figures.lambda_response([shown]).axes[0].get_lines()
    assert mean.get_markerfacecolor() == "white"
    assert all(line.get_zorder() > mean.get_zorder() for line in dots)
    assert all(line.get_markersize() < mean.get_markersize() for line in dots)


def test_epochs_are_whole_and_the_last_ring_has_room():
    best, stopped = np.array([3.0, 4.0]), np.array([4.0, 4.0])
    (axes,) = figures.epochs([EpochRow("magnet", "magnet", best, stopped, 3.5)]).axes
    _, high = axes.get_xlim()
    assert all(tick == int(tick) for tick in axes.get_xticks())
    pixels = axes.transData.transform([(4.0, 0.0), (high, 0.0)])[:, 0]
    assert pixels[1] - pixels[0] > 3.5 * axes.figure.dpi / 72  # its radius, with the line


def distance(one: str, other: str) -> float:
    parts = [[int(c[at : at + 2], 16) for at in (1, 3, 5)] for c in (one, other)]
    return float(np.linalg.norm(np.subtract(*parts)))


@pytest.mark.parametrize("count", [1, 10, 11, 100])
def test_every_class_has_a_colour_of_its_own(count: int):
    colours = figures.class_colours(count)
    assert len(set(colours)) == count
    assert all(len(colour) == 7 and colour.startswith("#") for colour in colours)
    if count <= 10:
        assert colours == figures.class_colours(10)[:count]
        assert min((distance(a, b) for a in colours for b in colours if a != b), default=99) > 30


def test_a_loss_keeps_its_colour_and_the_baseline_is_grey():
    two = figures.loss_colours(["baseline", "magnet", "own", "magnet"])
    assert list(two) == ["baseline", "magnet", "own"]
    assert two == figures.loss_colours(["magnet", "own"])

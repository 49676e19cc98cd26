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
            [figures.ResponsePanel("accuracy, %", (response("magnet"), response("own")), level(81))]
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
    picture = np.asarray(Image.open(png).convert("L"))
    assert picture.std() > 5
    edges = (picture[0], picture[-1], picture[:, 0], picture[:, -1])
    assert all((edge == 255).all() for edge in edges)


def test_equal_figures_are_equal_files(tmp_path: Path):
    one, other = (figures.save(differences(), tmp_path / name) for name in ("one", "other"))
    for first, second in zip(one, other, strict=True):
        assert first.read_bytes() == second.read_bytes()


def test_a_figure_draws_the_numbers_that_it_is_given():
    shown = response("magnet")
    panel = figures.ResponsePanel("accuracy", (shown,), None)
    (axes,) = figures.lambda_response([panel]).axes
    mean, *dots = axes.get_lines()
    np.testing.assert_allclose(mean.get_xydata(), [[0.25, 80], [0.5, 82]])
    for line, seeds in zip(dots, shown.levels, strict=True):
        np.testing.assert_array_equal(line.get_ydata(), seeds.values)


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

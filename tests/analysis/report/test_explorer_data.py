"""The page holds what it was given, in few bytes, and nothing that a name could smuggle in."""

from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pages
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from analysis.figures import class_colours
from analysis.report.explorer import explorer_data, quantised
from analysis.report.page import Findings, page
from analysis.report.sprite import sprite


def numbers(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind)


def test_the_data_are_the_labels_predictions_silhouettes_and_points_that_were_given():
    (group,) = json.loads(explorer_data([pages.group()]))
    assert group["classes"] == list(pages.CLASSES)
    assert group["colours"] == class_colours(3)
    np.testing.assert_array_equal(numbers(group["labels"], "<u2"), pages.LABELS)
    for shown, given_panel in zip(group["panels"], pages.group().panels, strict=True):
        np.testing.assert_array_equal(numbers(shown["predictions"], "<u2"), given_panel.predictions)
        np.testing.assert_allclose(
            numbers(shown["silhouettes"], "<i1") / 127, given_panel.silhouettes, atol=0.5 / 127
        )
        for kind, drawn in given_panel.maps.items():
            assert shown["layouts"][kind]["trustworthiness"] == pytest.approx(drawn.trustworthiness)
            points = numbers(shown["layouts"][kind]["points"], "<u2").reshape(-1, 2)
            np.testing.assert_array_equal(points, quantised(drawn.points))


@given(
    seed=st.integers(0, 99),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
    shift=st.sampled_from([0.0, 1e6]),
)
def test_quantised_points_keep_their_distances(seed: int, scale: float, shift: float):
    generator = np.random.default_rng(seed)
    points = shift * scale + scale * generator.normal(size=(40, 2)) * [1, 0.3]
    steps = quantised(points).astype(float)
    assert steps.max() == 65_535
    assert steps.min() == 0
    extent = np.ptp(points, axis=0).max()

    def distances(of: np.ndarray) -> np.ndarray:
        return np.linalg.norm(of[:, None] - of[None], axis=2)

    np.testing.assert_allclose(
        distances(steps) * extent / 65_535, distances(points), atol=2e-5 * extent
    )
    assert (np.argsort(steps[:, 1])[::-1][0]) == np.argmin(points[:, 1])  # down is down


def test_points_that_are_all_the_same_lie_in_the_middle():
    np.testing.assert_array_equal(quantised(np.ones((3, 2))), np.full((3, 2), 32_768))


@pytest.mark.parametrize("shape", [(5, 1, 8, 8), (7, 3, 20, 20), (4, 3, 40, 60), (3, 2, 8, 8)])
def test_a_sprite_shows_every_image_in_its_tile(shape: tuple[int, ...]):
    count, channels = shape[:2]
    greys = np.linspace(20, 230, count).astype(np.uint8)
    made = sprite(np.broadcast_to(greys[:, None, None, None], shape))
    picture = np.asarray(Image.open(io.BytesIO(made.webp)).convert("RGB")).astype(int)
    assert made.tile == min(32, max(shape[2:]))
    assert channels in (1, 2, 3)
    for place, grey in enumerate(greys):
        row, column = divmod(place, made.columns)
        tile = picture[row * made.tile :, column * made.tile :][: made.tile // 2, : made.tile]
        centre = tile[made.tile // 4, made.tile // 2]
        np.testing.assert_allclose(centre, grey, atol=16)


def test_more_images_than_a_picture_holds_are_refused():
    with pytest.raises(ValueError, match="do not fit"):
        sprite(np.broadcast_to(np.uint8(0), (600 * 600, 1, 28, 28)))


def test_ten_thousand_images_in_nine_maps_take_about_four_megabytes():
    from dataclasses import replace

    from sklearn.datasets import load_digits

    from analysis.maps import Map

    bundled = (load_digits().images * 255 / 16).astype(np.uint8)
    enlarged = np.stack([Image.fromarray(i).resize((28, 28)) for i in bundled[:1000]])
    many = np.tile(enlarged, (10, 1, 1))[:, None]
    generator = np.random.default_rng(0)
    labels = np.arange(10_000) % 10
    one = pages.group().panels[0]
    panels = [
        replace(
            one,
            predictions=labels,
            silhouettes=generator.uniform(-1, 1, 10_000),
            maps={"t-SNE": Map(generator.normal(size=(10_000, 2)).astype(np.float32), 0.9)},
        )
        for _ in range(9)
    ]
    group = replace(
        pages.group(),
        classes=tuple("0123456789"),
        labels=labels,
        sprite=sprite(many),
        panels=panels,
    )
    html = page("t", "d", Findings((), ()), [group], [], [pages.TABLE], "f")
    assert 2e6 < len(html.encode()) < 6e6


class Elements(HTMLParser):
    """What a browser would make of a page: its elements with their attributes, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_names_are_text_wherever_they_stand():
    parsed = Elements()
    parsed.feed(pages.html())
    assert not any("onerror" in attributes for _, attributes in parsed.found)
    assert sum(tag == "script" for tag, _ in parsed.found) == 2
    whole = "".join(parsed.texts)
    assert whole.count(pages.HOSTILE) >= 9
    assert all(
        "onerror" not in (attributes.get("alt") or "") or tag == "img"
        for tag, attributes in parsed.found
    )


def test_the_page_names_no_other_place_to_fetch_from():
    html = pages.html()
    parsed = Elements()
    parsed.feed(html)
    for tag, attributes in parsed.found:
        for name in ("src", "href", "action", "data", "poster", "srcset"):
            value = attributes.get(name) or "data:"
            assert value.startswith(("data:", "#")), (tag, value)
    assert not re.search(r"@import|url\((?!data:)|\bfetch\(|XMLHttpRequest|WebSocket", html)


def test_an_experiment_without_maps_has_no_explorer():
    html = page("t", "d", Findings(("s",), ()), [], [], [pages.TABLE], "f")
    assert 'id="panels"' not in html
    assert "Caveats" not in html
    assert 'href="#explorer"' not in html

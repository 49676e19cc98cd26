"""The page in headless Chromium, from disk, with real pointers and keys."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pages
import pytest
from browser import chromium

from analysis.report.explorer import quantised

MARGIN = 0.04
"""The free margin round a map, as a share of its side."""


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(pages.html(), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def window(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def browser(window: Any, page_file: Path) -> Iterator[Any]:
    window.get_log("browser")
    open_page(window, page_file)
    yield window
    said = [entry["message"] for entry in window.get_log("browser")]
    # that this test reads pixels back more than once is no fault of the page
    assert [message for message in said if "getImageData" not in message] == []


def open_page(browser: Any, page_file: Path) -> None:
    """Open the page where its maps are in the middle of the window."""
    browser.get(page_file.as_uri())
    browser.execute_script(
        "arguments[0].scrollIntoView({block: 'center'});", browser.find_element("id", "panels")
    )


def stages(browser: Any) -> list[Any]:
    return browser.find_elements("css selector", ".stage")


def text(browser: Any, name: str) -> str:
    return browser.find_element("id", name).text


def rows(browser: Any, name: str) -> list[str]:
    return [row.text for row in browser.find_elements("css selector", f"#{name} tr")]


def actions(browser: Any) -> Any:
    from selenium.webdriver import ActionChains

    return ActionChains(browser, duration=20)


def offset(stage: Any, turn: int, index: int) -> tuple[int, int]:
    """Where an image's point lies, from the middle of a map that is not zoomed."""
    side = stage.size["width"] - 2
    share = quantised(pages.layout(turn).points)[index] / 65_535
    x, y = (MARGIN + (1 - 2 * MARGIN) * share - 0.5) * side
    return round(x), round(y)


def point_at(browser: Any, panel: int, turn: int, index: int) -> Any:
    stage = stages(browser)[panel]
    return actions(browser).move_to_element_with_offset(stage, *offset(stage, turn, index))


def lasso(browser: Any, panel: int, corners: list[tuple[float, float]]) -> None:
    """Draw round what lies between corners, in shares of the map from its middle."""
    browser.find_element("id", "tool-lasso").click()
    stage = stages(browser)[panel]
    places = [(round(x * stage.size["width"]), round(y * stage.size["height"])) for x, y in corners]
    chain = actions(browser).move_to_element_with_offset(stage, *places[0]).click_and_hold()
    for (x, y), (before_x, before_y) in zip(places[1:], places, strict=False):
        chain = chain.move_by_offset(x - before_x, y - before_y)
    chain.release().perform()


BOTTOM_LEFT = [(-0.49, 0.2), (-0.2, 0.2), (-0.2, 0.49), (-0.49, 0.49)]


def choose(browser: Any, name: str, value: str) -> None:
    from selenium.webdriver.support.ui import Select

    Select(browser.find_element("id", name)).select_by_value(value)


def slide(browser: Any, value: float) -> None:
    browser.execute_script(
        "const range = arguments[0]; range.value = arguments[1];"
        "range.dispatchEvent(new Event('input'));",
        browser.find_element("id", "silhouette"),
        value,
    )


def pixels(browser: Any, panel: int, layer: int) -> np.ndarray:
    canvas = stages(browser)[panel].find_elements("css selector", "canvas")[layer]
    width, values = browser.execute_script(
        "const c = arguments[0]; const d = c.getContext('2d')"
        ".getImageData(0, 0, c.width, c.height).data;"
        "let s = ''; for (let i = 0; i < d.length; i++) s += String.fromCharCode(d[i]);"
        "return [c.width, btoa(s)];",
        canvas,
    )
    return np.frombuffer(base64.b64decode(values), np.uint8).reshape(-1, width, 4)


def test_hovering_shows_the_image_and_what_every_network_says_of_it(browser: Any):
    assert text(browser, "inspector-label").startswith("Point at a map")
    point_at(browser, 0, 0, 3).perform()
    assert text(browser, "inspector-label") == "image 3: boot"
    assert rows(browser, "inspector-rows") == ["baseline ✗ coat 0.50", "magnet ✓ boot 0.50"]
    grey = browser.execute_script(
        "return [...document.getElementById('inspector-image').getContext('2d')"
        ".getImageData(4, 4, 1, 1).data];"
    )
    np.testing.assert_allclose(grey[:3], 12, atol=8)
    point_at(browser, 1, 1, 5).perform()
    assert text(browser, "inspector-label") == f"image 5: {pages.HOSTILE}"
    assert rows(browser, "inspector-rows")[0].endswith("−0.50")


def test_a_point_is_marked_in_every_map_at_once(browser: Any):
    assert not pixels(browser, 1, 1).any()
    point_at(browser, 0, 0, 4).perform()
    for panel in (0, 1):
        marked = pixels(browser, panel, 1)[..., 3] > 0
        ys, xs = np.nonzero(marked)
        stage = stages(browser)[panel]
        x, y = offset(stage, panel, 4)
        middle = (stage.size["width"] - 2) / 2
        np.testing.assert_allclose([xs.mean() - middle, ys.mean() - middle], [x, y], atol=2)


def test_a_click_pins_and_escape_lets_go(browser: Any):
    from selenium.webdriver.common.keys import Keys

    point_at(browser, 0, 0, 7).click().perform()
    point_at(browser, 0, 0, 8).perform()
    assert text(browser, "inspector-label") == "image 7: coat"
    stages(browser)[0].send_keys(Keys.ESCAPE)
    assert text(browser, "inspector-label").startswith("Point at a map")


def test_arrow_keys_walk_from_point_to_point(browser: Any):
    from selenium.webdriver.common.keys import Keys

    stage = stages(browser)[0]
    seen = []
    for key in (Keys.ARROW_LEFT, Keys.ARROW_UP, Keys.ARROW_DOWN, Keys.ARROW_RIGHT):
        stage.send_keys(key)
        seen.append(text(browser, "inspector-label"))
    assert all(label.startswith("image ") for label in seen)
    assert len(set(seen)) > 1


def test_a_lasso_selects_what_lies_within_it(browser: Any):
    lasso(browser, 0, BOTTOM_LEFT)
    assert text(browser, "selection-count") == "20 images selected"
    assert text(browser, "selection-classes") == "boot 20"
    assert rows(browser, "selection-rows") == [
        "baseline 2 (10.0%) 0.50",
        "magnet 1 (5.0%) 0.40",
    ]
    thumbs = browser.find_elements("css selector", "#gallery button")
    assert len(thumbs) == 20
    thumbs[2].click()
    assert text(browser, "inspector-label") == "image 6: boot"
    browser.find_element("id", "clear").click()
    assert not browser.find_element("id", "selection").is_displayed()


def test_what_is_selected_stays_strong_in_the_other_maps_and_the_rest_fades(browser: Any):
    before = (pixels(browser, 1, 0)[..., 3] > 150).sum()
    lasso(browser, 0, BOTTOM_LEFT)
    after = (pixels(browser, 1, 0)[..., 3] > 150).sum()
    assert 0.2 * before < after < 0.45 * before


def test_classes_are_switched_off_and_shown_alone(browser: Any):
    from selenium.webdriver.common.keys import Keys

    boot, coat, hostile = browser.find_elements("css selector", "#classes button")
    assert hostile.text == pages.HOSTILE
    boot.click()
    assert text(browser, "shown-count") == "40 images of 60 shown"
    assert boot.get_attribute("aria-pressed") == "false"
    actions(browser).key_down(Keys.SHIFT).click(coat).key_up(Keys.SHIFT).perform()
    assert text(browser, "shown-count") == "20 images of 60 shown"
    point_at(browser, 0, 0, 0).perform()
    assert text(browser, "inspector-label").startswith("Point at a map")
    browser.find_element("id", "all-classes").click()
    assert text(browser, "shown-count") == "60 images of 60 shown"


@pytest.mark.parametrize(("value", "count"), [("some", 3), ("all", 1), ("differ", 2), ("any", 60)])
def test_errors_are_filtered(browser: Any, value: str, count: int):
    choose(browser, "errors", value)
    assert text(browser, "shown-count").startswith(f"{count} image")


def test_low_silhouettes_are_filtered(browser: Any):
    slide(browser, -0.2)
    assert text(browser, "silhouette-value") == "below −0.20"
    assert text(browser, "shown-count") == "3 images of 60 shown"
    slide(browser, 1)
    assert text(browser, "shown-count") == "60 images of 60 shown"


def test_a_map_zooms_at_the_pointer_and_is_moved_by_dragging(browser: Any):
    stage = stages(browser)[0]
    x, y = offset(stage, 0, 9)
    point_at(browser, 0, 0, 9).click().perform()
    wheel = {"type": "mouseWheel", "deltaX": 0, "deltaY": -300, "modifiers": 0}
    box = browser.execute_script(
        "const b = arguments[0].getBoundingClientRect(); return [b.x, b.y, b.width];", stage
    )
    middle = box[2] / 2
    browser.execute_cdp_cmd(
        "Input.dispatchMouseEvent", wheel | {"x": box[0] + middle + x, "y": box[1] + middle + y}
    )

    def mark() -> tuple[float, float]:
        ys, xs = np.nonzero(pixels(browser, 0, 1)[..., 3])
        return xs.mean() - middle, ys.mean() - middle

    np.testing.assert_allclose(mark(), [x, y], atol=3)
    there = mark()
    actions(browser).move_to_element(stage).click_and_hold().move_by_offset(
        -12 if x > 0 else 12, 0
    ).release().perform()
    assert abs(mark()[0] - there[0]) == pytest.approx(12, abs=2)
    browser.find_element("id", "reset").click()
    np.testing.assert_allclose(mark(), [x, y], atol=3)


def test_the_layout_is_changed_in_every_map(browser: Any):
    notes = [note.text for note in browser.find_elements("css selector", ".note")]
    assert notes == ["seed 0 · trustworthiness 0.900", "seed 0 · trustworthiness 0.910"]
    choose(browser, "layout", "UMAP")
    notes = [note.text for note in browser.find_elements("css selector", ".note")]
    assert notes == ["seed 0 · trustworthiness 0.910", "seed 0 · trustworthiness 0.920"]
    point_at(browser, 0, 1, 3).perform()
    assert text(browser, "inspector-label") == "image 3: boot"


def test_tables_are_sorted_by_their_headings(browser: Any):
    def column() -> list[str]:
        cells = browser.find_elements("css selector", "table.sortable tbody td:first-child")
        return [cell.text for cell in cells]

    as_given = column()
    loss, accuracy = browser.find_elements("css selector", "table.sortable thead button")
    accuracy.click()
    assert column()[:3] == ["own", "magnet", "baseline"]
    heading = browser.find_elements("css selector", "table.sortable thead th")[1]
    assert heading.get_attribute("aria-sort") == "ascending"
    accuracy.click()
    assert column()[:3] == ["baseline", "magnet", "own"], "what is no number comes last"
    accuracy.click()
    assert column() == as_given
    loss.click()
    assert [name for name in column() if "<" not in name] == ["baseline", "magnet", "own"]


def test_nothing_is_asked_of_the_network_and_no_name_runs(browser: Any, page_file: Path):
    browser.get_log("performance")
    open_page(browser, page_file)
    point_at(browser, 0, 0, 3).click().perform()
    assert browser.title.startswith("An experiment <img")
    asked = set()
    for entry in browser.get_log("performance"):
        message = json.loads(entry["message"])["message"]
        if message["method"] == "Network.requestWillBeSent":
            asked.add(message["params"]["request"]["url"].split(":")[0])
    assert asked <= {"file", "data"}
    assert "file" in asked
    names = browser.find_elements("css selector", "#classes button img, h1 img, td img, li img")
    assert names == []


def test_a_phone_shows_all_without_scrolling_sideways(page_file: Path, tmp_path: Path):
    with chromium(tmp_path / "profile", width=390, height=844) as phone:
        phone.get(page_file.as_uri())
        width = phone.execute_script("return document.documentElement.scrollWidth;")
        assert width == 390
        stage = stages(phone)[0]
        phone.execute_script("arguments[0].scrollIntoView({block: 'center'});", stage)
        box = phone.execute_script(
            "const b = arguments[0].getBoundingClientRect(); return [b.x, b.y, b.width];", stage
        )
        x, y = offset(stage, 0, 3)
        spot = {"x": box[0] + box[2] / 2 + x, "y": box[1] + box[2] / 2 + y}
        phone.execute_cdp_cmd(
            "Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [spot]}
        )
        phone.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        assert text(phone, "inspector-label") == "image 3: boot"
        card = phone.execute_script(
            "const b = document.getElementById('inspector').getBoundingClientRect();"
            "return [b.top, b.bottom];"
        )
        assert 0 < card[0] < card[1] <= 844
        assert [e for e in phone.get_log("browser") if e["level"] == "SEVERE"] == []

"""Moving points of the live map in Chromium: drawn by themselves, over a map that stays still."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.browser.room import Visit, click_in_the_middle
from tests.e2e.server import API, Server

expect.set_options(timeout=20_000)
MIDDLE = (126.97, 37.57)
CLOSE = 17  # zoom, at which some 100 m are seen
STEPS = 6
# Counts what is drawn as points, and what is drawn of the map below them.
COUNTING = """
(() => {
  const drawn = (window.drawn = { points: 0, map: 0 })
  for (const name of ['drawArrays', 'drawElements']) {
    const draw = WebGL2RenderingContext.prototype[name]
    WebGL2RenderingContext.prototype[name] = function (mode, ...more) {
      drawn[mode === this.POINTS ? 'points' : 'map'] += 1
      return draw.call(this, mode, ...more)
    }
  }
})()
"""
LOSE = """() => {
    const canvas = document.querySelector('.maplibregl-canvas + canvas')
    window.lost = canvas.getContext('webgl2').getExtension('WEBGL_lose_context')
    window.lost.loseContext()
}"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("moving") / "data") as server:
        drive(server, 0)
        station: dict[str, Any] = {
            "id": "urn:ngsi-ld:ParkingSpot:1",
            "type": "ParkingSpot",
            "location": at(MIDDLE[0] + 0.0006, MIDDLE[1]),
        }
        assert server.request("POST", f"{API}/entities", station).status == 201
        yield server


def at(east: float, north: float) -> dict[str, Any]:
    return {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [east, north]}}


def drive(server: Server, step: int) -> None:
    """Let the bus be some metres from where it was; it is in the middle at step 0."""
    bus = {
        "id": "urn:ngsi-ld:Vehicle:1",
        "type": "Vehicle",
        "location": at(MIDDLE[0], MIDDLE[1] + step * 0.00005),
        "speed": {"type": "Property", "value": 30 + step, "unitCode": "KMH"},
        "heading": {"type": "Property", "value": 0, "unitCode": "DD"},
    }
    path = f"{API}/entityOperations/upsert?options=update"
    assert server.request("POST", path, [bus]).status in (201, 204)


@pytest.fixture
def drawing(visit: Visit, hub: Server) -> Page:
    """The map with the bus in its middle, and with what it has drawn counted."""
    drive(hub, 0)
    page = visit.page
    page.add_init_script(COUNTING)
    layers = "Vehicle~speed,ParkingSpot"
    page.goto(f"{hub.url}/control/map?at={MIDDLE[0]},{MIDDLE[1]},{CLOSE}&layers={layers}")
    expect(page.get_by_role("status").filter(has_text="Live")).to_be_visible()
    drawn_since(page, 0)
    return page


def drawn_since(page: Page, points: int) -> None:
    """Wait until points have been drawn more often than they were."""
    end = time.monotonic() + 20
    while page.evaluate("() => window.drawn.points") <= points:
        assert time.monotonic() < end, "no points are drawn"
        page.wait_for_timeout(20)


def test_the_map_is_not_drawn_again_for_what_moves_over_it(drawing: Page, hub: Server) -> None:
    page = drawing
    settled(page)
    before = page.evaluate("() => ({ ...window.drawn })")
    for step in range(1, STEPS + 1):
        points = page.evaluate("() => window.drawn.points")
        drive(hub, step)
        drawn_since(page, points)
    after = page.evaluate("() => ({ ...window.drawn })")
    assert after["points"] - before["points"] >= STEPS
    assert after["map"] == before["map"]


def settled(page: Page) -> None:
    """Wait until nothing of the map has been drawn for a second."""
    end, before = time.monotonic() + 20, -1
    while (drawn := page.evaluate("() => window.drawn.map")) != before:
        assert time.monotonic() < end, "the map is drawn over and over"
        before = drawn
        page.wait_for_timeout(1_000)


def test_points_go_with_the_map_and_can_be_chosen(drawing: Page) -> None:
    page = drawing
    click_in_the_middle(page)
    expect(page).to_have_url(re.compile("id=urn%3Angsi-ld%3AVehicle%3A1"))
    page.get_by_role("button", name="Close").first.click()
    expect(page).not_to_have_url(re.compile("[?&]id="))
    points = page.evaluate("() => window.drawn.points")
    page.get_by_role("button", name="Zoom in").click()
    expect(page).to_have_url(re.compile("%2C18"))
    assert page.evaluate("() => window.drawn.points") > points
    click_in_the_middle(page)
    expect(page).to_have_url(re.compile("id=urn%3Angsi-ld%3AVehicle%3A1"))


def test_points_are_drawn_again_after_the_graphics_card_was_lost(
    drawing: Page, hub: Server
) -> None:
    page = drawing
    page.evaluate(LOSE)
    drive(hub, 1)
    points = page.evaluate("() => window.drawn.points")
    page.evaluate("() => window.lost.restoreContext()")
    drawn_since(page, points)

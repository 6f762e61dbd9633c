"""Every view of the control room on the demo city, in both languages, on a desk and on a phone.

Each is looked at by axe (WCAG 2.2 AA), must not complain nor ask anybody else, must fit the screen,
and leaves a picture in ``screenshots/``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, expect

from hatch_build import SOURCES
from tests.browser.room import Visit
from tests.e2e.server import API, Server
from tests.twin.street_town import made

NAMED = re.compile(r"path: '([^']+)'")
VIEWS = NAMED.findall(SOURCES.joinpath("src/shell/views.ts").read_text("utf-8"))
PUBLIC = ["/", "/city", "/city/map", "/city/data", "/city/incidents", "/catalogue", "/docs"]

CLOSED = 'title = "Works"\n[[closure]]\nedges = ["n12-n22"]'
# Nobody listens there.
SUBSCRIPTION = {
    "type": "Subscription",
    "subscriptionName": "Air for the schools",
    "entities": [{"type": "AirQualityObserved"}],
    "notification": {"endpoint": {"uri": "http://127.0.0.1:9/air"}},
}
TRIAL = {"policies": [CLOSED], "hours": 0.05, "seeds": 2, "time": "08:00"}


@dataclass(frozen=True)
class Demo:
    server: Server
    names: dict[str, str]
    """What stands for the placeholder of a view, by the first part of its path."""

    def path(self, view: str) -> str:
        return re.sub(r":\w+", lambda _: quote(self.names[view.split("/")[1]], safe=""), view)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """Run the demo city until all of it is there."""
    folder = tmp_path_factory.mktemp("demo")
    environ = {"MADANG_DEMO_TRAFFIC": "no", "MADANG_TWIN_CITY": str(made(folder / "city").folder)}
    with Server(folder / "data", "--demo", environ=environ) as server:
        tried = server.request("POST", "/twin/trials", TRIAL)
        assert tried.status == 201, tried.body
        subscribed = server.request("POST", f"{API}/subscriptions", SUBSCRIPTION)
        assert subscribed.status == 201, subscribed.body
        server.wait_for(lambda: bool(listed(server, "/decisions?limit=1")), 90)
        server.wait_for(lambda: listed(server, "/twin/trials")[0]["state"] == "done", 120)
        yield Demo(server, names(server))


def listed(server: Server, path: str) -> list[dict[str, Any]]:
    answer = server.request("GET", path)
    found = answer.json() if answer.status == 200 else []
    assert isinstance(found, list), found
    return found


def names(server: Server) -> dict[str, str]:
    """Return one of everything that has a page of its own."""

    def first(path: str, member: str) -> str:
        return str(next((one[member] for one in listed(server, path)), ""))

    return {
        "entities": first(f"{API}/entities?type=AirQualityObserved&limit=1", "id"),
        "dashboards": "city",
        "incidents": first("/incidents?limit=1", "id"),
        "commands": first("/commands?limit=1", "id"),
        "devices": first("/devices?limit=1", "device"),
        "feeds": first("/sense/feeds", "name"),
        "services": first("/services", "name"),
        "decisions": first("/decisions?limit=1", "id"),
        "rules": first("/rules", "name"),
        "subscriptions": first(f"{API}/subscriptions?limit=1", "id"),
        "people": first("/trust/users", "name"),
        "twin": first("/twin/trials", "id"),
    }


# Parts of views that show themselves only when they are chosen.
PARTS = [
    *(f"/entities/:id?tab={tab}" for tab in ("history", "relations", "changes", "access")),
    *(f"/devices/:id?tab={tab}" for tab in ("messages", "settings", "label")),
    *(f"/incidents?view={view}" for view in ("map", "shift", "board")),
    *(f"/services/:name?tab={tab}" for tab in ("settings", "trial")),
    "/rules/_new?template=limit", "/feeds/_new", "/subscriptions?add=1", "/map?table=1",
    "/dashboards/:name?wall=1",
]  # fmt: skip
# Where nothing but names of people may be in Korean when the reader has chosen English.
ENGLISH = ("/", "/dashboards/:name", "/city", "/city/incidents")
HANGUL = re.compile("[가-힣]+")
LIVE = re.compile("Live|실시간")  # what a map says as soon as all of it is there

# Between them they have all that is coloured.
DARK = ("/", "/incidents", "/entities", "/services", "/rules", "/subscriptions", "/audit")
# Each language and each size once: another pair would find the same again.
PAIRS = pytest.mark.parametrize(("language", "size"), [("en", "desktop"), ("ko", "phone")])


@PAIRS
def test_every_view_can_be_used_by_everybody(
    browser: Browser, demo: Demo, language: str, size: str
) -> None:
    visit = Visit(browser, demo.server.url, language, size)
    wrong: list[str] = []
    for view in VIEWS:
        if ":" in view and not demo.names[view.split("/")[1]]:
            continue  # a demo city has no feed: nothing of it asks the internet
        visit.open(demo.path(view))
        if view.startswith("/map"):
            live = visit.page.get_by_role("status").filter(has_text=LIVE)
            expect(live.first).to_be_visible(timeout=20_000)
        wrong += checked(visit, view)
        if size == "desktop" and view in DARK:
            wrong += checked_in_the_dark(visit, view)
    if size == "desktop":
        wrong += parts_that_fail(visit, demo)
        yesterday_plays(visit)
        assert len(tops_of_the_board(visit)) == 1, "statuses do not stand beside each other"
    assert wrong == []
    assert visit.watched.complaints == []
    assert visit.watched.strangers == []
    visit.close()


def parts_that_fail(visit: Visit, demo: Demo) -> list[str]:
    """Look at the parts of views and return which could not be shown, or show a problem."""
    wrong = []
    for part in PARTS:
        visit.open(demo.path(part))
        visit.picture(part)
        wrong += wider(visit, part)
        wrong += [f"{part}: {one}" for one in visit.page.get_by_role("alert").all_inner_texts()]
    return wrong


def yesterday_plays(visit: Visit) -> None:
    """See that the map shows yesterday, that time goes on in it, and that it comes back to now."""
    visit.open("/map")
    page = visit.page
    page.get_by_role("button", name="Look back").click()
    page.get_by_role("button", name="Yesterday").click()
    play = page.get_by_role("button", name="Play")
    expect(play).to_be_enabled(timeout=20_000)
    time = page.get_by_role("slider", name="Time shown")
    before = time.input_value()
    play.click()
    expect(time).not_to_have_value(before)
    visit.picture("map-of-yesterday")
    page.get_by_role("button", name="Live again").click()
    expect(page.get_by_role("status").filter(has_text="Live")).to_be_visible()


def tops_of_the_board(visit: Visit) -> set[float]:
    """Return where the columns of the board of incidents begin, which is one height."""
    visit.open("/incidents?view=board")
    columns = visit.page.locator("section[aria-labelledby^='column-']")
    expect(columns).to_have_count(4)
    return {box["y"] for one in columns.all() if (box := one.bounding_box())}


@PAIRS
def test_every_public_page_can_be_used_by_everybody(
    browser: Browser, demo: Demo, language: str, size: str
) -> None:
    visit = Visit(browser, demo.server.url, language, size)
    wrong: list[str] = []
    for path in PUBLIC:
        visit.page.goto(demo.server.url + path)
        wrong += checked(visit, path)
    assert wrong == []
    assert visit.watched.strangers == []
    visit.close()


def checked(visit: Visit, name: str) -> list[str]:
    """Keep a picture of a page and return what is wrong with it."""
    visit.picture(name)
    wrong = [f"{name}: {one}" for one in visit.barriers()]
    wrong += wider(visit, name)
    if visit.kind.endswith("-en") and name in ENGLISH:
        korean = HANGUL.findall(visit.page.locator("main").inner_text())
        wrong += [f"{name}: Korean for who reads English: {korean}"] if korean else []
    if not visit.page.locator("h1").first.inner_text().strip():
        wrong.append(f"{name}: no title")
    return wrong


def wider(visit: Visit, name: str) -> list[str]:
    """Return by how much a page is wider than the screen, and one that fills it, higher."""
    beyond = visit.page.evaluate(
        """() => {
            const page = document.documentElement
            return [page.scrollWidth - page.clientWidth, page.scrollHeight - page.clientHeight]
        }"""
    )
    is_filling = name.startswith("/map") and visit.kind.startswith("desktop")
    return [
        f"{name}: {pixels} px beyond the screen"
        for pixels in beyond[: 1 + is_filling]
        if pixels > 0
    ]


def checked_in_the_dark(visit: Visit, name: str) -> list[str]:
    """Keep a picture of a page in dark colours and return what of it cannot be read."""
    visit.page.emulate_media(color_scheme="dark")
    visit.kind += "-dark"
    visit.picture(name)
    wrong = [f"{name} in the dark: {one}" for one in visit.barriers(["color-contrast"])]
    visit.kind = visit.kind.removesuffix("-dark")
    visit.page.emulate_media(color_scheme="light")
    return wrong

"""Dashboards made in the control room by mouse and by keyboard alone, and shared by link."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.room import Visit, add_person, sign_in, tab_to
from tests.e2e.commanded import Town
from tests.e2e.server import Server

expect.set_options(timeout=20_000)
TYPE = "AirQualityObserved"
MAKER, OTHER = "jin.park", "hana.kim"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with Server(tmp_path_factory.mktemp("dashboards") / "data", open=False) as server:
        town = Town(server)
        for number, pm25 in enumerate((10.0, 20.0)):
            place = {"type": "Point", "coordinates": [126.97 + number / 100, 37.57]}
            town.put(
                f"urn:ngsi-ld:{TYPE}:{number}",
                pm25={"type": "Property", "value": pm25, "unitCode": "GQ"},
                location={"type": "GeoProperty", "value": place},
            )
        town.good("POST", "/trust/public", {"type": TYPE})
        add_person(server, MAKER, "administrator")
        add_person(server, OTHER, "citizen")
        yield town


@pytest.fixture(scope="module")
def maker(browser: Browser, town: Town) -> Iterator[Visit]:
    """Somebody who makes dashboards."""
    # Tiles that glide cannot be taken by their corner.
    visit = Visit(browser, town.server.url, "en", "desktop", reduced_motion="reduce")
    visit.sign_in(MAKER)
    yield visit
    assert visit.watched.complaints == []
    visit.close()


def titles(page: Page) -> list[str]:
    return page.locator(".board-tile h2").all_inner_texts()


def test_a_dashboard_is_made_of_tiles_with_the_mouse(maker: Visit, town: Town) -> None:
    page = maker.page
    maker.open("/dashboards")
    page.get_by_role("button", name="New dashboard").click()
    dialog = page.get_by_role("dialog", name="New dashboard")
    dialog.get_by_label("Title").fill("Air of today")
    dialog.get_by_role("button", name="Make it").click()
    expect(page).to_have_url(re.compile("/dashboards/air-of-today"))

    add = page.get_by_role("group", name="Add a tile")
    add.get_by_role("button", name="Number").click()
    form = page.get_by_role("dialog", name="What the tile shows")
    expect(form).to_contain_text("Say of which things it is.")
    form.get_by_label("Title", exact=True).fill("Fine dust")
    form.get_by_label("Of which things").fill(TYPE)
    form.get_by_label("Which value").fill("pm25")
    expect(form.locator(".preview .big")).to_contain_text("15")  # the mean, before it is taken
    maker.picture("dashboard-tile-form")
    form.get_by_role("button", name="Take it").click()
    add.get_by_role("button", name="Map").click()
    form.get_by_label("Title", exact=True).fill("Where")
    form.get_by_label("Of which things").fill(TYPE)
    form.get_by_role("button", name="Take it").click()

    expect(page.get_by_role("listitem", name="Fine dust")).to_contain_text("15")
    page.get_by_role("button", name="Move Where forward").click()
    expect(page.get_by_text("Where is now 1 of 2.")).to_have_count(1)  # screen readers say it
    # What a tile shows goes with it, without being asked anew.
    assert "15" in page.get_by_role("listitem", name="Fine dust").inner_text()
    page.get_by_role("button", name="Copy Fine dust").click()
    expect(page.locator(".board-tile h2")).to_have_text(["Where", "Fine dust", "Fine dust"])
    page.get_by_role("button", name="Remove Fine dust").last.click()
    page.get_by_role("button", name="Undo").click()
    page.get_by_role("button", name="Do again").click()
    expect(page.locator(".board-tile h2")).to_have_text(["Where", "Fine dust"])
    widened_by_its_corner(page, "Fine dust")
    page.locator(".grab").first.drag_to(page.locator(".board-tile").nth(1))
    expect(page.locator(".board-tile h2")).to_have_text(["Fine dust", "Where"])
    maker.picture("dashboard-editor")

    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Edit")).to_be_visible()
    page.reload()
    expect(page.locator(".board-tile .big").first).to_contain_text("15")
    assert titles(page) == ["Fine dust", "Where"]
    kept = town.good("GET", "/dashboards/air-of-today")["content"]["tiles"]
    assert [one["kind"] for one in kept] == ["number", "map"]
    assert kept[0]["width"] == 5


def widened_by_its_corner(page: Page, title: str) -> None:
    """Drag the corner of a tile over two columns to the right."""
    card = page.get_by_role("listitem", name=title)
    expect(page.locator(".board-tile canvas")).to_be_visible()  # then no row grows any more
    card.locator(".corner").hover()
    box = card.bounding_box()
    assert box is not None
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 5 / 3, box["y"] + box["height"] - 10)
    page.mouse.up()
    expect(page.get_by_role("listitem", name=f"{title}, 5 columns wide")).to_be_visible()


def test_a_dashboard_is_made_with_the_keyboard_alone(maker: Visit, town: Town) -> None:
    page, keys = maker.page, maker.page.keyboard
    maker.page.goto(f"{town.server.url}/control/dashboards")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    tab_to(page, "Skip to content")
    keys.press("Enter")
    tab_to(page, "New dashboard", most=2)  # behind the navigation, not in it
    keys.press("Enter")
    tab_to(page, "Title")
    keys.type("Made by keys")
    keys.press("Enter")
    expect(page).to_have_url(re.compile("/dashboards/made-by-keys"))

    for title in ("First", "Second"):
        tab_to(page, "Text")
        keys.press("Enter")
        expect(page.get_by_role("dialog", name="What the tile shows")).to_be_visible()
        tab_to(page, "Title")
        keys.press("Control+A")
        keys.type(title)
        tab_to(page, "Text")
        keys.press("Control+A")
        keys.type(f"Words of the {title.lower()}.")
        tab_to(page, "Take it")
        keys.press("Enter")
        expect(page.get_by_role("dialog")).to_have_count(0)

    tab_to(page, "First, 6 columns wide")
    keys.press("Shift+ArrowRight")
    keys.press("Shift+ArrowDown")
    expect(page.locator(":focus")).to_have_attribute(
        "aria-label", "First, 7 columns wide, 2 rows tall"
    )
    keys.press("ArrowRight")
    expect(page.locator(".board-tile h2")).to_have_text(["Second", "First"])
    expect(page.locator(":focus")).to_have_attribute("aria-label", re.compile("^First"))
    keys.press("Delete")
    expect(page.locator(":focus")).to_have_attribute("aria-label", re.compile("^Second"))
    keys.press("Control+z")
    keys.press("Enter")  # changes the tile
    expect(page.get_by_role("dialog", name="What the tile shows")).to_be_visible()
    keys.press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    keys.press("Control+s")
    expect(page.get_by_role("button", name="Edit")).to_be_visible()
    expect(page.get_by_text("Words of the first.")).to_be_visible()
    kept = town.good("GET", "/dashboards/made-by-keys")["content"]["tiles"]
    assert [(one["title"]["en"], one.get("width")) for one in kept] == [("Second", 6), ("First", 7)]


def test_the_link_of_a_dashboard_opens_for_those_it_is_shared_with(
    browser: Browser, maker: Visit, town: Town
) -> None:
    tiles = [{"kind": "number", "title": {"en": "Dust"}, "type": TYPE, "attribute": "pm25"}]
    links = {}
    for seen in ("private", "signedIn", "public"):
        content = {"title": {"en": f"Seen {seen}"}, "visibility": seen, "tiles": tiles}
        name = f"seen-{seen.lower()}"
        town.good("PUT", f"/dashboards/{name}", {"content": content})
        maker.open(f"/dashboards/{name}")
        maker.page.get_by_role("button", name="Share").click()
        links[seen] = maker.page.get_by_label("Link").input_value()

    nobody = Visit(browser, town.server.url, "en", "phone")  # who has not signed in
    page = nobody.page
    page.goto(links["public"])
    expect(page.get_by_role("heading", level=1)).to_have_text("Seen public")
    expect(page.get_by_text("15").first).to_be_visible()
    for seen in ("private", "signedIn"):
        page.goto(links[seen])
        expect(page).to_have_url(re.compile("/sign-in"))
    sign_in(page, OTHER)  # and comes to what was asked for
    expect(page.get_by_role("heading", level=1)).to_have_text("Seen signedIn")
    expect(page.locator(".board-tile .big")).to_contain_text("15")
    expect(page.get_by_role("button", name="Edit")).to_have_count(0)
    page.goto(links["private"])
    expect(page.get_by_role("alert")).to_contain_text("seen-private")
    nobody.picture("dashboard-that-is-not-shared")
    assert nobody.barriers() == []
    nobody.close()

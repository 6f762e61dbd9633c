"""Ways through the control room: back to a filter or a selection, into a cluster, keys alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.room import Visit, click_in_the_middle, tab_to
from tests.e2e.server import API, Server

expect.set_options(timeout=20_000)
SPOTS = 240  # from 200 on they are drawn as clusters
ROW = 16
CORNER = (126.97, 37.57)
STEP = 0.0001  # [degrees], some 10 m
MIDDLE = (CORNER[0] + 7.5 * STEP, CORNER[1] + 7 * STEP)
ALARMS = {"Smoke": "high", "Noise": "low"}
PLAYBOOK = """title = { en = "Night flood", ko = "야간 침수" }
applies_to = ["flood"]
[[steps]]
name = "barrier"
title = { en = "Close the barrier", ko = "차단기 내리기" }
due_minuts = 10
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("back") / "data") as server:
        spots = [
            thing("ParkingSpot", number, east=number % ROW, north=number // ROW, free=number % 2)
            for number in range(SPOTS)
        ]
        alarms = [
            thing("Alert", number, name=name, title=name, severity=severity, status="open")
            for number, (name, severity) in enumerate(ALARMS.items())
        ]
        done = server.request("POST", f"{API}/entityOperations/upsert", [*spots, *alarms])
        assert done.status == 201, done.body
        yield server


def thing(type_: str, number: int, east: int = 0, north: int = 0, **values: Any) -> dict[str, Any]:
    place = [CORNER[0] + east * STEP, CORNER[1] + north * STEP]
    told = {name: {"type": "Property", "value": value} for name, value in values.items()}
    return {
        "id": f"urn:ngsi-ld:{type_}:{number}",
        "type": type_,
        "location": {"type": "GeoProperty", "value": {"type": "Point", "coordinates": place}},
        **told,
    }


def test_a_click_on_a_cluster_goes_closer_until_its_things_can_be_chosen(
    visit: Visit, hub: Server
) -> None:
    page = visit.page
    page.goto(f"{hub.url}/control/map?at={MIDDLE[0]},{MIDDLE[1]},12&layers=ParkingSpot")
    expect(page.get_by_role("status").filter(has_text="Live")).to_be_visible()
    visit.picture("map-with-a-cluster")
    zoom = 12.0
    while zoom < 15:  # above it things are no longer put together
        click_in_the_middle(page)
        closer = re.compile(rf"at=[\d.]+%2C[\d.]+%2C(?!{zoom:.2f})(1[2-9]\.\d\d)")
        expect(page).to_have_url(closer)
        found = closer.search(page.url)
        assert found is not None
        assert float(found[1]) > zoom
        zoom = float(found[1])
    expect(page).not_to_have_url(re.compile("[?&]id="))
    visit.picture("map-with-a-cluster-open")
    click_in_the_middle(page)
    expect(page).to_have_url(re.compile("id=urn%3Angsi-ld%3AParkingSpot%3A"))
    expect(page.get_by_role("link", name="Open its page")).to_be_visible()
    page.go_back()
    expect(page).not_to_have_url(re.compile("[?&]id="))


def test_back_returns_to_the_filter_and_the_selection_before(visit: Visit, hub: Server) -> None:
    page = visit.page
    page.goto(f"{hub.url}/control")
    page.get_by_role("navigation", name="Views").get_by_role("link", name="Entities").click()
    page.get_by_role("link", name=re.compile("ParkingSpot")).click()
    condition = page.get_by_label("Filter in the query language")
    found = page.get_by_role("status").filter(has_text="of 120")
    condition.fill("free==1")
    condition.press("Enter")
    expect(found).to_be_visible()
    condition.fill("free==1;name")
    condition.press("Enter")
    expect(page.get_by_text("Nothing matches")).to_be_visible()
    page.go_back()
    expect(condition).to_have_value("free==1")
    expect(found).to_be_visible()
    page.get_by_role("table", name="ParkingSpot").get_by_role("link").first.click()
    page.get_by_role("link", name="History", exact=True).click()
    expect(page).to_have_url(re.compile("tab=history"))
    page.go_back()
    page.go_back()
    expect(condition).to_have_value("free==1")
    expect(found).to_be_visible()
    page.go_back()
    expect(condition).to_have_value("")
    expect(found).to_have_count(0)
    page.go_forward()
    expect(condition).to_have_value("free==1")


def test_back_returns_to_the_alarm_and_the_severity_before(visit: Visit, hub: Server) -> None:
    page = visit.page
    page.goto(f"{hub.url}/control/alarms")
    rows = page.get_by_role("table", name="Alarms").locator("tbody tr")
    expect(rows).to_have_count(2)
    severity = page.get_by_role("combobox", name=re.compile("everity"))
    severity.select_option("high")
    expect(rows).to_have_count(1)
    rows.first.click(position={"x": 5, "y": 5})
    expect(page).to_have_url(re.compile("alarm=urn"))
    page.go_back()
    expect(page).not_to_have_url(re.compile("alarm=urn"))
    expect(severity).to_have_value("high")
    page.go_back()
    expect(severity).to_have_value("")
    expect(rows).to_have_count(2)
    search = page.get_by_role("searchbox")
    search.fill("smoke")  # each letter is no step of its own
    expect(rows).to_have_count(1)
    page.get_by_role("navigation", name="Views").get_by_role("link", name="Incidents").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Incidents")
    page.go_back()
    expect(search).to_have_value("smoke")
    expect(rows).to_have_count(1)


def test_back_returns_to_where_a_list_was_scrolled(visit: Visit, hub: Server) -> None:
    page = visit.page
    page.goto(f"{hub.url}/control/entities?type=ParkingSpot")
    row = page.get_by_role("table", name="ParkingSpot").get_by_role("link").nth(40)
    expect(page.locator("#main details")).to_be_visible()  # the last that comes above the list
    row.scroll_into_view_if_needed()
    first = page.evaluate("() => scrollY")
    assert first > 300
    row.click()
    expect(page.get_by_role("link", name="History", exact=True)).to_be_visible()
    assert page.evaluate("() => scrollY") == 0
    page.go_back()
    expect(row).to_be_in_viewport()
    assert page.evaluate("() => scrollY") == first
    page.go_forward()
    expect(page.get_by_role("link", name="History", exact=True)).to_be_visible()
    page.go_back()
    expect(row).to_be_in_viewport()
    page.goto(f"{hub.url}/city")  # another page, so that the control room is loaded anew
    page.go_back()
    expect(row).to_be_in_viewport()
    assert page.evaluate("() => scrollY") == first
    page.reload()
    expect(row).to_be_in_viewport()


def test_who_scrolls_while_a_list_comes_is_left_alone(visit: Visit, hub: Server) -> None:
    page = visit.page
    page.goto(f"{hub.url}/control/entities?type=ParkingSpot")
    links = page.get_by_role("table", name="ParkingSpot").get_by_role("link")
    links.nth(40).scroll_into_view_if_needed()
    links.nth(40).click()
    expect(page.get_by_role("link", name="History", exact=True)).to_be_visible()
    page.go_back()
    expect(links.nth(40)).to_be_in_viewport()
    page.keyboard.press("Control+Home")
    expect(links.first).to_be_in_viewport()
    page.set_viewport_size({"width": 1200, "height": 700})  # the list is laid out anew
    expect(links.first).to_be_in_viewport()


def test_a_playbook_is_written_with_the_keyboard_alone(visit: Visit, hub: Server) -> None:
    page, keys = visit.page, visit.page.keyboard
    page.goto(f"{hub.url}/control/playbooks")
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    tab_to(page, "Skip to content")
    keys.press("Enter")
    tab_to(page, "New playbook", most=2)
    keys.press("Enter")
    expect(page).to_have_url(re.compile("new=1"))
    tab_to(page, "Name")
    keys.type("night-flood")
    tab_to(page, "Text (TOML)")
    keys.press("Control+a")
    keys.insert_text(PLAYBOOK)
    expect(page.get_by_role("button", name="Line 6")).to_be_visible()
    tab_to(page, "Line 6")
    keys.press("Enter")  # chooses the line that is wrong
    keys.insert_text("due_minutes = 10")
    plan = page.get_by_role("region", name="What people will do")
    expect(plan).to_contain_text("Close the barrier within 10 min")
    tab_to(page, "Save")
    keys.press("Enter")
    expect(page).to_have_url(re.compile("name=night-flood"))
    kept: Any = hub.request("GET", "/playbooks/night-flood").json()
    assert kept["title"]["en"] == "Night flood"

    expect(page.get_by_role("button", name="Remove")).to_be_visible()
    tab_to(page, "Remove")
    keys.press("Enter")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_be_visible()
    tab_to(page, "Remove", most=3)
    keys.press("Enter")
    expect(page).to_have_url(re.compile("/playbooks$"))
    expect(page.get_by_text("No playbook yet")).to_be_visible()
    assert hub.request("GET", "/playbooks/night-flood").status == 404

"""A first day in the control room, in Chromium: from the link of ``madang up`` to the audit log."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.room import Visit, add_person, first_administrator
from tests.e2e.commanded import Lamp, Town, until
from tests.e2e.server import Server

PLACE = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [126.98, 37.57]}}
ADMINISTRATOR = "jin.park"
OPERATOR = "sora.lee"
LAMP = "urn:ngsi-ld:Streetlight:lamp-1"
PROFILE = """
title = "A street light"
type = "Streetlight"
[attributes]
powerState = {}
[commands.setLevel]
title = { en = "Set the level", ko = "밝기 설정" }
approvals = 1
[commands.setLevel.parameters]
type = "object"
required = ["level"]
properties.level = { type = "number", minimum = 0, maximum = 1 }
"""
expect.set_options(timeout=20_000)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    with Server(tmp_path_factory.mktemp("journey") / "data", open=False) as server:
        yield Town(server)


def test_from_the_first_start_to_the_audit_log(browser: Browser, town: Town) -> None:
    visit = Visit(browser, town.server.url, "en", "desktop")
    page = visit.page
    first_administrator(town.server, page, ADMINISTRATOR)
    with a_lamp_is_registered(page, town) as lamp:
        it_is_on_the_live_map_and_found(page, town)
        number = an_alarm_becomes_an_incident(page, town)
        another_is_merged_into_it_and_split_off(page, town, number)
        the_incident_is_dealt_with(page, number)
        a_command_waits_for_somebody_else(browser, page, town)
        assert [one["parameters"] for one in lamp.done] == [{"level": 0.4}]
    all_of_it_is_in_the_audit_log(page)
    assert visit.watched.complaints == []
    assert visit.watched.strangers == []
    visit.close()


def go(page: Page, view: str) -> None:
    """Follow a link of the navigation, as people do."""
    page.get_by_role("navigation", name="Views").get_by_role("link", name=view).click()


@contextmanager
def a_lamp_is_registered(page: Page, town: Town) -> Iterator[Lamp]:
    town.profile("lamp", PROFILE)
    page.goto(f"{town.server.url}/control/devices")
    page.get_by_role("button", name="Register a device").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name", exact=True).fill("lamp-1")
    dialog.get_by_label("Profile").select_option("lamp")
    dialog.get_by_label("Longitude").fill("126.98")
    dialog.get_by_label("Latitude").fill("37.57")
    dialog.get_by_role("button", name="Register", exact=True).click()
    key = dialog.get_by_label("Key", exact=True).input_value()
    dialog.get_by_role("link", name="Show the device").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("lamp-1")
    lamp = Lamp(town.server.mqtt_port, "lamp-1", key)
    town.put(LAMP, powerState="on", name="Lamp at the market", location=PLACE)
    try:
        yield lamp
    finally:
        lamp.close()


def it_is_on_the_live_map_and_found(page: Page, town: Town) -> None:
    go(page, "Live map")
    expect(
        page.get_by_role("status").filter(has_text=re.compile("live", re.I)).first
    ).to_be_visible()
    page.get_by_role("combobox", name=re.compile("Search by name")).fill("market")
    page.get_by_role("option").first.get_by_role("link").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Lamp at the market")


def an_alarm_becomes_an_incident(page: Page, town: Town) -> str:
    town.put(
        "urn:ngsi-ld:Alert:test:1",
        title="Dark corner at the market",
        category="security",
        severity="informational",
        status="open",
        location=PLACE,
    )
    town.server.said("service", "on", "incidents")
    go(page, "Alarms")
    page.get_by_role("checkbox", name="Choose Dark corner at the market").check()
    page.get_by_role("button", name="Make an incident (1)").click()
    dialog = page.get_by_role("dialog", name="A new incident")
    dialog.get_by_role("button", name="Open an incident").click()
    expect(page).to_have_url(re.compile("/control/incidents/"))
    return page.url.rpartition("/")[2]


def another_is_merged_into_it_and_split_off(page: Page, town: Town, number: str) -> None:
    told = {"category": "security", "severity": "medium", "status": "open"}
    town.put("urn:ngsi-ld:Alert:test:2", title="Broken lamp", **told)
    (other,) = until(
        lambda: [one for one in town.good("GET", "/incidents") if one["number"] != number], bool
    )
    page.get_by_role("button", name="Merge …").click()
    dialog = page.get_by_role("dialog", name="Which incident is the same")
    dialog.get_by_label("The same as").select_option(other["number"])
    dialog.get_by_role("button", name="Merge", exact=True).click()
    expect(page.get_by_text("Another incident is part of it now")).to_be_visible()
    page.get_by_role("button", name="Split …").click()
    dialog = page.get_by_role("dialog", name="Which alarms are another")
    dialog.get_by_role("checkbox", name="test:2").check()
    dialog.get_by_label("Title of the new incident").fill("Broken lamp at the gate")
    dialog.get_by_role("button", name="Split", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Broken lamp at the gate")
    page.get_by_role("main").get_by_role("link", name=number).click()


def the_incident_is_dealt_with(page: Page, number: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_contain_text("Dark corner at the market")
    page.get_by_role("button", name="Acknowledge").click()
    expect(page.get_by_role("main").get_by_text(ADMINISTRATOR).first).to_be_visible()
    page.get_by_role("button", name="Resolve").first.click()
    page.get_by_role("button", name="Resolve", exact=True).click()
    expect(page.get_by_role("button", name=re.compile("^Close"))).to_be_visible()
    assert number


def a_command_waits_for_somebody_else(browser: Browser, page: Page, town: Town) -> None:
    page.goto(f"{town.server.url}/control/entities/{quote(LAMP)}?tab=commands")
    page.get_by_role("textbox", name=re.compile("level")).fill("0.4")
    page.get_by_role("button", name="Set the level").click()
    page.get_by_role("dialog").get_by_role("button", name="Set the level").click()
    expect(page.get_by_role("table", name="Earlier commands")).to_be_visible()
    add_person(town.server, OPERATOR, "operator")
    other = Visit(browser, town.server.url, "en", "desktop")
    other.sign_in(OPERATOR)
    go(other.page, "Commands")
    other.page.get_by_role("button", name="Approve").first.click()
    other.page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    (command,) = until(lambda: town.good("GET", "/commands"), bool)
    town.becomes(command["id"], "done")
    other.close()


def all_of_it_is_in_the_audit_log(page: Page) -> None:
    go(page, "Audit log")
    expect(page.get_by_role("heading", level=1)).to_have_text("Audit log")
    page.get_by_label("Who", exact=True).fill(ADMINISTRATOR)
    page.get_by_role("button", name="Find").click()
    page.get_by_role("button", name=re.compile("show the record")).first.click()
    page.get_by_role("dialog").get_by_role("link", name="Verify").click()
    expect(page.get_by_text("unchanged, as the hub has signed")).to_be_visible()

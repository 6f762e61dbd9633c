"""What operators look after in the control room: devices, dead letters, feeds, rules."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import segno
from playwright.sync_api import Browser, expect

from tests.browser.room import Visit, add_person, sign_in
from tests.e2e.commanded import Town
from tests.e2e.feed_city import ENVIRON
from tests.e2e.publisher import Publisher
from tests.e2e.server import Server

expect.set_options(timeout=20_000)
TYPE = "AirQualityObserved"
CITIZEN = "hana.kim"
STAFF = "jin.park"
ROOM = "urn:ngsi-ld:Room:hall"
PROFILE = f"type = '{TYPE}'\n[attributes.pm25]\npath = 'pm'\nunit = 'GQ'\n"
FEED = """kind = "plain"
title = "Car parks"
url = "{url}/parks.csv"
every = "1h"
provider = "The Publisher"
licence = "CC-BY-4.0"
[parameters]
format = "csv"
[mapping]
[mapping.location]
longitude = "lon"
latitude = "lat"
[[mapping.entity]]
id = "urn:ngsi-ld:OffStreetParking:test:{code}"
type = "OffStreetParking"
[mapping.entity.attributes]
name = { column = "name", observed = false }
availableSpotNumber = { column = "free", kind = "integer" }
"""
PARKS = "code,name,lon,lat,free\n1,Market,126.98,37.57,12\n2,Station,126.97,37.56,40\n"


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    data = tmp_path_factory.mktemp("operators") / "data"
    with Server(data, open=False, environ=ENVIRON) as server:
        add_person(server, STAFF, "administrator")
        add_person(server, CITIZEN, "citizen")
        yield Town(server)


@pytest.fixture(scope="module")
def visit(browser: Browser, town: Town) -> Iterator[Visit]:
    """Somebody of the staff in the control room, who must see no complaint of the browser."""
    visit = Visit(browser, town.server.url, "en", "desktop")
    visit.sign_in(STAFF)
    yield visit
    assert visit.watched.complaints == []
    assert visit.watched.strangers == []
    visit.close()


def test_the_code_on_a_label_opens_the_device_for_who_stands_before_it(
    browser: Browser, town: Town, visit: Visit
) -> None:
    town.profile("station", PROFILE)
    town.device("air-7", "station")
    town.put(f"urn:ngsi-ld:{TYPE}:air-7", pm25=12.5, name="Air at the market")
    visit.open("/devices/air-7?tab=label")
    link = visit.page.get_by_role("link", name=re.compile("^http"))
    address = link.get_attribute("href")
    assert address is not None
    label = town.ask("GET", "/devices/air-7/label").body.decode()
    drawn = re.findall(r' d="([^"]+)"', segno.make_qr(address, error="m").svg_inline())
    assert drawn
    assert drawn[0] in label  # the code holds what the page says
    expect(visit.page.get_by_text("This address works on this machine only")).to_be_visible()

    phone = Visit(browser, town.server.url, "en", "phone")
    page = phone.page
    page.goto(address)
    expect(page.get_by_text("No data of this device is published")).to_be_visible()
    phone.picture("label-of-a-device")
    assert phone.barriers() == []
    page.goto(address.replace("air-7", "no-such-device"))
    expect(page.get_by_text("No data of this device is published")).to_be_visible()

    town.good("POST", "/trust/public", {"type": TYPE})
    page.goto(address)
    page.get_by_role("link", name="Air at the market").click()
    expect(page.get_by_text("12.5")).to_be_visible()
    page.goto(address)
    page.get_by_role("main").get_by_role("link", name="Sign in").click()
    sign_in(page, CITIZEN)
    expect(page).to_have_url(address)
    expect(page.get_by_text("Your roles do not let you look after devices")).to_be_visible()
    phone.close()

    staff = Visit(browser, town.server.url, "ko", "phone")
    staff.page.goto(address)
    staff.page.get_by_role("main").get_by_role("link", name="로그인").click()
    sign_in(staff.page, STAFF)
    expect(staff.page).to_have_url(f"{town.server.url}/control/devices/air-7")
    expect(staff.page.get_by_role("heading", level=1)).to_contain_text("air-7")
    staff.close()


def test_a_letter_is_read_and_taken_again_once_its_cause_is_mended(
    town: Town, visit: Visit
) -> None:
    for value in (41, 42):
        town.ask("POST", "/devices/late-1/up?codec=json", {"level": value})
    town.ask("POST", "/devices/other-1/up?codec=json", {"level": 1})
    page = visit.page
    visit.open("/letters")
    page.get_by_role("combobox", name="Device").select_option("late-1")
    rows = page.get_by_role("table", name="Dead letters").locator("tbody tr")
    expect(rows).to_have_count(2)
    rows.first.get_by_role("button").click()
    card = page.get_by_role("region", name=re.compile("Show letter"))
    expect(card).to_contain_text("unknown device")
    expect(card).to_contain_text("Register the device")  # the way out
    expect(card.locator("pre")).to_contain_text('"level": 42')
    visit.picture("letters-one-open")
    card.get_by_role("button", name="Take again").click()
    expect(page.get_by_text("0 could be used now, 1 still cannot.")).to_be_visible()

    town.profile("tank", "type = 'Tank'\n[attributes.level]\npath = 'level'\n")
    town.device("late-1", "tank")
    page.get_by_role("button", name="Take these again").click()
    page.get_by_role("dialog").get_by_role("button", name="Take again").click()
    expect(page.get_by_text("2 could be used now, 0 still cannot.")).to_be_visible()
    expect(page.get_by_text("No letter is like this")).to_be_visible()
    assert town.good("GET", "/ngsi-ld/v1/entities/urn:ngsi-ld:Tank:late-1")["level"]["value"] == 42
    page.get_by_role("combobox", name="Device").select_option("")
    page.get_by_role("button", name="Remove all").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page.get_by_text("Every message could be used")).to_be_visible()


def test_an_id_is_copied_where_the_browser_keeps_its_clipboard_for_encrypted_pages(
    town: Town, visit: Visit
) -> None:
    town.put(ROOM, temperature=20)
    visit.open(f"/entities/{ROOM}")
    page = visit.page
    page.evaluate("() => Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    page.get_by_role("button", name="Copy the id").click()
    expect(page.get_by_text("Copied.")).to_be_visible()
    search = page.get_by_role("combobox", name=re.compile("^Search by name"))
    search.press("Control+v")
    expect(search).to_have_value(ROOM)
    search.fill("no such thing")
    expect(page.get_by_text("Nothing that you may see has such a name.").last).to_be_visible()
    visit.open("/entities/100%")  # as somebody may type it
    expect(page.get_by_role("heading", level=1)).to_have_text("100%")
    page.reload()


def test_a_feed_is_tried_added_read_and_switched_off(town: Town, visit: Visit) -> None:
    page = visit.page
    with Publisher() as publisher:
        publisher.pages["/parks.csv"] = PARKS
        visit.open("/feeds")
        page.get_by_role("link", name="Add a feed").first.click()
        page.get_by_role("textbox", name="Name").fill("parks")
        file = page.get_by_label("Declaration (TOML)")
        text = FEED.replace("{url}", publisher.url)
        file.fill(text.replace('"1h"', '"1q"'))
        page.get_by_role("button", name="Try", exact=True).click()
        expect(page.get_by_role("button", name="Line 4")).to_be_visible()  # where it is wrong
        file.fill(text)
        page.get_by_role("button", name="Try", exact=True).click()
        expect(page.get_by_text("2 entities would come of 2 records")).to_be_visible()
        visit.picture("feed-tried")
        page.get_by_role("button", name="Add", exact=True).click()
        expect(page).to_have_url(re.compile("/feeds/parks$"))
        page.get_by_role("button", name="Read now").click()
        expect(page.get_by_text(re.compile(r"records? read, \d+ written, 0 bad"))).to_be_visible()
        visit.picture("feed")
        page.get_by_role("link", name="All feeds").click()
        row = page.get_by_role("row", name=re.compile("^parks"))
        expect(row).to_contain_text("well")
        row.get_by_role("switch", name="Feed parks on or off").click()
        expect(row).to_contain_text("off")
        visit.picture("feeds")
    parks = town.good("GET", "/ngsi-ld/v1/entities?type=OffStreetParking&format=simplified")
    assert sorted(one["name"] for one in parks) == ["Market", "Station"]


def test_a_rule_is_written_as_a_form_or_as_toml_and_tried_before_it_is_kept(
    town: Town, visit: Visit
) -> None:
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    for hours, degrees in ((50, 20), (40, 33), (30, 27), (20, 31), (10, 21)):
        at = f"{now - timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}"
        town.put(ROOM, temperature={"type": "Property", "value": degrees, "observedAt": at})
    page = visit.page
    visit.open("/rules")
    page.get_by_role("link", name="New rule").first.click()
    page.get_by_role("link", name="A value is too high").click()
    form = page.get_by_role("region", name="Form")
    toml = page.get_by_role("textbox", name="TOML")
    form.get_by_label("Name", exact=True).fill("warm")
    form.get_by_label("Type of the things").fill("Room")
    form.get_by_role("combobox", name="Attribute").fill("temperature")
    form.get_by_label("Limit").fill("30")
    form.get_by_label("Limit").press("Tab")
    expect(toml).to_have_value(re.compile(r"\[warm\][\s\S]*above = 30"))
    toml.fill('[warm]\ntype = "Room"\nattribute = "temperature"\nabov = 30\n')
    expect(page.get_by_role("button", name="Line 4")).to_be_visible()
    toml.fill(
        '[warm]\ntitle = { en = "Warm hall", ko = "더운 홀" }\ntype = "Room"\n'
        'attribute = "temperature"\nabove = 30\nback = 28\nalert = { severity = "high" }\n'
    )
    expect(form.get_by_label("Ends at")).to_have_value("28")
    page.get_by_role("button", name="Try the rule").click()
    expect(page.get_by_text(re.compile("It would have fired 2 times"))).to_be_visible()
    expect(page.get_by_role("table", name="Times it fired").locator("tbody tr")).to_have_count(2)
    visit.picture("rule-tried")
    assert town.good("GET", "/rules") == []  # a trial keeps nothing
    page.get_by_role("button", name="Save the rule").click()
    expect(page).to_have_url(re.compile("/rules/warm$"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Warm hall")
    page.get_by_role("switch", name=re.compile("warm")).click()
    expect(page.get_by_text("warm rests")).to_be_visible()
    page.get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page).to_have_url(re.compile("/rules$"))
    assert town.good("GET", "/rules") == []

"""Subscriptions in the control room: one that does not arrive is seen, and helped."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import orjson
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.room import Visit, add_person, tab_to
from tests.e2e.commanded import Town
from tests.e2e.server import API, Server, free_port

expect.set_options(timeout=20_000)
STAFF = "jin.park"
OPERATOR = "hana.kim"
BENCH = "urn:ngsi-ld:Bench:1"
MANY = 53
ALARMS = "madang.act.notify.endpoints"
SOON = {f"{ALARMS}.AFTER_S": 1.0, f"{ALARMS}.LOOK_S": 0.2}


class Door:
    """A receiver that is down until it is entered; it keeps what it was told."""

    def __init__(self) -> None:
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}/told"
        self.taken: list[Any] = []

    def __enter__(self) -> Self:
        taken = self.taken

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                taken.append(orjson.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    data = tmp_path_factory.mktemp("subscribed") / "data"
    with Server(data, open=False, paces=SOON) as server:
        add_person(server, STAFF, "administrator")
        add_person(server, OPERATOR, "operator")
        town = Town(server)
        town.put(BENCH, seats=4, colour="green")
        yield town


@pytest.fixture(scope="module")
def visit(browser: Browser, town: Town) -> Iterator[Visit]:
    """Somebody of the staff in the control room, who must see no complaint of the browser."""
    visit = Visit(browser, town.server.url, "en", "desktop")
    visit.sign_in(STAFF)
    yield visit
    assert visit.watched.complaints == []
    assert visit.watched.strangers == []
    visit.close()


@pytest.fixture(autouse=True)
def nobody_subscribed(town: Town) -> None:
    """Begin each test without subscriptions."""
    for one in town.good("GET", f"{API}/subscriptions?limit=1000"):
        town.good("DELETE", f"{API}/subscriptions/{one['id']}")


def test_one_that_does_not_arrive_is_seen_and_sent_again_when_its_receiver_is_back(
    town: Town, visit: Visit
) -> None:
    door, page = Door(), visit.page
    visit.open("/subscriptions")
    expect(page.get_by_text("Nobody has subscribed yet")).to_be_visible()
    made_by_form(page, door)
    expect(page.get_by_role("heading", level=1)).to_have_text("Benches of the park")
    fares = page.get_by_role("region", name="How the endpoint fares")
    expect(fares).to_contain_text("Nothing has been sent yet")

    town.put(BENCH, seats=5)
    expect(fares).to_contain_text(re.compile("in a row ha(s|ve) failed"))
    expect(fares).to_contain_text("What came of the last attempt:")
    waiting = page.get_by_role("table", name="Not delivered").locator("tbody tr")
    expect(waiting).to_have_count(1)
    waiting.get_by_role("button").click()
    shown = page.get_by_role("region", name=re.compile(r"^Notification \d+$"))
    expect(shown.locator("pre")).to_contain_text('"seats"')
    looked_at(visit, "subscription-failing")

    visit.open("/subscriptions")
    row = page.get_by_role("row").filter(has_text="Benches of the park")
    expect(row).to_contain_text("failing")
    expect(row).to_contain_text("1 waits")
    expect(page.get_by_text("1 subscription does not reach its endpoint.")).to_be_visible()
    looked_at(visit, "subscriptions-failing")
    page.get_by_role("checkbox", name="Only those that fail").check()
    expect(row).to_be_visible()

    visit.open("/alarms")
    alarm = page.get_by_role("row").filter(has_text="A subscription's endpoint")
    alarm.get_by_role("link", name="Subscription", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Benches of the park")
    page.get_by_role("button", name="Remove").click()
    asked = page.get_by_role("dialog")
    expect(asked).to_contain_text("1 notification that waits goes with it")
    asked.get_by_role("button", name="Cancel").click()
    with door:
        tab_to(page, "Send again now")
        page.keyboard.press("Enter")
        expect(page.get_by_text("Nothing waits.")).to_be_visible()
        expect(fares).to_contain_text("The endpoint takes what it is sent.")
        expect(page.get_by_role("button", name="Send again now")).to_have_count(0)
    assert [one["seats"]["value"] for told in door.taken for one in told["data"]] == [5]
    looked_at(visit, "subscription-well")


def test_one_rests_and_goes_on_and_goes(town: Town, visit: Visit) -> None:
    page = visit.page
    with Door() as door:
        made = subscribe(town, "urn:s:resting", door.uri)
        visit.open(f"/subscriptions/{made}")
        page.get_by_role("button", name="Pause").click()
        asked = page.get_by_role("dialog")
        expect(asked).to_contain_text("What changes meanwhile is not told later")
        asked.get_by_role("button", name="Pause").click()
        expect(page.get_by_text("Somebody has paused it.")).to_be_visible()
        town.put(BENCH, seats=6)
        page.get_by_role("button", name="Go on").click()
        expect(page.get_by_role("button", name="Pause")).to_be_visible()
        town.put(BENCH, seats=7)
        fares = page.get_by_role("region", name="How the endpoint fares")
        expect(fares).to_contain_text("The endpoint takes what it is sent.")
        assert [one["seats"]["value"] for told in door.taken for one in told["data"]] == [7]
    page.get_by_role("button", name="Remove").click()
    page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    expect(page).to_have_url(re.compile("/control/subscriptions$"))
    assert town.ask("GET", f"{API}/subscriptions/{made}").status == 404


def test_everything_that_a_subscription_says_can_be_read_but_its_secrets(
    town: Town, visit: Visit
) -> None:
    made = subscribe(
        town,
        "urn:s:rich",
        "https://hooks.example/told",
        entities=[{"type": "Bench", "idPattern": "park"}],
        watchedAttributes=["seats"],
        notificationTrigger=["entityCreated", "attributeUpdated"],
        q="seats>3",
        geoQ={"georel": "near;maxDistance==100", "geometry": "Point", "coordinates": [127, 37.5]},
        throttling=5,
        receiverInfo=[{"key": "Authorization", "value": "Bearer s3cret"}],
    )
    visit.open(f"/subscriptions/{made}")
    page = visit.page
    of_what = page.get_by_role("region", name="Of what it tells")
    for text in ("park", "seats>3", "near;maxDistance==100", "a thing is new", "5 s"):
        expect(of_what).to_contain_text(text)
    where = page.get_by_role("region", name="What goes where")
    expect(where).to_contain_text("https://hooks.example/told")
    expect(where).to_contain_text("Authorization")
    assert "s3cret" not in page.content()


def test_who_may_see_their_own_only_is_told_why_an_endpoint_is_refused(
    browser: Browser, town: Town
) -> None:
    subscribe(town, "urn:s:of-staff", "https://hooks.example/staff")
    phone = Visit(browser, town.server.url, "ko", "phone")
    phone.sign_in(OPERATOR)
    phone.open("/subscriptions")
    page = phone.page
    expect(page.get_by_text("아직 구독이 없습니다")).to_be_visible()
    page.get_by_role("button", name="새 구독").click()
    form = page.get_by_role("dialog")
    form.get_by_label("이름").fill("공원 벤치")
    form.get_by_label("개체 유형").select_option("Bench")
    form.get_by_label("받는 주소").fill("http://127.0.0.1:9/told")
    looked_at(phone, "subscribe")
    form.get_by_role("button", name="구독하기").click()
    expect(form.get_by_label("받는 주소")).to_have_attribute("aria-invalid", "true")
    expect(form).to_contain_text("notify_hosts")
    form.get_by_label("받는 주소").fill("https://hooks.example/benches")
    form.get_by_role("button", name="구독하기").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("공원 벤치")
    looked_at(phone, "subscription-new")
    phone.open("/subscriptions")
    expect(page.get_by_role("table", name="구독").locator("tbody tr")).to_have_count(1)
    assert phone.watched.strangers == []
    phone.close()


def test_many_are_told_page_by_page(town: Town, visit: Visit) -> None:
    for number in range(MANY):
        subscribe(town, f"urn:s:many:{number}", "https://hooks.example/many")
    visit.open("/subscriptions")
    rows = visit.page.get_by_role("table", name="Subscriptions").locator("tbody tr")
    expect(rows).to_have_count(50)
    visit.page.get_by_role("button", name="Next").click()
    expect(rows.filter(has_text=f"urn:s:many:{MANY - 1}")).to_have_count(1)
    visit.page.go_back()
    expect(rows).to_have_count(50)


def made_by_form(page: Page, door: Door) -> None:
    """Subscribe by the form, with an address at first that the hub cannot notify."""
    page.get_by_role("button", name="New subscription").click()
    form = page.get_by_role("dialog")
    form.get_by_label("Name").fill("Benches of the park")
    form.get_by_label("Things of the type").select_option("Bench")
    form.get_by_role("checkbox", name="seats").check()
    form.get_by_label("Endpoint").fill("ftp://127.0.0.1/told")
    form.get_by_role("button", name="Subscribe").click()
    expect(form.get_by_label("Endpoint")).to_have_attribute("aria-invalid", "true")
    expect(form).to_contain_text("must be an http, https, mqtt or mqtts URI")
    form.get_by_label("Endpoint").fill(door.uri)
    form.get_by_role("button", name="Subscribe").click()


def subscribe(town: Town, id: str, uri: str, **more: Any) -> str:
    """Subscribe over the API; return the id."""
    endpoint = {"uri": uri}
    if "receiverInfo" in more:
        endpoint["receiverInfo"] = more.pop("receiverInfo")
    wanted = {
        "id": id,
        "type": "Subscription",
        "entities": [{"type": "Bench"}],
        "notification": {"endpoint": endpoint},
        **more,
    }
    town.good("POST", f"{API}/subscriptions", wanted)
    return id


def looked_at(visit: Visit, name: str) -> None:
    """Keep a picture and see that everybody can use the page, and that it fits the screen."""
    visit.picture(name)
    assert visit.barriers() == []
    beyond = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert visit.page.evaluate(beyond) <= 0

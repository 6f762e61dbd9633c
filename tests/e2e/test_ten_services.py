"""The ten city services from outside: switched on with options, fed by a city, killed."""

from __future__ import annotations

import itertools
import json
import queue
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from math import pi, sin
from typing import Any
from urllib.parse import quote

import polars as pl
import pytest
from paho.mqtt.client import Client, MQTTMessage

from tests.e2e.commanded import LAMP, Lamp, Town, until
from tests.e2e.mqtt_maker import connected
from tests.e2e.server import API, Server

TEN: dict[str, dict[str, Any]] = {
    "air": {"time_zone": "Asia/Seoul"},
    "anomaly": {},
    "care_plug": {},
    "crossing": {"tail_s": 0.5, "time_zone": "Asia/Seoul"},
    "forecast": {},
    "parking": {"time_zone": "Asia/Seoul", "currency": "KRW"},
    "street_light": {"quiet": [0, 24], "hold_minutes": 1},
    "waste": {"emptied_drop": 0.3},
    "watch_over": {"outside_minutes": 0, "desk": "Search desk"},
    "water": {"time_zone": "Asia/Seoul"},
    "water_home": {"time_zone": "Asia/Seoul"},
}
"""Options that are not the usual ones, by service; water is in two, for the city and for homes."""
CATEGORIES = {
    "transport", "cultureAndTourism", "administration", "socialAndHealth", "environmentAndEnergy",
    "business", "education", "housing", "safety", "demographics", "other",
}  # fmt: skip
LIGHT = """
title = "A street light"
type = "Streetlight"
[commands.setLevel]
title = { en = "Set the level", ko = "밝기 설정" }
revert = { command = "setLevel", parameters = { level = 0.3 } }
[commands.setLevel.parameters]
type = "object"
required = ["level"]
additionalProperties = false
properties.level = { type = "number", minimum = 0, maximum = 1 }
"""
DETECTOR = """
type = "CrossingObserved"
[attributes]
pedestrianCount = { kind = "integer" }
vehicleDistance = { unit = "MTR" }
vehicleSpeed = { unit = "MTS" }
"""
PLUG = """
type = "CarePlug"
[attributes]
totalActiveEnergyImport = { path = "energy", unit = "KWH" }
"""
RECEIVER = """
type = "TagSighting"
[attributes]
tag = { kind = "text" }
rssi = { unit = "DBM" }
"""
WAIT_S = 40.0  # a service that was set or restarted first reads what it has missed
READY_S = 120.0  # on a busy machine
_numbers = itertools.count(1)


class TenTown(Town):
    """A hub on which all ten work."""

    def decisions(self, words: str) -> list[dict[str, Any]]:
        """Return the decisions whose sentence has these words."""
        path = f"{API}/entities?type=Decision&limit=1000"
        return [one for one in self.good("GET", path) if words in _said(one)["en"]]

    def decided(self, words: str) -> dict[str, Any]:
        """Return the decision whose sentence has these words, as soon as it is there."""
        found = until(lambda: self.decisions(words), bool, WAIT_S)[0]
        said = _said(found)
        assert any("가" <= letter <= "힣" for letter in said["ko"]), said
        assert found["madeBy"]["value"].split()[0] in TEN
        return dict(found)

    def entity(self, id: str) -> dict[str, Any]:
        answer = self.ask("GET", f"{API}/entities/{quote(id, safe=':')}")
        return dict(answer.json()) if answer.status == 200 else {}  # type: ignore[call-overload]

    def value(self, id: str, name: str) -> Any:
        attribute = self.entity(id).get(name, {})
        return next((attribute[m] for m in ("value", "object", "json") if m in attribute), None)

    def becomes_so(self, id: str, name: str, value: Any) -> None:
        until(lambda: self.value(id, name), lambda found: found == value, WAIT_S)

    def figure(self, service: str, name: str) -> Any:
        return self.value(f"urn:ngsi-ld:KeyPerformanceIndicator:{service}:{name}", "currentValue")

    def of_type(self, type: str, **where: Any) -> list[dict[str, Any]]:
        found = self.good("GET", f"{API}/entities?type={type}&limit=1000&options=keyValues")
        return [one for one in found if all(one.get(name) == where[name] for name in where)]

    def settled(self, name: str) -> dict[str, Any]:
        """Return how a service goes when it has caught up."""
        return dict(
            until(
                lambda: self.good("GET", f"/services/{name}"),
                lambda one: one["behind"] == 0 or one["alarm"],
                WAIT_S,
            )
        )

    def said(self, *words: str) -> str:
        return self.server.said(*words, timeout_s=120)


def _said(decision: dict[str, Any]) -> dict[str, str]:
    attribute = decision["description"]
    assert "languageMap" in attribute, f"a decision in one language only: {attribute}"
    return dict(attribute["languageMap"])


def link(id: str) -> dict[str, Any]:
    return {"type": "Relationship", "object": id}


def point(lon: float, lat: float) -> dict[str, Any]:
    return {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [lon, lat]}}


def square(lon: float, lat: float, half: float = 0.0005) -> dict[str, Any]:
    ring = [[lon - half, lat - half], [lon + half, lat - half], [lon + half, lat + half],
            [lon - half, lat + half], [lon - half, lat - half]]  # fmt: skip
    return {"type": "GeoProperty", "value": {"type": "Polygon", "coordinates": [ring]}}


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def number() -> str:
    """Return a name that no other test has."""
    return f"n{next(_numbers)}"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TenTown]:
    limits = {f"MADANG_LIMIT_{kind}_PER_S": "0" for kind in ("PUBLIC", "PERSON", "DEVICE")}
    server = Server(tmp_path_factory.mktemp("ten") / "hub", open=False, environ=limits)
    server.start(READY_S)
    try:
        town = TenTown(server)
        town.put("urn:ngsi-ld:Bench:first")  # so that the tenant is there
        for name, options in TEN.items():
            town.good("PATCH", f"/services/{name}", {"on": True, "options": options})
        profiles = {"light": LIGHT, "detector": DETECTOR, "receiver": RECEIVER, "plug": PLUG}
        for name, text in profiles.items():
            town.profile(name, text)
        time.sleep(1.5)  # the edge looks each second whether the crossing is on
        yield town
    finally:
        server.stop()


@pytest.fixture
def town(running: TenTown) -> Iterator[TenTown]:
    """The town; after the test no service has failed."""
    yield running
    for name in TEN:
        found = running.good("GET", f"/services/{name}")
        assert found["alarm"] is None, found["alarm"]["trace"]


# --- what a city sees before it switches one on -------------------------------------------------


def test_all_ten_are_in_the_catalogue_with_all_that_a_city_asks(town: TenTown) -> None:
    listed = {one["name"]: one for one in town.good("GET", "/services?limit=1000")}
    assert TEN.keys() <= listed.keys()
    for name in TEN:
        one = town.good("GET", f"/services/{name}")
        texts = [one["title"], one["purpose"], one["operator"], one["cost"]]
        texts += [figure["title"] for figure in one["indicators"]]
        assert all(text["en"] and text["ko"] for text in texts), name
        assert one["category"] in CATEGORIES
        assert one["indicators"], f"{name} says of nothing that it improves it"
        for option, schema in one["schema"]["properties"].items():
            assert schema.get("title"), (name, option)
            assert schema.get("ko"), (name, option)
            assert schema.get("description"), (name, option)


@pytest.mark.parametrize("name", TEN)
def test_show_explains_every_option_of_a_service(town: TenTown, name: str) -> None:
    text = town.said("service", "show", name)
    one = town.good("GET", f"/services/{name}")
    assert one["purpose"]["en"] in text
    flat = " ".join(text.split())
    for option, schema in one["schema"]["properties"].items():
        assert option in flat, f"{option} is not shown"
        first = schema["description"].split()[0]
        assert first in flat, f"{option} is not explained"


@pytest.mark.parametrize("name", TEN)
def test_an_option_that_is_none_is_refused_by_name(town: TenTown, name: str) -> None:
    before = town.good("GET", f"/services/{name}")["options"]
    path = f"/services/{name}"
    assert "no_such" in town.refused("PATCH", path, {"options": {"no_such": 1}}, 400)
    assert town.good("GET", path)["options"] == before


# --- each of them at work -----------------------------------------------------------------------


def test_parking_counts_spots_and_leads_from_a_full_block_to_one_with_places(
    town: TenTown,
) -> None:
    full, free = f"urn:ngsi-ld:OnStreetParking:{number()}", "urn:ngsi-ld:OffStreetParking:market"
    town.put(free, name="Market", totalSpotNumber=10, availableSpotNumber=4,
             location=point(126.98, 37.57))  # fmt: skip
    town.put(full, name="Main street", location=point(126.981, 37.57))
    for spot in range(2):
        id = f"urn:ngsi-ld:ParkingSpot:{full.rpartition(':')[2]}-{spot}"
        town.put(id, refParkingSite=link(full), status="occupied")
    town.becomes_so(full, "occupancy", 1)
    guidance = until(lambda: town.entity(full).get("guidance"), bool, WAIT_S)["languageMap"]
    assert "Market" in guidance["en"]
    assert "만차" in guidance["ko"]
    town.put(f"urn:ngsi-ld:ParkingSpot:{full.rpartition(':')[2]}-0", status="free")
    town.becomes_so(full, "occupancy", 0.5)


class Sign:
    """The sign of a crossing, as its maker builds it."""

    def __init__(self, port: int, name: str, key: str) -> None:
        self._heard: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.client = connected(port, name, name, key)
        self.client.on_message = self._on_message
        done = threading.Event()
        self.client.on_subscribe = lambda *_: done.set()
        self.client.subscribe(f"v1/devices/{name}/down", qos=1)
        assert done.wait(20)

    def _on_message(self, client: Client, data: Any, message: MQTTMessage) -> None:
        self._heard.put(json.loads(message.payload))

    def until(self, command: str) -> dict[str, Any]:
        while True:
            told = self._heard.get(timeout=WAIT_S)
            if told["command"] == command:
                return told

    @property
    def is_quiet(self) -> bool:
        return self._heard.empty()

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def test_crossing_warns_by_the_sign_raises_the_light_and_keeps_the_record(town: TenTown) -> None:
    name, port = number(), town.server.mqtt_port
    crossing, light = f"urn:ngsi-ld:PedestrianCrossing:{name}", LAMP.format(f"{name}-light")
    made = town.good("POST", "/devices", {"device": f"{name}-sign", "key": True})
    sign = Sign(port, f"{name}-sign", made["key"])
    lamp = Lamp(port, f"{name}-light", town.device(f"{name}-light", "light"))
    town.put(light, powerState="on")
    links = {"refSign": link(f"urn:ngsi-ld:Device:{name}-sign"), "refStreetlight": link(light)}
    town.put(crossing, name=f"School {name}", pedestrianSignal="red", **links)
    camera = connected(port, f"{name}-eye", f"{name}-eye", town.device(f"{name}-eye", "detector"))
    town.put(f"urn:ngsi-ld:CrossingObserved:{name}-eye", refCrossing=link(crossing))
    try:
        body = {"observedAt": now(), "pedestrianCount": 1, "vehicleDistance": 9, "vehicleSpeed": 9}
        camera.publish(f"v1/devices/{name}-eye/up", json.dumps(body), qos=1)
        told = sign.until("warn")
        assert told["parameters"]["crossing"] == crossing
        assert told["parameters"]["reasons"] == ["pedestrianOnRed", "vehicleComing"]
        assert told["parameters"]["text"]["ko"] == "차량이 다가옵니다. 조심하세요."
        body = {"observedAt": now(), "pedestrianCount": 0}
        camera.publish(f"v1/devices/{name}-eye/up", json.dumps(body), qos=1)
        sign.until("clear")
        decision = town.decided(f"School {name}: people are on the crossing at red")
        outcome = until(lambda: town.value(decision["id"], "outcome"), bool, WAIT_S)
        assert outcome["nearMiss"] is True
        assert {one["attribute"] for one in decision["basedOn"]["json"]} >= {"pedestrianSignal"}
        until(lambda: lamp.done, bool, WAIT_S)
        assert lamp.done[0]["parameters"] == {"level": 1.0}
        (command,) = town.of_type("Command", commandTarget=light)
        assert command["decision"] == decision["id"]
        assert until(lambda: town.value(crossing, "warnedAfter"), bool, WAIT_S) > 0
        assert town.figure("crossing", "nearMisses") >= 1
    finally:
        for client in (sign, lamp):
            client.close()
        camera.disconnect()
        camera.loop_stop()


def test_crossing_raises_an_alert_for_a_place_with_many_near_misses(town: TenTown) -> None:
    crossing = f"urn:ngsi-ld:PedestrianCrossing:{number()}"
    town.put(crossing, pedestrianSignal="green")
    for _ in range(3):
        values = {"pedestrianCount": 1, "vehicleDistance": 5, "vehicleSpeed": 10}
        town.put(crossing, **{name: observed(value) for name, value in values.items()})
        town.becomes_so(crossing, "warning", ["vehicleComing"])
        town.put(crossing, pedestrianCount=observed(0))
        town.becomes_so(crossing, "warning", ["none"])
    (alert,) = until(lambda: town.of_type("Alert", refersTo=crossing), bool, WAIT_S)
    assert (alert["category"], alert["severity"]) == ("pedestrianNearMiss", "high")


def observed(value: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value, "observedAt": now()}


def family(town: TenTown) -> tuple[str, str]:
    """Register a tag with a home; return the last part of its id, and the id."""
    name = number()
    tag = f"urn:ngsi-ld:WatchTag:{name}"
    town.put(tag, refPerson=link(f"urn:ngsi-ld:Person:{name}"), name="Grandma", contacts="Family")
    town.put(f"urn:ngsi-ld:SafeZone:{name}", refTag=link(tag), zoneKind="home",
             location=square(126.98, 37.57))  # fmt: skip
    return name, tag


def test_watch_over_tells_the_family_of_a_sighting_over_mqtt_and_keeps_no_place(
    town: TenTown,
) -> None:
    name, tag = family(town)
    stop = f"{name}-stop"
    key = town.device(stop, "receiver", longitude=127.0, latitude=37.6)
    client = connected(town.server.mqtt_port, stop, stop, key)
    try:
        body = {"observedAt": now(), "tag": name, "rssi": -70}
        client.publish(f"v1/devices/{stop}/up", json.dumps(body), qos=1).wait_for_publish(20)
        town.becomes_so(tag, "whereabouts", "out")
    finally:
        client.disconnect()
        client.loop_stop()
    town.decided(f"{name} has been out of the safe zones")
    (notice,) = until(lambda: town.of_type("Notice", about=tag), bool, WAIT_S)
    assert notice["to"] == "Family"
    assert "Grandma" in notice["text"]["languageMap"]["ko"]
    ana = town.person(f"ana-{name}@example.org", "analyst") | {"Purpose": "welfare"}
    assert "likelyArea" not in town.good("GET", f"{API}/entities/{tag}", None, ana)
    consent = {"types": ["WatchTag"], "evidence": "form 17"}
    person = quote(f"urn:ngsi-ld:Person:{name}", safe="")
    town.good("PUT", f"/trust/persons/{person}/consents/welfare", consent)
    assert "likelyArea" in town.good("GET", f"{API}/entities/{tag}", None, ana)
    raw = {"tag", "rssi", "location"}
    sighting = f"urn:ngsi-ld:TagSighting:{stop}"
    until(lambda: town.entity(sighting).keys(), raw.isdisjoint, WAIT_S)
    assert "location" not in town.entity(tag)


def test_watch_over_searches_are_opened_by_named_people_only_and_end(town: TenTown) -> None:
    name, tag = family(town)
    lee = town.person(f"lee-{name}@example.org")
    ana = town.person(f"ana-{name}@example.org", "analyst")
    town.put(f"urn:ngsi-ld:TagSighting:{name}", location=point(127.02, 37.59), accuracy=10)
    town.becomes_so(tag, "whereabouts", "out")
    asked: dict[str, Any] = {
        "tag": tag,
        "reason": "left without a coat, it is freezing",
        "legalBasis": "law",
    }
    assert "searchers" in town.refused("POST", "/watch-over/searches", asked, 403, lee)
    account = town.good("GET", f"/trust/users/lee-{name}@example.org")
    searchers = [f"person:{account['id']}"]
    town.good("PATCH", "/services/watch_over", {"options": {"searchers": searchers}})
    for member, value in (("reason", "x"), ("legalBasis", "hunch"), ("hours", 99)):
        body = asked | {member: value}
        assert member in town.refused("POST", "/watch-over/searches", body, 400, lee)
    body = asked | {"tag": "urn:ngsi-ld:WatchTag:none"}
    assert "WatchTag" in town.refused("POST", "/watch-over/searches", body, 404, lee)
    search = town.good("POST", "/watch-over/searches", asked, lee)["id"]
    until(lambda: town.entity(tag).get("location"), bool, WAIT_S)
    purpose = {"Purpose": "emergency"}
    assert "location" in town.good("GET", f"{API}/entities/{tag}", None, lee | purpose)
    for blind in (lee, ana | purpose, ana):
        assert "location" not in town.good("GET", f"{API}/entities/{tag}", None, blind)
    words = town.decided(f"opened a search for {name}")
    assert searchers[0] in _said(words)["ko"]
    (alert,) = town.of_type("Alert", refersTo=search)
    assert (alert["status"], "location" in alert) == ("open", False)
    town.good("DELETE", f"/watch-over/searches/{search}", None, lee)
    until(lambda: "location" not in town.entity(tag), bool, WAIT_S)
    town.becomes_so(search, "status", "ended")
    town.becomes_so(alert["id"], "status", "closed")


def test_a_search_cannot_be_written_past_the_people_who_may_open_one(town: TenTown) -> None:
    _, tag = family(town)
    forged = {"id": "urn:ngsi-ld:TagSearch:forged", "type": "TagSearch", "refTag": link(tag),
              "status": {"type": "Property", "value": "requested"}}  # fmt: skip
    detail = town.refused("POST", f"{API}/entities", forged, 403)
    assert "POST /watch-over/searches" in detail


def test_street_light_raises_the_lights_near_somebody_who_moves_at_night(town: TenTown) -> None:
    name = number()
    hour = datetime.now(UTC).hour + datetime.now(UTC).minute / 60
    lon = (-15 * hour + 180) % 360 - 180  # where it is midnight
    lamp = Lamp(town.server.mqtt_port, name, town.device(name, "light"))
    try:
        town.put(LAMP.format(name), location=point(lon, 0.0), powerRating=100, name=name)
        town.settled("street_light")
        eye = f"urn:ngsi-ld:Device:{name}-eye"
        town.good("POST", "/devices", {"device": f"{name}-eye"})
        town.put(eye, location=point(lon, 0.0001), motion=observed(True))
        found = until(
            lambda: [one for one in lamp.done if one["parameters"]["level"] == 1], bool, WAIT_S
        )
        (command,) = (one for one in town.of_type("Command") if one["id"] == found[0]["id"])
        decision = town.entity(command["decision"])
        assert _said(decision)["ko"]
        assert decision["madeBy"]["value"].startswith("street_light")
        town.becomes(command["id"], "done")
    finally:
        lamp.close()


def test_waste_notes_that_a_container_was_emptied(town: TenTown) -> None:
    container = f"urn:ngsi-ld:WasteContainer:{number()}"
    for level in (0.2, 0.5, 0.9):
        town.put(container, fillingLevel=observed(level))
    town.put(container, fillingLevel=observed(0.05))
    until(lambda: town.value(container, "dateLastEmptying"), bool, WAIT_S)


def test_care_plug_learns_from_a_plug_and_hides_what_it_tells(town: TenTown) -> None:
    name = number()
    id, key = f"urn:ngsi-ld:CarePlug:{name}", town.device(name, "plug")
    client = connected(town.server.mqtt_port, name, name, key)
    try:
        for minutes in (90, 60, 30, 0):
            at = datetime.now(UTC) - timedelta(minutes=minutes)
            body = {"observedAt": f"{at:%Y-%m-%dT%H:%M:%SZ}", "energy": 100 - minutes / 100}
            client.publish(f"v1/devices/{name}/up", json.dumps(body), qos=1).wait_for_publish(20)
        town.becomes_so(id, "activityState", "learning")
    finally:
        client.disconnect()
        client.loop_stop()
    ana = town.person(f"ana-{name}@example.org", "analyst")
    hidden = {"activityState", "totalActiveEnergyImport"}
    assert hidden.isdisjoint(town.good("GET", f"{API}/entities/{id}", None, ana))


def test_care_plug_tells_when_the_usual_activity_stays_away(town: TenTown) -> None:
    """A plug that was cut off sends five weeks at once; on the last day and a half nobody acts."""
    name = number()
    id, key = f"urn:ngsi-ld:CarePlug:{name}", town.device(name, "plug")
    town.put(id, careTeam=f"team-{name}")
    today = datetime.now(UTC).replace(hour=0, minute=1, second=0, microsecond=0)
    slots = 48 + datetime.now(UTC).hour * 2
    readings, used = [], 0.0
    for slot in range(-34 * 48, slots - 48):
        noise, hour = slot * 7919 % 13, slot % 48 / 2
        is_up = 7 <= hour < 9 or 12 <= hour < 13 or 18 <= hour < 22
        used += 30 + noise + (300 + 20 * noise if is_up and slot < -40 else 0)
        at = f"{today + timedelta(minutes=30 * slot):%Y-%m-%dT%H:%M:%SZ}"
        readings.append({"observedAt": at, "energy": round(used / 1000, 4)})
    client = connected(town.server.mqtt_port, name, name, key)
    try:
        for first in range(0, len(readings), 500):
            body = json.dumps(readings[first : first + 500])
            client.publish(f"v1/devices/{name}/up", body, qos=1).wait_for_publish(60)
    finally:
        client.disconnect()
        client.loop_stop()
    (notice,) = until(lambda: town.of_type("Notice", about=id), bool, WAIT_S)
    assert notice["to"] == f"team-{name}"
    (alert,) = town.of_type("Alert", refersTo=id)
    assert (alert["category"], alert["severity"]) == ("noUsualActivity", "high")
    decision = town.value(id, "alarmDecision")
    assert _said(town.entity(decision))["ko"]
    assert town.figure("care_plug", "alarms") >= 1


def test_water_at_home_tells_of_water_that_never_stops_with_advice(town: TenTown) -> None:
    meter = f"urn:ngsi-ld:WaterConsumptionObserved:{number()}"
    begin = datetime.now(UTC) - timedelta(days=3)
    for hour in range(60):
        at = f"{begin + timedelta(hours=hour):%Y-%m-%dT%H:%M:%SZ}"
        value = {"type": "Property", "value": 1000 + 30 * hour, "unitCode": "LTR", "observedAt": at}
        town.put(meter, waterConsumption=value)
    town.becomes_so(meter, "alarmInProgress", 1)
    advice = town.entity(meter)["advice"]["languageMap"]
    assert "toilet" in advice["en"] or "tap" in advice["en"] or "pipe" in advice["en"]
    assert advice["ko"]
    (alert,) = town.of_type("Alert", refersTo=meter)
    assert (alert["category"], alert["status"]) == ("waterLeakAtHome", "open")


class Taker(BaseHTTPRequestHandler):
    """Whoever a contact's webhook leads to."""

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.server.heard.put(json.loads(self.rfile.read(length)))  # type: ignore[attr-defined]
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


def test_what_watch_over_says_reaches_the_family_and_becomes_an_incident_in_a_search(
    town: TenTown,
) -> None:
    name, tag = family(town)
    heard: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
    taker = ThreadingHTTPServer(("127.0.0.1", 0), Taker)
    taker.heard = heard  # type: ignore[attr-defined]
    threading.Thread(target=taker.serve_forever, daemon=True).start()
    try:
        hook = {"kind": "webhook", "url": f"http://127.0.0.1:{taker.server_port}/"}
        person = {"kind": "person", "title": "Kim", "channels": [hook], "language": "ko"}
        town.good("PUT", f"/contacts/kim-{name}", person)
        town.put(tag, contacts=f"kim-{name}")
        town.put(f"urn:ngsi-ld:TagSighting:{name}", location=point(127.02, 37.59), accuracy=10)
        assert "안심 구역 밖" in json.dumps(heard.get(timeout=WAIT_S), ensure_ascii=False)
        until(lambda: town.of_type("Notice", about=tag, status="sent"), bool, WAIT_S)
    finally:
        taker.shutdown()
        taker.server_close()
    town.good("PATCH", "/services/incidents", {"on": True})
    lee = town.person(f"lee-{name}@example.org")
    account = town.good("GET", f"/trust/users/lee-{name}@example.org")
    searchers = [f"person:{account['id']}"]
    town.good("PATCH", "/services/watch_over", {"options": {"searchers": searchers}})
    asked = {"tag": tag, "reason": "left without a coat", "legalBasis": "vitalInterest"}
    search = town.good("POST", "/watch-over/searches", asked, lee)["id"]
    (alert,) = until(lambda: town.of_type("Alert", refersTo=search), bool, WAIT_S)

    def of_this() -> list[dict[str, Any]]:
        found = town.good("GET", "/incidents?limit=1000")
        return [one for one in found if alert["id"] in json.dumps(town.entity(one["id"]))]

    (incident,) = until(of_this, bool, WAIT_S)
    assert incident["severity"] == "high"
    town.good("DELETE", f"/watch-over/searches/{search}", None, lee)
    town.becomes_so(alert["id"], "status", "closed")


# --- a power cut --------------------------------------------------------------------------------


def test_after_a_kill_all_ten_go_on_and_what_they_had_begun_is_done_once(town: TenTown) -> None:
    name, tag = family(town)
    crossing = f"urn:ngsi-ld:PedestrianCrossing:{name}"
    town.put(crossing, pedestrianSignal=observed("red"), pedestrianCount=observed(1))
    town.becomes_so(crossing, "warning", ["pedestrianOnRed"])
    town.put(f"urn:ngsi-ld:TagSighting:{name}", location=point(127.02, 37.59), accuracy=10)
    town.server.kill()
    town.server.start(READY_S)
    town.becomes_so(crossing, "warning", ["none"])
    town.becomes_so(tag, "whereabouts", "out")
    decision = town.decided(f"{name}: people are on the crossing at red")
    until(lambda: town.value(decision["id"], "outcome"), bool, WAIT_S)
    assert len(town.decisions(f"{name}: people are on the crossing at red")) == 1
    assert len(town.decisions(f"{name} has been out of the safe zones")) == 1
    assert len(town.of_type("Notice", about=tag)) == 1
    for service, options in TEN.items():
        found = town.settled(service)
        assert found["state"] == "running", found["alarm"]
        wanted = {key: value for key, value in options.items() if key != "searchers"}
        assert wanted.items() <= found["options"].items()


# --- those that work by the clock, on a past that is loaded -------------------------------------

MARCH = datetime(2026, 3, 2, tzinfo=UTC)
Value = tuple[str, datetime, str, Any]
"""Entity, when, attribute and value."""
KINDS = {"location": "GeoProperty", "inflow": "Relationship"}


def remember(town: TenTown, values: list[Value]) -> None:
    """Load history as a program does: numbers, texts and JSON in columns of their own."""
    rows = [
        {
            "entity": id, "type": id.split(":")[2], "time": when.replace(tzinfo=None),
            "attribute": name, "kind": KINDS.get(name, "Property"),
            "number": float(value) if isinstance(value, int | float) else None,
            "text": value if isinstance(value, str) else None,
            "json": json.dumps(value) if isinstance(value, dict | list) else None,
        }
        for id, when, name, value in values
    ]  # fmt: skip
    texts = dict.fromkeys(("entity", "type", "attribute", "kind", "text", "json"), pl.String())
    schema = pl.Schema({**texts, "time": pl.Datetime("us"), "number": pl.Float64()})
    content = BytesIO()
    pl.DataFrame(rows, schema).write_parquet(content)
    head = town.server.local_key() | {"Content-Type": "application/vnd.apache.parquet"}
    done = town.server.request("POST", "/history/instances", content.getvalue(), head)
    assert done.status == 200, done.body


def replayed(town: TenTown, service: str, days: float, **options: Any) -> dict[str, Any]:
    """Play a service on the days from the second of March on."""
    until = MARCH + timedelta(days)
    words = ["--service", service, "--from", f"{MARCH:%Y-%m-%dT%H:%M:%SZ}"]
    words += ["--to", f"{until:%Y-%m-%dT%H:%M:%SZ}"]
    for name, value in options.items():
        words += ["--set", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
    found = json.loads(town.said("replay", *words, "--json"))["result"]
    (run,) = found["runs"]
    assert run["failure"] is None, run["failure"]
    for decision in run["decided"]:
        said = decision["description"]["languageMap"]
        assert said["en"], decision
        assert said["ko"], decision
    return dict(found)


def last(found: dict[str, Any], name: str) -> Any:
    """Return what an indicator came to."""
    (one,) = [one for one in found["indicators"] if one["name"] == name]
    (figures,) = one["replayed"]
    return None if figures is None else figures["last"]


def test_parking_sets_a_price_for_each_day_of_the_past(town: TenTown) -> None:
    park = f"urn:ngsi-ld:OffStreetParking:{number()}"
    remember(town, [
        (park, MARCH + timedelta(hours=hour), name, value)
        for hour in range(72)
        for name, value in (("totalSpotNumber", 100), ("occupiedSpotNumber", 90))
    ])  # fmt: skip
    found = replayed(town, "parking", 3, time_zone="UTC", period_days=1, bands=[[9, 12]])
    words = [one["description"]["languageMap"]["en"] for one in found["runs"][0]["decided"]]
    assert any("90 %" in one and "->" in one for one in words), words
    assert last(found, "inGoal") == 0


def test_waste_sends_a_vehicle_to_the_containers_that_will_be_full(town: TenTown) -> None:
    values: list[Value] = []
    for place in range(6):
        id = f"urn:ngsi-ld:WasteContainer:{number()}"
        spot = {"type": "Point", "coordinates": [126.98 + place / 1000, 37.57]}
        values.append((id, MARCH, "location", spot))
        values += [
            (id, MARCH + timedelta(hours=hour), "fillingLevel", 0.2 + hour / 100)
            for hour in range(0, 72, 2)
        ]
    remember(town, values)
    found = replayed(town, "waste", 3, depot=[126.97, 37.56], iterations=20)
    assert found["runs"][0]["written"].get("Route", 0) >= 1, found["runs"][0]["written"]
    assert last(found, "saved") is not None


def test_air_tells_of_unhealthy_hours_and_makes_a_map(town: TenTown) -> None:
    values: list[Value] = []
    for place in range(8):
        id = f"urn:ngsi-ld:AirQualityObserved:{number()}"
        spot = {"type": "Point", "coordinates": [126.9 + place / 50, 37.5 + place % 3 / 50]}
        values.append((id, MARCH, "location", spot))
        values += [
            (id, MARCH + timedelta(hours=hour, minutes=5), "pm25", 160 + place)
            for hour in range(30)
        ]
    remember(town, values)
    found = replayed(town, "air", 1.2)
    written = found["runs"][0]["written"]
    assert written.get("AirQualityMap", 0) >= 1, written
    assert written.get("Alert", 0) >= 1, written
    assert last(found, "unhealthy") == 100


def test_street_light_saves_energy_over_a_night(town: TenTown) -> None:
    values: list[Value] = []
    for place in range(3):
        id = f"urn:ngsi-ld:Streetlight:{number()}"
        spot = {"type": "Point", "coordinates": [126.98 + place / 3000, 37.57]}
        told = MARCH + timedelta(minutes=1)  # the service hears of what is told after it is on
        values += [(id, told, "location", spot), (id, told, "powerRating", 100)]
    remember(town, values)
    found = replayed(town, "street_light", 1.6, time_zone="Asia/Seoul", quiet=[22, 6])
    assert last(found, "saved") > 0
    assert found["runs"][0]["written"]["Command"] >= 3


def test_water_learns_a_district_and_finds_the_night_flow_that_stays(town: TenTown) -> None:
    name = number()
    inlet, zone = f"urn:ngsi-ld:Pipe:{name}", f"urn:ngsi-ld:WaterDistrict:{name}"
    values: list[Value] = [(zone, MARCH + timedelta(minutes=1), "inflow", inlet)]
    for slot in range(40 * 48):
        hour = slot % 48 / 2
        use = (
            20 + 15 * sin(pi * (hour - 6) / 12) + 5 * (slot // 48 % 7 >= 5) + slot * 7919 % 11 / 20
        )
        leak = 12 if slot >= 32 * 48 else 0
        values.append((inlet, MARCH + timedelta(minutes=30 * slot + 1), "flow", use + leak))
    remember(town, values)
    found = replayed(town, "water", 40, time_zone="UTC", learning_days=28)
    written = found["runs"][0]["written"]
    assert written.get("WaterLeak", 0) >= 1, written
    assert last(found, "lost") == pytest.approx(12, rel=0.3)


def test_forecast_tells_how_a_series_goes_on_and_what_it_is_worth(town: TenTown) -> None:
    name = number()
    sensor = f"urn:ngsi-ld:TrafficFlowObserved:{name}"
    values: list[Value] = [
        (sensor, MARCH + timedelta(hours=hour), "intensity",
         100 + 60 * sin(pi * hour / 12) + hour * 7919 % 17)
        for hour in range(12 * 24)
    ]  # fmt: skip
    remember(town, values)
    series = [{"type": "TrafficFlowObserved", "attribute": "intensity"}]
    options = {"series": series, "horizon": 24, "history_days": 14, "renew_hours": 96}
    found = replayed(town, "forecast", 12, **options)
    assert found["runs"][0]["written"].get("Forecast", 0) >= 1
    assert found["runs"][0]["decisions"] >= 1
    assert last(found, "saved") is not None


def test_anomaly_tells_of_a_value_that_does_not_fit_and_why(town: TenTown) -> None:
    sensor = f"urn:ngsi-ld:NoiseLevelObserved:{number()}"
    values: list[Value] = [
        (sensor, MARCH + timedelta(minutes=10 * slot + 1), "LAeq",
         95 if slot == 2900 else 55 + 8 * sin(pi * slot / 72) + slot * 7919 % 5 / 5)
        for slot in range(21 * 144)
    ]  # fmt: skip
    remember(town, values)
    series = [{"type": "NoiseLevelObserved", "attribute": "LAeq"}]
    found = replayed(town, "anomaly", 21, series=series)
    assert found["runs"][0]["written"].get("Alert", 0) >= 1
    assert last(found, "found") >= 1


def test_crossing_on_the_past_counts_warnings_and_tells_no_sign_anything(town: TenTown) -> None:
    name = number()
    crossing = f"urn:ngsi-ld:PedestrianCrossing:{name}"
    made = town.good("POST", "/devices", {"device": f"{name}-sign", "key": True})
    town.put(crossing, refSign=link(f"urn:ngsi-ld:Device:{name}-sign"))
    sign = Sign(town.server.mqtt_port, f"{name}-sign", made["key"])
    values: list[Value] = [(crossing, MARCH + timedelta(seconds=1), "pedestrianSignal", "red")]
    for minute in (1, 2, 3, 4):
        at = MARCH + timedelta(minutes=minute)
        values += [(crossing, at, "pedestrianCount", 1),
                   (crossing, at + timedelta(seconds=1), "pedestrianCount", 0)]  # fmt: skip
    remember(town, values)
    try:
        found = replayed(town, "crossing", 0.01)
        assert last(found, "warnings") == 4
        assert found["runs"][0]["decisions"] == 4
        assert sign.is_quiet
    finally:
        sign.close()

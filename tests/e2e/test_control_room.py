"""Incidents as a city uses them: from a sensor's alert over people's telephones to the report."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiomqtt
import http_ece
import orjson
import pytest

from madang.act.notify.signature import HEADER, is_signed, sign
from madang.sense.feeds.cap.alert import entities
from madang.sense.feeds.cap.document import alert_of, parsed
from tests.e2e.control_room import PLAYBOOK, Room, made
from tests.e2e.mail_server import MailServer
from tests.e2e.mosquitto import Mosquitto, needs_mosquitto
from tests.e2e.server import API
from tests.e2e.web_taker import WebTaker, browser

CAPABLE = {"address": "kim@city.example", "kind": "email"}


@pytest.fixture
async def mail() -> AsyncIterator[MailServer]:
    async with MailServer() as server:
        yield server


@pytest.fixture
async def web() -> AsyncIterator[WebTaker]:
    async with WebTaker() as taker:
        yield taker


@pytest.fixture
async def room(tmp_path: Path, mail: MailServer, web: WebTaker) -> AsyncIterator[Room]:
    settings = {
        "mail": {
            "host": "127.0.0.1", "port": mail.port, "security": "none",
            "sender": "Control room <madang@city.example>",
        },
        "sms": {"url": web.at("/sms"), "headers": {"X-Key": "paid"}},
    }  # fmt: skip
    server = made(tmp_path, settings)
    await asyncio.to_thread(server.start, 90)
    try:
        yield Room(server)
    finally:
        await asyncio.to_thread(server.stop)


async def test_an_alert_reaches_people_on_all_their_ways(
    room: Room, mail: MailServer, web: WebTaker
) -> None:
    push, private, secret = browser(web)
    kept = await room.person(
        "kim", CAPABLE, {"kind": "webhook", "url": web.at("/hook")},
        {"kind": "sms", "number": "+821012345678"}, {"kind": "cap", "url": web.at("/fire")}, push,
        title="Kim Jin", language="en",
    )  # fmt: skip
    assert sorted(kept["secrets"]) == ["cap", "webhook"]
    await room.ask("PUT", "/playbooks/flood", {"text": PLAYBOOK})
    await room.begin()
    await room.alert("a")
    (one,) = await room.incidents()
    await room.course(one["number"], "told")

    (letter,) = mail.mails
    assert letter["Subject"] == "High: Water in the underpass"
    assert letter["To"] == "kim@city.example"
    assert f"/incidents/{one['number']}/report" in letter.get_content()
    assert letter["Importance"] == "high"

    (hook,) = web.on("/hook")
    assert is_signed(
        kept["secrets"]["webhook"], hook.body, hook.headers[HEADER.lower()], time.time()
    )
    document = orjson.loads(hook.body)
    assert (document["about"], document["urgent"]) == (one["id"], True)
    assert hook.headers["madang-notice"] == document["notice"]

    (text,) = web.on("/sms")
    said = orjson.loads(text.body)
    assert (said["to"], text.headers["x-key"]) == ("+821012345678", "paid")
    assert said["text"].startswith("High: Water in the underpass\n")

    (fire,) = web.on("/fire")
    assert is_signed(kept["secrets"]["cap"], fire.body, fire.headers[HEADER.lower()], time.time())
    alert = alert_of(parsed(fire.body, "fire"))
    (entity,) = entities(alert, "en-US")
    assert entity["name"]["value"] == "Water in the underpass"
    assert entity["severity"]["value"] == "high"

    (pushed,) = web.on("/push")
    opened = http_ece.decrypt(pushed.body, private_key=private, auth_secret=secret)
    assert orjson.loads(opened)["title"] == "High: Water in the underpass"
    key = (await room.json("GET", "/notices/push-key"))["key"]
    assert pushed.headers["authorization"].startswith("vapid t=")
    assert pushed.headers["authorization"].endswith(f"k={key}")
    assert (pushed.headers["urgency"], pushed.headers["content-encoding"]) == ("high", "aes128gcm")


@needs_mosquitto
async def test_a_notice_is_published_to_a_broker(
    room: Room, tmp_path: Path, unused_tcp_port: int
) -> None:
    broker = Mosquitto(unused_tcp_port, tmp_path / "mosquitto")
    async with broker, aiomqtt.Client("127.0.0.1", unused_tcp_port) as client:
        await client.subscribe("city/#", qos=1)
        await room.person(
            "siren", {"kind": "mqtt", "url": f"mqtt://127.0.0.1:{broker.port}/city/siren"}
        )
        test = await room.json("POST", "/contacts/siren/test")
        async with asyncio.timeout(10):
            message = await anext(aiter(client.messages))
        assert isinstance(message.payload, bytes)
        told = orjson.loads(message.payload)["body"]
        assert (told["notice"], told["title"]) == (test["id"], "마당 시험 알림")


async def test_an_incident_from_the_first_alert_to_the_report(
    room: Room, web: WebTaker, mail: MailServer
) -> None:
    await room.person("kim", CAPABLE)
    kept = await room.person("fire-119", {"kind": "cap", "url": web.at("/fire")}, title="Fire 119")
    await room.ask("PUT", "/playbooks/flood", {"text": PLAYBOOK})
    await room.begin(nearby_metres=300)
    place = {"type": "Point", "coordinates": [127.001, 37.5]}
    camera = {
        "id": "urn:ngsi-ld:Camera:7",
        "type": "Camera",
        "name": {"type": "Property", "value": "C7"},
        "location": {"type": "GeoProperty", "value": place},
    }
    await room.ask("POST", f"{API}/entities", camera)
    await room.alert("a")
    await room.alert("b", 127.0005)
    (one,) = await room.incidents()
    path = f"/incidents/{one['number']}"
    await room.course(one["number"], "alert")
    whole = await room.json("GET", path)
    assert [near["name"] for near in whole["nearby"]] == ["C7"]
    assert (whole["reports"], whole["playbook"]) == (2, "flood")

    taken = await room.json("PATCH", path, {"status": "acknowledged"})
    assert taken["status"] == "acknowledged"
    again = await room.json("PATCH", path, {"status": "acknowledged"}, 409)
    assert "acknowledged already" in again["detail"]
    await room.ask("POST", f"{path}/steps/barrier", {})
    await room.ask("POST", f"{path}/steps/depth", {"value": 42})
    refused = await room.json("POST", f"{path}/steps/pump", {}, 400)
    assert "there are barrier, depth" in refused["detail"]

    called = await room.json("POST", f"{path}/calls", {"to": "fire-119"}, 201)
    assert called["agencies"]["fire-119"]["state"] in ("asked", "sent")
    (fire,) = await room.until(lambda: web.on("/fire"))
    address = fire.headers["madang-answer"].removeprefix(room.server.url)
    answer = orjson.dumps({"state": "dispatched", "reference": "119-7"})
    signature = sign(kept["secrets"]["cap"], answer, int(time.time()))
    await room.ask("POST", address, answer, 401)
    await room.ask("POST", address, answer, 401, {HEADER: sign("x" * 20, answer, int(time.time()))})
    heard = await room.ask("POST", address, answer, 200, {HEADER: signature})
    assert heard.status == 200

    await room.ask("POST", f"{path}/notes", {"text": {"en": "Drive round it", "ko": "우회하세요"},
                                             "public": True})  # fmt: skip
    await room.ask("POST", f"{path}/notes", {"text": "Mr. Park called"})
    await room.ask("GET", f"/city/incidents/{one['number']}", None, 404)
    await room.ask("PATCH", path, {"public": True})
    await room.ask("PATCH", path, {"handOver": "kim", "text": "Pump runs till four"})
    await room.until(lambda: any("Pump runs" in one.get_content() for one in mail.mails))
    await room.ask("PATCH", path, {"status": "resolved", "text": "Dry"})

    html = {"Accept": "text/html", "Accept-Language": "ko"}
    listing = (await room.ask("GET", "/city/incidents", None, 200, html)).body.decode()
    assert "지하차도에 물" in listing
    page = (
        await room.ask("GET", f"/city/incidents/{one['number']}", None, 200, html)
    ).body.decode()
    assert "우회하세요" in page
    for private in ("Park", "Kim", "kim", "Pump", "127.0", "anybody"):
        assert private not in re.sub(r"<(head|header|footer)\b.*?</\1>", "", page, flags=re.S)

    report = await room.json("GET", f"{path}/report")
    assert (report["stepsDone"], report["agencies"]["fire-119"]["reference"]) == (2, "119-7")
    assert report["secondsTo"]["resolve"] >= report["secondsTo"]["acknowledge"] >= 0
    printed = (await room.ask("GET", f"{path}/report", None, 200, html)).body.decode()
    assert "상황 보고서" in printed
    assert "Pump runs till four" in printed
    assert "119-7" in printed
    cap = alert_of(parsed((await room.ask("GET", f"{path}/cap")).body, "cap"))
    assert (cap.kind, len(cap.infos)) == ("Cancel", 2)


async def test_two_incidents_become_one_and_one_becomes_two(room: Room, web: WebTaker) -> None:
    kept = await room.person("fire-119", {"kind": "cap", "url": web.at("/fire")})
    await room.begin()
    await room.alert("a")
    await room.alert("b", 127.1)
    second, first = await room.incidents(2)
    path, other = f"/incidents/{first['number']}", f"/incidents/{second['number']}"
    await room.ask("POST", f"{other}/calls", {"to": "fire-119"}, 201)
    (fire,) = await room.until(lambda: web.on("/fire"))

    missing = await room.json("POST", f"{path}/merges", {"incident": "20260101-nothin"}, 404)
    assert "there is no incident" in missing["detail"]
    merged = await room.json("POST", f"{path}/merges", {"incident": second["number"]}, 201)
    assert (len(merged["alerts"]), merged["reports"]) == (2, 2)
    ended = await room.json("GET", other)
    assert (ended["status"], ended["mergedInto"]) == ("closed", first["number"])
    twice = await room.json("POST", f"{path}/merges", {"incident": second["number"]}, 409)
    assert "closed already" in twice["detail"]

    answer = orjson.dumps({"state": "dispatched"})
    headers = {HEADER: sign(kept["secrets"]["cap"], answer, int(time.time()))}
    address = fire.headers["madang-answer"].removeprefix(room.server.url)
    await room.ask("POST", address, answer, 200, headers)  # it knows the old address only
    whole = await room.json("GET", path)
    assert whole["agencies"]["fire-119"]["state"] == "dispatched"
    html = {"Accept": "text/html"}
    page = (await room.ask("GET", f"{other}/report", None, 200, html)).body.decode()
    assert f"{path}/report" in page

    wrong = await room.json("POST", f"{path}/splits", {"alerts": ["urn:x:none"]}, 400)
    assert "no alert of this incident" in wrong["detail"]
    apart = await room.json(
        "POST", f"{path}/splits", {"alerts": ["urn:ngsi-ld:Alert:gauge:b"], "title": "North"}, 201
    )
    assert (apart["title"]["en"], apart["alerts"]) == ("North", ["urn:ngsi-ld:Alert:gauge:b"])
    left = await room.json("GET", path)
    assert left["alerts"] == ["urn:ngsi-ld:Alert:gauge:a"]
    again = await room.said("incident", "merge", first["number"], apart["number"])
    assert f"is a part of {first['number']}" in again
    parted = await room.said(
        "incident", "split", first["number"], "urn:ngsi-ld:Alert:gauge:b", "--title", "South"
    )
    assert "is open" in parted
    shown = await room.said("incident", "show", first["number"])
    assert "alert: urn:ngsi-ld:Alert:gauge:a" in shown
    assert parted.split()[0] in shown


async def test_nobody_writes_incidents_beside_the_way_that_checks_who_asks(room: Room) -> None:
    for kind, way in (
        ("Incident", "/incidents"),
        ("Notice", "playbooks"),
        ("Playbook", "/playbooks"),
    ):
        body = {"id": f"urn:ngsi-ld:{kind}:x", "type": kind}
        refused: Any = (await room.ask("POST", f"{API}/entities", body, 403)).json()
        assert way in refused["detail"]


async def test_what_was_not_sent_when_the_power_failed_is_sent_afterwards(
    room: Room, mail: MailServer
) -> None:
    mail.busy = True
    await room.person("kim", CAPABLE)
    await room.begin(notify="kim")
    await room.alert("a")
    (one,) = await room.incidents()
    await asyncio.to_thread(room.server.kill)
    mail.busy = False
    await asyncio.to_thread(room.server.start, 90)
    await room.course(one["number"], "told")
    assert len(mail.mails) == 1
    assert (await room.json("GET", "/contacts/kim"))["channels"][0]["address"] == "kim@city.example"
    await room.ask("PATCH", f"/incidents/{one['number']}", {"status": "acknowledged"})


async def test_an_address_that_is_refused_is_told_in_the_record(
    room: Room, mail: MailServer
) -> None:
    mail.refuses.add("kim@city.example")
    await room.person("kim", CAPABLE)
    await room.begin(notify="kim")
    await room.alert("a")
    (one,) = await room.incidents()
    await room.course(one["number"], "notTold")
    (entry,) = [
        entry
        for entry in (await room.json("GET", f"/incidents/{one['number']}"))["timeline"]
        if entry["what"] == "notTold"
    ]
    assert "no such mailbox" in entry["reason"]
    (notice,) = (await room.json("GET", f"/incidents/{one['number']}/report"))["notices"]
    assert notice["status"] == "failed"
    assert "no such mailbox" in notice["deliveries"][0]["error"]


async def test_an_incident_that_nobody_named_can_be_told_to_nobody(room: Room) -> None:
    await room.begin(notify="ghost")
    await room.alert("a")
    (one,) = await room.incidents()
    await room.course(one["number"], "notTold")


async def test_incidents_need_the_service_and_say_how_to_switch_it_on(room: Room) -> None:
    refused = await room.json("POST", "/incidents", {"title": "Smoke"}, 409)
    assert "madang service on incidents" in refused["detail"]
    await room.begin()
    place = {"type": "Point", "coordinates": [127.0, 37.5]}
    body = {"title": "Smoke", "category": "fire", "location": place}
    asked = (await room.ask("POST", "/incidents", body)).json()
    assert isinstance(asked, dict)
    assert (asked["title"], asked["status"]) == ({"en": "Smoke", "ko": "Smoke"}, "open")
    (opened,) = await room.incidents()
    assert (opened["id"], opened["category"]) == (asked["id"], "fire")
    wrong = await room.json("POST", "/incidents", {"title": "x", "severity": "awful"}, 400)
    assert wrong["detail"].startswith("severity: ")


async def test_an_operator_does_all_of_it_in_a_terminal(
    room: Room, tmp_path: Path, mail: MailServer
) -> None:
    assert "is on" in await room.said("service", "on", "incidents")
    await room.said("people", "add", "kim", "--email", "kim@city.example", "--quiet", "22:00-07:00")
    secret = await room.said("people", "add", "fire-119", "--cap", "https://119.example/cap")
    assert len(secret.strip()) > 30
    await room.said("people", "group", "room", "kim")
    await room.said("people", "rota", "duty", "kim", "room", "--start", "2026-11-23T09:00")
    await room.said("people", "stand-in", "duty", "room", "2026-12-24T09:00", "2026-12-25T09:00")
    on_call = await room.said("people", "on-call", "duty", "--at", "2026-11-24T00:00:00Z")
    assert on_call.startswith("kim\n")
    assert "kim  email  sent" in await room.said("people", "test", "kim")
    assert "rota" in await room.said("people", "list")
    kept = await room.madang("people", "remove", "kim", "--yes")
    assert (kept.returncode, "kim is in room" in kept.stderr) == (2, True)

    file = tmp_path / "flood.toml"
    file.write_text(PLAYBOOK.replace('"kim"', '"ghost"'), "utf-8")
    wrong = await room.madang("playbook", "save", "flood", str(file))
    assert (wrong.returncode, "names ghost, who is no contact" in wrong.stderr) == (2, True)
    file.write_text(PLAYBOOK, "utf-8")
    assert "is good" in await room.said("playbook", "save", "flood", str(file), "--check")
    assert "is kept" in await room.said("playbook", "save", "flood", str(file))
    assert "Measure the depth" in await room.said("playbook", "show", "flood")
    assert "flood" in await room.said("playbook", "list")

    opened = await room.said(
        "incident", "open", "Water", "--category", "flood", "--near", "127,37.5"
    )
    number = opened.split()[0]
    assert number in await room.said("incident", "list")
    await room.said("incident", "ack", number)
    await room.said("incident", "own", number, "Lee")
    await room.said("incident", "severity", number, "high")
    await room.said("incident", "step", number, "depth", "42")
    await room.said("incident", "note", number, '{"en": "Drive round", "ko": "우회"}', "--public")
    await room.said("incident", "call", number, "room")
    await room.said("incident", "publish", number, "--title", "Underpass closed")
    await room.said("incident", "hand-over", number, "kim", "Pump runs")
    shown = await room.said("incident", "show", number)
    assert "Underpass closed" in shown
    assert "Pump runs" in shown
    await room.said("incident", "resolve", number, "--text", "Dry")
    assert "is closed" in await room.said("incident", "close", number)
    report = orjson.loads(await room.said("incident", "report", number))
    assert (report["status"], report["severity"], report["stepsDone"]) == ("closed", "high", 1)
    assert "no such incidents" in await room.said("incident", "list")
    assert len(mail.mails) >= 2

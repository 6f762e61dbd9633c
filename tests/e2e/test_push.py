"""Devices push to a running hub: by HTTP and over WebSockets, recorded data and the odd message."""

from __future__ import annotations

import csv
import gzip
import json
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from tests.e2e.server import API, Server
from tests.recorded import recorded

TYPES = 56
PROFILE = """
title = "SDS011 of sensor.community"
type = "AirQualityObserved"

[attributes]
pm10 = { path = "P1", unit = "GQ" }
pm25 = { path = "P2", unit = "GQ" }
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a hub where nobody signs in, and which can fetch no @context."""
    environ = {"MADANG_CONTEXT_HOSTS": '["nowhere.invalid"]'}
    with Server(tmp_path_factory.mktemp("push") / "data", environ=environ) as running:
        put_up(running, "sds011-5331", "sds011-7789", "spare", "talker", "many")
        yield running


def put_up(server: Server, *devices: str, headers: dict[str, str] | None = None) -> None:
    """Register devices with the profile of these tests."""
    assert server.request("PUT", "/profiles/sds011", {"text": PROFILE}, headers).status == 201
    for device in devices:
        wanted = {"device": device, "profile": "sds011"}
        made = server.request("POST", "/devices", wanted, headers)
        assert made.status == 201, made.body


def air(sensor: str, most: int) -> list[dict[str, Any]]:
    """Return what a sensor measured, as it would send it."""
    (file,) = recorded(f"iot/air_sensor_community_aberdeen/sds011_{sensor}_2018-02.csv.gz")
    with gzip.open(file, "rt") as lines:
        return [
            {
                "observedAt": f"{row['timestamp']}Z",
                "values": {"P1": float(row["P1"]), "P2": float(row["P2"])},
            }
            for row in islice(csv.DictReader(lines, delimiter=";"), most)
        ]


def state(server: Server, id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(server.request("GET", f"{API}/entities/{id}").body)
    return found


def past(server: Server, id: str, attribute: str, wanted: int) -> list[list[Any]]:
    """Return the values and times of an attribute, when as many as wanted are in history."""
    path = f"{API}/temporal/entities/{id}?attrs={attribute}&format=temporalValues&lastN=10000"
    found: list[list[Any]] = []
    for _ in range(100):
        answer = server.request("GET", path)
        if answer.status == 200:
            found = json.loads(answer.body)[attribute]["values"]
        if len(found) >= wanted:
            break
        time.sleep(0.1)
    return found


def dial(server: Server, path: str, **options: Any) -> ClientConnection:
    line: ClientConnection = connect(server.url.replace("http", "ws") + path, **options)
    return line


def told(line: ClientConnection) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(line.recv(timeout=20))
    return found


# --- HTTP ---------------------------------------------------------------------------------------


def test_recorded_measurements_pushed_by_http_are_in_state_and_history(server: Server) -> None:
    rows = air("5331", 200)
    with httpx.Client(base_url=server.url) as client:
        for row in rows[:10]:
            answer = client.post("/devices/sds011-5331/up", json=row)
            assert answer.status_code == 200, answer.text
        for start in range(10, len(rows), 50):
            some = [{"device": "sds011-5331", **row} for row in rows[start : start + 50]]
            answer = client.post("/sense/up/json", json=some)
            assert answer.json()["values"] >= 2 * len(some)
        again = client.post("/devices/sds011-5331/up", json=rows[100]).json()
    assert again["known"] + again["late"] == 2

    id = "urn:ngsi-ld:AirQualityObserved:sds011-5331"
    last = state(server, id)
    assert last["pm10"]["value"] == rows[-1]["values"]["P1"]
    assert last["pm10"]["unitCode"] == "GQ"
    assert last["pm25"]["observedAt"] == rows[-1]["observedAt"]
    values = past(server, id, "pm10", len(rows))
    assert sorted(at for _, at in values) == [row["observedAt"] for row in rows]
    assert {at: value for value, at in values} == {
        row["observedAt"]: row["values"]["P1"] for row in rows
    }


def test_a_message_that_cannot_be_used_is_answered_with_its_dead_letter(server: Server) -> None:
    answer = server.request("POST", "/devices/spare/up", b"P1=4,7")
    assert answer.status == 400
    problem: Any = answer.json()
    assert problem["reason"] == "badPayload"
    assert "no JSON" in problem["detail"]
    letter: Any = server.request("GET", f"/sense/letters/{problem['letter']}").json()
    assert letter["body"]["text"] == "P1=4,7"


@pytest.mark.parametrize(
    ("path", "body", "reason", "text"),
    [
        ("/devices/nobody/up", b"1", "unknownDevice", "'nobody'"),
        ("/devices/spare/up?codec=sneml", b"1", "noCodec", "did you mean 'senml'?"),
        ("/sense/up/json", b'{"t": 1}', "badPayload", "no device is named"),
        ("/devices/spare/up", b'{"P1": "much"}', "badValue", "pm10: 'much'"),
    ],
)
def test_a_refusal_says_what_is_wrong(
    server: Server, path: str, body: bytes, reason: str, text: str
) -> None:
    answer = server.request("POST", path, body)
    problem: Any = answer.json()
    assert (answer.status, problem["reason"]) == (400, reason)
    assert text in problem["detail"]


def test_each_device_may_speak_its_own_way(server: Server) -> None:
    pack = [{"bn": "talker/", "bt": 1.7e9, "n": "P1", "v": 4.5}, {"n": "P2", "v": 2}]
    assert server.request("POST", "/sense/up/senml", pack).status == 200
    assert state(server, "urn:ngsi-ld:AirQualityObserved:talker")["pm10"]["value"] == 4.5
    later = b"2023-11-14T22:13:21Z|P1|5.5|P2|3"
    assert server.request("POST", "/devices/talker/up?codec=ultralight", later).status == 200
    assert state(server, "urn:ngsi-ld:AirQualityObserved:talker")["pm10"]["value"] == 5.5


def test_too_large_a_body_is_refused(server: Server) -> None:
    assert server.request("POST", "/devices/spare/up", bytes(1024 * 1024 + 1)).status == 413


def test_a_get_says_that_a_websocket_is_wanted(server: Server) -> None:
    answer = server.request("GET", "/devices/spare/socket")
    assert (answer.status, answer.headers["upgrade"]) == (426, "websocket")


# --- WebSocket ----------------------------------------------------------------------------------


def test_recorded_measurements_pushed_over_a_websocket_are_all_acknowledged(
    server: Server,
) -> None:
    rows = air("7789", 400)
    with dial(server, "/devices/sds011-7789/socket") as line:
        for place, row in enumerate(rows):
            line.send(json.dumps(row) if place % 2 else json.dumps(row).encode())
        acks = [told(line) for _ in rows]
    assert sorted(ack["n"] for ack in acks) == list(range(1, len(rows) + 1))
    assert not [ack for ack in acks if "letter" in ack]
    id = "urn:ngsi-ld:AirQualityObserved:sds011-7789"
    assert state(server, id)["pm25"]["value"] == rows[-1]["values"]["P2"]
    assert len(past(server, id, "pm25", len(rows))) == len(rows)


def test_a_gateway_speaks_for_many_devices_over_one_websocket(server: Server) -> None:
    with dial(server, "/sense/socket/json") as line:
        line.send(json.dumps({"device": "many", "P1": 1}))
        assert told(line).keys() == {"n", "entities", "values", "late", "known"}
        line.send("gibberish")
        refused = told(line)
        assert (refused["n"], refused["reason"]) == (2, "badPayload")
        assert refused["letter"] > 0
        line.send(json.dumps({"device": "many", "P1": 2}))
        assert told(line)["values"] == 1


def test_a_message_too_large_ends_the_connection(server: Server) -> None:
    with dial(server, "/devices/spare/socket") as line:
        line.send(bytes(1024 * 1024 + 1))
        with pytest.raises(ConnectionClosed) as closed:
            line.recv(timeout=20)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


def test_a_page_of_another_site_opens_no_websocket(server: Server) -> None:
    with dial(server, "/devices/spare/socket", origin="https://elsewhere.example") as line:
        assert "page of another site" in told(line)["detail"]
        with pytest.raises(ConnectionClosed):
            line.recv(timeout=20)


def test_what_is_acknowledged_outlives_a_power_cut(tmp_path: Path) -> None:
    server = Server(tmp_path / "data")
    server.start()
    put_up(server, "d1")
    acked = 0
    with dial(server, "/devices/d1/socket", close_timeout=1) as line:
        for second in range(300):
            at = f"2026-01-31T12:{second // 60:02d}:{second % 60:02d}Z"
            line.send(json.dumps({"P1": second, "observedAt": at}))
        while acked < 150:
            acked = max(acked, told(line)["n"])
        server.kill()
    with server:
        value = state(server, "urn:ngsi-ld:AirQualityObserved:d1")["pm10"]["value"]
    assert value >= acked - 1


# --- who may ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Return a hub where who sends signs in, twenty messages a second for a device."""
    environ = {"MADANG_LIMIT_DEVICE_PER_S": "20"}
    data = tmp_path_factory.mktemp("guarded") / "data"
    with Server(data, environ=environ, open=False) as running:
        put_up(running, "d1", "d2", "d3", headers=running.local_key())
        yield running


def key_of(server: Server, device: str) -> str:
    made = server.request("POST", f"/devices/{device}/key", {}, server.local_key())
    assert made.status == 200, made.body
    key: str = json.loads(made.body)["key"]
    return key


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def test_without_a_key_nothing_is_taken(guarded: Server) -> None:
    assert guarded.request("POST", "/devices/d1/up", {"P1": 1}).status == 401
    assert guarded.request("POST", "/devices/d1/up", {"P1": 1}, bearer("mdg_x")).status == 401


def test_the_key_of_a_device_writes_its_own_and_no_other(guarded: Server) -> None:
    key = bearer(key_of(guarded, "d1"))
    assert guarded.request("POST", "/devices/d1/up", {"P1": 1}, key).status == 200
    other = guarded.request("POST", "/devices/d2/up", {"P1": 1}, key)
    assert (other.status, other.json()["reason"]) == (400, "forbidden")  # type: ignore[index]


def test_a_websocket_takes_the_key_with_the_handshake_or_first(guarded: Server) -> None:
    key = key_of(guarded, "d1")
    with dial(guarded, "/devices/d1/socket", additional_headers=bearer(key)) as line:
        line.send('{"P1": 5}')
        assert told(line)["values"] >= 1
    with dial(guarded, "/devices/d1/socket") as line:
        line.send(json.dumps({"authorization": f"Bearer {key}"}))
        line.send('{"P1": 6}')
        assert told(line)["n"] == 1


@pytest.mark.parametrize("first", ['{"P1": 5}', '{"authorization": "Bearer mdg_x"}', "x", b"\xff"])
def test_a_websocket_without_a_good_key_is_closed(guarded: Server, first: str | bytes) -> None:
    with dial(guarded, "/devices/d1/socket") as line:
        line.send(first)
        assert told(line)["status"] == 401
        with pytest.raises(ConnectionClosed) as closed:
            line.recv(timeout=20)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1008


def test_a_websocket_is_closed_to_who_may_not_observe(guarded: Server) -> None:
    wanted = {"kind": "app", "name": "reader", "reads": ["AirQualityObserved"]}
    made: Any = guarded.request("POST", "/trust/keys", wanted, guarded.local_key()).json()
    for path in ("/devices/d1/socket", "/sense/socket/json"):
        with dial(guarded, path, additional_headers=bearer(made["key"])) as line:
            refused = told(line)
            assert refused["status"] == 403
            assert "may not observe" in refused["detail"]


def test_a_revoked_key_ends_an_open_websocket(guarded: Server) -> None:
    key = key_of(guarded, "d3")
    with dial(guarded, "/devices/d3/socket", additional_headers=bearer(key)) as line:
        line.send('{"P1": 5}')
        assert told(line)["entities"] == 1
        revoked = guarded.request("DELETE", "/devices/d3/key", None, guarded.local_key())
        assert revoked.status == 204
        time.sleep(1.1)
        line.send('{"P1": 6}')
        assert told(line)["status"] == 401
    assert state_of(guarded, "d3")["pm10"]["value"] == 5


def state_of(server: Server, device: str) -> dict[str, Any]:
    path = f"{API}/entities/urn:ngsi-ld:AirQualityObserved:{device}"
    found: dict[str, Any] = json.loads(server.request("GET", path, None, server.local_key()).body)
    return found


def test_a_websocket_waits_where_http_is_told_to_try_again(guarded: Server) -> None:
    key = bearer(key_of(guarded, "d2"))
    began = time.monotonic()
    with dial(guarded, "/devices/d2/socket", additional_headers=key) as line:
        for value in range(140):  # five seconds' worth may come at once
            line.send(json.dumps({"P1": value}))
        with httpx.Client(base_url=guarded.url, headers=key) as client:
            answers = [client.post("/devices/d2/up", content=b"1") for _ in range(101)]
        acks = [told(line) for _ in range(140)]
    slow = [answer for answer in answers if answer.status_code == 429]
    assert slow
    assert int(slow[0].headers["retry-after"]) >= 1
    assert all("error" not in ack and "letter" not in ack for ack in acks)
    assert time.monotonic() - began > 1.0
    assert state_of(guarded, "d2")["pm10"]["value"] == 139


# --- Smart Data Models --------------------------------------------------------------------------

BROKEN = {
    "Device/Device": "'value' is a word of NGSI-LD",
    "Device/DeviceMeasurement": "location must be a GeoProperty",
    "Energy/SolarEnergy": "location is no valid Point",
    "Environment/FloodMonitoring": "floodLevelStatus has the type 'string'",
    "Environment/WaterObserved": "dateObserved.object must be a URI",
    "GreenEnergy/PhotovoltaicDevice": "it cannot have the member value",
    "GreenEnergy/PhotovoltaicMeasurement": "must have the member object",
    "Transportation/CityWork": "tramwayImpacted has the type 'Property '",
    "Weather/WeatherForecast": "id must be a URI",
}
"""Examples that are no valid NGSI-LD, and what is wrong with each."""


def examples() -> dict[str, dict[str, Any]]:
    files = recorded("iot/ngsi_ld/*/*/example-normalized.jsonld")
    assert len(files) == TYPES
    return {"/".join(file.parts[-3:-1]): json.loads(file.read_bytes()) for file in files}


def test_an_entity_whose_context_cannot_be_fetched_becomes_a_dead_letter(server: Server) -> None:
    entity = examples()["Parking/ParkingSpot"]
    answer = server.request("POST", "/sense/up/ngsi-ld", entity)
    problem: Any = answer.json()
    assert (answer.status, problem["reason"]) == (400, "badEntity")
    assert "dataModel.Parking/master/context.jsonld" in problem["detail"]


def test_examples_of_smart_data_models_are_written_with_a_context_of_the_hub(
    server: Server,
) -> None:
    (file,) = recorded("iot/ngsi_ld/context.jsonld")
    body = json.loads(file.read_bytes())
    hosted = server.request("POST", f"{API}/jsonldContexts", body)
    context = server.url + hosted.headers["location"]
    relation = 'rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'
    refused: dict[str, str] = {}
    for name, example in examples().items():
        entity = {**example, "@context": context}
        answer = server.request("POST", "/sense/up/ngsi-ld", entity)
        if answer.status != 200:
            problem: Any = answer.json()
            assert problem["reason"] == "badEntity"
            assert problem["letter"] > 0
            refused[name] = problem["detail"]
            continue
        found = server.request(
            "GET", f"{API}/entities/{entity['id']}", None, {"Link": f"<{context}>; {relation}"}
        )
        check_written(name, entity, found.json())
    assert refused.keys() == BROKEN.keys()
    for name, text in BROKEN.items():
        assert text in refused[name]


def check_written(name: str, sent: dict[str, Any], found: Any) -> None:
    """Compare every attribute with what was sent; the hub keeps times of its own and adds some."""
    for member, value in sent.items():
        if member in ("@context", "createdAt", "modifiedAt"):
            continue
        if isinstance(value, dict):
            shown = {part: found[member].get(part) for part in value}
            assert shown == value, f"{name}: {member}"
        else:
            assert found[member] == value, f"{name}: {member}"

"""The relay of a running hub: what a vehicle sends is heard near by, over WebSocket and SSE."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import orjson
import pytest
from websockets.sync.client import ClientConnection, connect

from tests.e2e.server import Server

HERE = {"longitude": 126.98, "latitude": 37.57}
FAR = {"longitude": 127.10, "latitude": 37.57}  # 10 km to the east


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("relay") / "hub") as server:
        yield server


def cam(station: int, place: dict[str, float], **more: Any) -> dict[str, Any]:
    return {
        "stationId": station,
        "position": place,
        "heading": 90.0,
        "speed": 14.0,
        "generationTime": round(time.time() * 1000),
        **more,
    }


@contextmanager
def dial(hub: Server, place: dict[str, float], radius: float = 300.0) -> Iterator[ClientConnection]:
    """Open a WebSocket that listens around a place."""
    with connect(hub.url.replace("http", "ws") + "/relay") as line:
        line.send(orjson.dumps({"listen": {**place, "radius": radius}}).decode())
        line.send("{}")  # what is wrong is answered in order, so it listens by then
        assert "stationId" in heard(line, 20)["detail"]
        yield line


def heard(line: ClientConnection, timeout_s: float = 10.0) -> dict[str, Any]:
    found = orjson.loads(line.recv(timeout=timeout_s))
    assert isinstance(found, dict)
    return found


def test_a_warning_is_heard_near_by_and_not_far_away(hub: Server) -> None:
    with dial(hub, HERE) as near, dial(hub, FAR) as far:
        warning = cam(1, HERE, eventType="stationaryVehicle")
        answer = hub.request("POST", "/relay", warning)
        assert answer.status == 202
        assert answer.json() == {"relayed": 1}
        assert heard(near) == warning
        with pytest.raises(TimeoutError):
            heard(far, 0.2)


def test_vehicles_hear_one_another_as_they_move(hub: Server) -> None:
    with dial(hub, HERE) as one, dial(hub, FAR) as other:
        one.send(orjson.dumps(cam(1, HERE)).decode())
        other.send(orjson.dumps(cam(2, FAR)).decode())
        with pytest.raises(TimeoutError):
            heard(one, 0.2)
        other.send(orjson.dumps(cam(2, HERE)).decode())  # it has come here
        assert heard(one)["stationId"] == 2
        one.send(orjson.dumps(cam(1, HERE)).decode())
        assert heard(other)["stationId"] == 1


def test_the_roadside_hears_it_as_server_sent_events(hub: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", hub.port, timeout=20)
    connection.request("GET", "/relay?longitude=126.98&latitude=37.57&radius=500")
    answer = connection.getresponse()
    assert answer.getheader("content-type", "").startswith("text/event-stream")
    assert answer.readline() == b": listening\n"
    sent = cam(9, HERE)
    threading.Timer(0.1, hub.request, ("POST", "/relay", sent)).start()
    lines = [answer.readline() for _ in range(3)]
    assert lines[1] == b"event: message\n"
    assert orjson.loads(lines[2].removeprefix(b"data: ")) == sent
    connection.close()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"stationId": 1}, "generationTime is missing"),
        (cam(1, {"longitude": 300.0, "latitude": 0.0}), "position.longitude must be a number"),
        ([], "must be a JSON object"),
    ],
)
def test_what_is_wrong_is_answered(hub: Server, body: object, why: str) -> None:
    answer = hub.request("POST", "/relay", body)
    assert answer.status == 400
    assert why in answer.body.decode()


def test_where_to_listen_has_to_be_said(hub: Server) -> None:
    assert hub.request("GET", "/relay").status == 400
    answer = hub.request("GET", "/relay?longitude=126.98&latitude=37.57&radius=90000")
    assert answer.status == 400
    assert b"radius must be a number from 1 to 5000" in answer.body


def test_only_who_may_send_measurements_takes_part(tmp_path: Any) -> None:
    with Server(tmp_path / "hub", open=False) as closed:
        assert closed.request("POST", "/relay", cam(1, HERE)).status == 401
        assert closed.request("GET", "/relay?longitude=1&latitude=1").status == 401
        mine = closed.local_key()
        assert closed.request("POST", "/relay", cam(1, HERE), mine).status == 202

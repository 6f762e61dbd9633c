"""The live map of a running hub over WebSockets: who sees what, when, and what ends it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Self

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.e2e.server import API, Server
from tests.web.live_screen import Screen, Seen

PATIENCE_S = 60.0
AROUND = [126.9, 37.4, 127.1, 37.6]
CARS = {"name": "cars", "type": "Vehicle", "value": "speed"}


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("live")
    running = Server(folder / "data", open=False)
    running.start(PATIENCE_S)
    try:
        yield running
    finally:
        running.stop()


def entity(name: str, kind: str, longitude: float = 127.0, **values: Any) -> dict[str, Any]:
    place = {"type": "Point", "coordinates": [longitude, 37.5]}
    attributes = {key: {"type": "Property", "value": value} for key, value in values.items()}
    scope = {"scope": attributes.pop("scope")["value"]} if "scope" in attributes else {}
    location = {"type": "GeoProperty", "value": place}
    id = f"urn:ngsi-ld:{kind}:{name}"
    return {"id": id, "type": kind, "location": location, **attributes, **scope}


def write(hub: Server, *entities: dict[str, Any]) -> None:
    answer = hub.request("POST", f"{API}/entityOperations/upsert", list(entities), hub.local_key())
    assert answer.status in (201, 204), answer.body


def delete(hub: Server, *ids: str) -> None:
    answer = hub.request("POST", f"{API}/entityOperations/delete", list(ids), hub.local_key())
    assert answer.status == 204, answer.body


def made_key(hub: Server, **limits: Any) -> tuple[dict[str, str], str]:
    """Return the header of a new key, and its id."""
    body = {"kind": "app", "name": "viewer", **limits}
    answer = hub.request("POST", "/trust/keys", body, hub.local_key())
    assert answer.status == 201, answer.body
    made: Any = answer.json()
    return {"Authorization": f"Bearer {made['key']}"}, made["id"]


class Watching:
    """A viewer on a connection of its own."""

    def __init__(self, hub: Server, headers: dict[str, str], path: str = "/live") -> None:
        address = hub.url.replace("http", "ws") + path
        self._opening = connect(
            address, additional_headers=headers, compression=None, max_size=None, open_timeout=30
        )
        self.screen = Screen()
        self.told: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        self.line: ClientConnection = self._opening.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._opening.__exit__(*error)

    def look(
        self, *layers: dict[str, Any], bounds: list[float] | None = None, zoom: float = 14
    ) -> None:
        asked = {"bounds": bounds or AROUND, "zoom": zoom, "layers": list(layers)}
        self.screen.look([json.dumps(layer) for layer in layers])
        self.line.send(json.dumps(asked))

    def hear(self, wait_s: float) -> bool:
        """Take one message; tell whether one came in time."""
        try:
            message = self.line.recv(timeout=wait_s)
        except TimeoutError:
            return False
        if isinstance(message, str):
            self.told.append(json.loads(message))
        else:
            self.screen.take(message)
        return True

    def sees(self, layer: dict[str, Any] = CARS) -> dict[str, Seen]:
        """Return what is on the screen, by the last part of the ids."""
        found = self.screen.shows(json.dumps(layer))
        return {id.rpartition(":")[2]: seen for id, seen in found.items()}

    def until(self, look: Callable[[], Any]) -> Any:
        """Hear until something is so."""
        deadline = time.monotonic() + PATIENCE_S
        while not (found := look()):
            assert time.monotonic() < deadline, (self.told, list(self.screen.looks))
            self.hear(1.0)
        return found

    def end(self) -> int:
        """Hear until the connection is closed; return the code."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                self.hear(1.0)
            except ConnectionClosed as closed:
                return 0 if closed.rcvd is None else closed.rcvd.code
        raise AssertionError("it was not closed")


def test_a_viewer_sees_what_there_is_and_every_change_of_it(hub: Server) -> None:
    write(hub, entity("a1", "Vehicle", speed=30), entity("a2", "Vehicle", 128.0, speed=40))
    with Watching(hub, hub.local_key()) as viewer:
        viewer.look(CARS)
        viewer.until(lambda: viewer.sees().keys() == {"a1"})
        write(hub, entity("a1", "Vehicle", 127.001, speed=31), entity("a3", "Vehicle", speed=1))
        viewer.until(lambda: viewer.sees().keys() == {"a1", "a3"})
        viewer.until(lambda: viewer.sees()["a1"][:3] == (1_270_010_000, 375_000_000, 31.0))
        delete(hub, "urn:ngsi-ld:Vehicle:a3")
        viewer.until(lambda: viewer.sees().keys() == {"a1"})
        write(hub, entity("a1", "Vehicle", 128.0, speed=31))
        viewer.until(lambda: not viewer.sees())
        viewer.look(CARS, bounds=[127.9, 37.4, 128.1, 37.6])
        viewer.until(lambda: viewer.sees().keys() == {"a1", "a2"})
    delete(hub, *(f"urn:ngsi-ld:Vehicle:a{one}" for one in (1, 2)))


def test_a_query_decides_what_is_seen_as_values_change(hub: Server) -> None:
    fast = CARS | {"q": "speed>50"}
    free = {"name": "spots", "type": "ParkingSpot", "value": "status"}
    write(hub, entity("b1", "Vehicle", speed=60), entity("b2", "Vehicle", speed=40))
    write(hub, entity("p1", "ParkingSpot", status="free"))
    with Watching(hub, hub.local_key()) as viewer:
        viewer.look(fast, free)
        viewer.until(lambda: viewer.sees(fast).keys() == {"b1"})
        viewer.until(lambda: viewer.sees(free).keys() == {"p1"})
        assert viewer.sees(free)["p1"].word == "free"
        write(hub, entity("b1", "Vehicle", speed=20), entity("b2", "Vehicle", speed=70))
        viewer.until(lambda: viewer.sees(fast).keys() == {"b2"})
    delete(hub, "urn:ngsi-ld:Vehicle:b1", "urn:ngsi-ld:Vehicle:b2", "urn:ngsi-ld:ParkingSpot:p1")


def test_a_type_out_of_reach_is_never_told(hub: Server) -> None:
    drivers, _ = made_key(hub, reads=["Vehicle"])
    others, _ = made_key(hub, reads=["ParkingSpot"])
    write(hub, entity("c1", "Vehicle", speed=1))
    with Watching(hub, drivers) as one, Watching(hub, others) as other:
        one.look(CARS)
        other.look(CARS)
        one.until(lambda: one.sees().keys() == {"c1"})
        for speed in range(2, 6):
            write(hub, entity("c1", "Vehicle", speed=speed), entity("c2", "Vehicle", speed=speed))
            time.sleep(0.1)
        one.until(lambda: one.sees().keys() == {"c1", "c2"})
        while other.hear(1.0):
            assert not other.sees()
        assert other.screen.anew == 1
    delete(hub, "urn:ngsi-ld:Vehicle:c1", "urn:ngsi-ld:Vehicle:c2")


def test_what_leaves_the_reach_of_one_goes_from_their_screen_alone(hub: Server) -> None:
    water, _ = made_key(hub, reads=["Vehicle"], scopes=["/Seoul/Water"])
    all_of_it, _ = made_key(hub, reads=["Vehicle"])
    write(hub, entity("d1", "Vehicle", speed=1, scope="/Seoul/Water"))
    write(hub, entity("d2", "Vehicle", speed=1, scope="/Seoul/Parks"))
    with Watching(hub, water) as one, Watching(hub, all_of_it) as other:
        one.look(CARS)
        other.look(CARS)
        other.until(lambda: other.sees().keys() == {"d1", "d2"})
        one.until(lambda: one.sees().keys() == {"d1"})
        write(hub, entity("d1", "Vehicle", speed=2, scope="/Seoul/Parks"))
        other.until(lambda: other.sees()["d1"].value == 2.0)
        one.until(lambda: not one.sees())
        write(hub, entity("d2", "Vehicle", speed=3, scope="/Seoul/Water"))
        one.until(lambda: one.sees().keys() == {"d2"})
    delete(hub, "urn:ngsi-ld:Vehicle:d1", "urn:ngsi-ld:Vehicle:d2")


def test_a_position_that_is_personal_is_not_told_to_who_may_not_see_it(hub: Server) -> None:
    walkers = {"name": "walkers", "type": "Walker"}
    mark = {
        "attribute": "location",
        "types": ["Walker"],
        "sensitivity": "personal",
        "subject": "refUser",
    }
    assert hub.request("POST", "/trust/marks", mark, hub.local_key()).status == 204
    reader, _ = made_key(hub, reads=["Walker", "Vehicle"])
    write(hub, entity("w1", "Walker"), entity("e1", "Vehicle", speed=1))
    with Watching(hub, reader) as one, Watching(hub, hub.local_key()) as other:
        one.look(walkers, CARS)
        other.look(walkers)
        other.until(lambda: other.sees(walkers).keys() == {"w1"})
        one.until(lambda: one.sees().keys() == {"e1"})
        write(hub, entity("w1", "Walker", 127.001), entity("w2", "Walker"))
        other.until(lambda: other.sees(walkers).keys() == {"w1", "w2"})
        while one.hear(1.0):
            assert not one.sees(walkers)
        assert not one.sees(walkers)
    delete(hub, "urn:ngsi-ld:Walker:w1", "urn:ngsi-ld:Walker:w2", "urn:ngsi-ld:Vehicle:e1")


def test_who_loses_the_right_is_cut_off(hub: Server) -> None:
    reader, id = made_key(hub, reads=["Vehicle"])
    write(hub, entity("f1", "Vehicle", speed=1))
    with Watching(hub, reader) as viewer:
        viewer.look(CARS)
        viewer.until(lambda: viewer.sees())
        assert hub.request("DELETE", f"/trust/keys/{id}", None, hub.local_key()).status == 204
        assert viewer.end() == 1008
        assert viewer.told[-1]["status"] == 401
    delete(hub, "urn:ngsi-ld:Vehicle:f1")


def test_who_does_not_sign_in_is_not_let_in(hub: Server) -> None:
    with Watching(hub, {}) as viewer:
        viewer.look(CARS)  # where the first message should say who it is
        assert viewer.end() == 1008
        assert viewer.told[-1]["status"] == 401


def test_the_page_of_another_site_is_refused(hub: Server) -> None:
    headers = {"Origin": "https://elsewhere.example", **hub.local_key()}
    with suppress(InvalidStatus), Watching(hub, headers) as viewer:
        assert viewer.end() == 1008
        assert "another site" in viewer.told[-1]["detail"]


def test_by_http_it_says_that_a_websocket_is_wanted(hub: Server) -> None:
    answer = hub.request("GET", "/live", None, hub.local_key())
    assert (answer.status, answer.headers["upgrade"]) == (426, "websocket")


@pytest.mark.parametrize(
    ("message", "why"),
    [
        ("no JSON", "a look must be JSON"),
        ("[]", "a look must be"),
        ('{"bounds": [1, 2, 3], "zoom": 3, "layers": []}', "bounds must be"),
        ('{"bounds": [1, 9, 3, 2], "zoom": 3, "layers": []}', "from south to north"),
        ('{"bounds": [1, 2, 3, 4], "zoom": true, "layers": []}', "zoom must be"),
        ('{"bounds": [1, 2, 3, 4], "zoom": 3, "layers": [{"name": "a"}]}', "a name and a type"),
        (json.dumps({"bounds": AROUND, "zoom": 3, "layers": [CARS] * 13}), "12 layers at most"),
        (json.dumps({"bounds": AROUND, "zoom": 3, "layers": [CARS, CARS]}), "a name of its own"),
        ("x" * 20_000, "16,384 characters at most"),
        ('{"seen": -1}', "seen must be a number of messages"),
        (b"\x01", "not a binary one"),
    ],
)
def test_what_is_wrong_is_told_and_ends_the_connection(
    hub: Server, message: str | bytes, why: str
) -> None:
    with Watching(hub, hub.local_key()) as viewer:
        viewer.line.send(message)
        assert viewer.end() == 1008
        assert why in viewer.told[-1]["detail"]


def test_a_query_that_is_none_is_told_and_the_other_layers_go_on(hub: Server) -> None:
    write(hub, entity("g1", "Vehicle", speed=1))
    with Watching(hub, hub.local_key()) as viewer:
        viewer.look({"name": "half", "type": "Vehicle", "q": "speed>"}, CARS)
        viewer.until(lambda: viewer.sees().keys() == {"g1"} and viewer.told)
        assert (viewer.told[0]["layer"], viewer.told[0]["status"]) == ("half", 400)
    delete(hub, "urn:ngsi-ld:Vehicle:g1")


def test_a_tenant_can_be_named_in_the_address(hub: Server) -> None:
    headers = {**hub.local_key(), "NGSILD-Tenant": "harbour"}
    car = entity("h1", "Vehicle", speed=1)
    assert hub.request("POST", f"{API}/entities", car, headers).status == 201
    with Watching(hub, hub.local_key(), "/live?tenant=harbour") as viewer:
        viewer.look(CARS)
        viewer.until(lambda: viewer.sees().keys() == {"h1"})
    with Watching(hub, hub.local_key(), "/live?tenant=nowhere") as stranger:
        assert stranger.end() == 1008


def test_one_who_does_not_read_holds_up_nobody_and_is_told_the_newest_later(hub: Server) -> None:
    write(hub, *(entity(f"i{one}", "Vehicle", speed=0) for one in range(1_000)))
    with Watching(hub, hub.local_key()) as quick, Watching(hub, hub.local_key()) as slow:
        slow.line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        quick.look(CARS)
        slow.look(CARS)
        quick.until(lambda: len(quick.sees()) == 1_000)
        for turn in range(1, 16):
            write(
                hub,
                *(
                    entity(f"i{one}", "Vehicle", 127 + turn / 1e3, speed=turn)
                    for one in range(1_000)
                ),
            )
            quick.until(lambda turn=turn: quick.sees()["i999"].value == turn)  # type: ignore[misc]
        slow.until(lambda: {seen.value for seen in slow.sees().values()} == {15.0})
        assert len(slow.sees()) == 1_000
    delete(hub, *(f"urn:ngsi-ld:Vehicle:i{one}" for one in range(1_000)))


def test_after_a_crash_a_viewer_who_comes_back_sees_what_was_acknowledged(tmp_path: Any) -> None:
    hub = Server(tmp_path / "data", open=False)
    hub.start(PATIENCE_S)
    with Watching(hub, hub.local_key()) as viewer:
        viewer.look(CARS)
        write(hub, *(entity(f"k{one}", "Vehicle", speed=one) for one in range(50)))
        viewer.until(lambda: len(viewer.sees()) == 50)
        hub.kill()
        assert viewer.end() == 0
    hub.start(PATIENCE_S)
    try:
        with Watching(hub, hub.local_key()) as again:
            again.look(CARS)
            again.until(lambda: len(again.sees()) == 50)
            delete(hub, "urn:ngsi-ld:Vehicle:k0")
            again.until(lambda: len(again.sees()) == 49)
            began = time.monotonic()
            hub.stop()
            assert time.monotonic() - began < 15
            assert again.end() == 1012
    finally:
        hub.kill()

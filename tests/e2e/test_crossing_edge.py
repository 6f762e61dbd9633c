"""A crossing at an edge node: the sign is told though the centre is away, and the centre hears."""

from __future__ import annotations

import json
import queue
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTMessage

from tests.e2e.mqtt_maker import connected
from tests.e2e.server import API, Server

CROSSING = "urn:ngsi-ld:PedestrianCrossing:school"
CAMERA = "urn:ngsi-ld:CrossingObserved:camera"
PROFILE = 'type = "CrossingObserved"\n[attributes]\npedestrianCount = { kind = "integer" }\n'
WAIT_S = 60.0  # on a busy machine
LOOK_S = 0.2  # from one look of the node whether the service is on to the next
SEEN_S = 1.0  # after which it has looked, on a busy machine, too


def good(server: Server, method: str, path: str, body: object = None) -> Any:
    answer = server.request(method, path, body)
    assert answer.status in (200, 201, 204), answer.body
    return answer.json() if answer.body else None


def until(look: Any) -> Any:
    end = time.monotonic() + WAIT_S
    while not (found := look()):
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


@pytest.fixture
def centre(tmp_path: Path) -> Iterator[Server]:
    """A centre that is not there yet."""
    server = Server(tmp_path / "centre")
    yield server
    server.kill()


@pytest.fixture
def node(tmp_path: Path, centre: Server) -> Iterator[Server]:
    paces = {"madang.sense.edge.crossing.LOOK_S": LOOK_S}
    environ = {"MADANG_EDGE_UPSTREAM": centre.url}
    server = Server(tmp_path / "node", environ=environ, paces=paces)
    server.start(WAIT_S)
    good(server, "PUT", "/profiles/crossing", {"text": PROFILE})
    good(server, "POST", "/devices", {"device": "camera", "profile": "crossing"})
    good(server, "POST", "/devices", {"device": "sign"})
    link = {"type": "Relationship", "object": "urn:ngsi-ld:Device:sign"}
    home = {"type": "Relationship", "object": CROSSING}
    good(server, "POST", f"{API}/entityOperations/upsert", [
        {"id": CROSSING, "type": "PedestrianCrossing", "refSign": link,
         "pedestrianSignal": {"type": "Property", "value": "red"}},
        {"id": CAMERA, "type": "CrossingObserved", "refCrossing": home},
    ])  # fmt: skip
    options = {"tail_s": 0.2, "hold_s": 3, "signal_hold_s": 3600}
    good(server, "PATCH", "/services/crossing", {"on": True, "options": options})
    time.sleep(SEEN_S)
    yield server
    server.stop()


class Devices:
    """A camera and a sign."""

    def __init__(self, port: int) -> None:
        self.heard: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._sign = connected(port, "sign", "sign", "any")
        self._sign.on_message = self._on_message
        ready: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._sign.on_subscribe = lambda *_: ready.put(None)
        self._sign.subscribe("v1/devices/sign/down", qos=1)
        ready.get(timeout=WAIT_S)
        self._camera = connected(port, "camera", "camera", "any")

    def _on_message(self, client: Client, data: Any, message: MQTTMessage) -> None:
        self.heard.put(json.loads(message.payload))

    def sees(self, people: int) -> None:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        body = json.dumps({"observedAt": now, "pedestrianCount": people})
        done = self._camera.publish("v1/devices/camera/up", body, qos=1)
        done.wait_for_publish(WAIT_S)

    def told(self) -> dict[str, Any]:
        return self.heard.get(timeout=WAIT_S)

    def close(self) -> None:
        for client in (self._sign, self._camera):
            client.disconnect()
            client.loop_stop()


@pytest.fixture
def devices(node: Server) -> Iterator[Devices]:
    found = Devices(node.mqtt_port)
    yield found
    found.close()


def test_the_sign_is_told_in_order_without_a_centre_and_the_centre_hears_of_it_later(
    node: Server, centre: Server, devices: Devices
) -> None:
    assert good(node, "GET", "/sense/edge")["upstream"] == centre.url
    for _ in range(3):
        devices.sees(1)
        warned = devices.told()
        assert (warned["command"], warned["parameters"]["crossing"]) == ("warn", CROSSING)
        assert warned["parameters"]["reasons"] == ["pedestrianOnRed"]
        assert warned["parameters"]["seconds"] == 3
        devices.sees(0)
        while (cleared := devices.told())["command"] == "warn":  # told again meanwhile
            assert cleared["parameters"] == warned["parameters"]
        assert (cleared["command"], cleared["parameters"]) == ("clear", {"crossing": CROSSING})
    path = f"{API}/entities/{CROSSING}"
    assert until(lambda: good(node, "GET", path).get("warnedAfter"))["unitCode"] == "C26"
    centre.start(WAIT_S)
    heard: Any = until(lambda: known(centre, path))
    assert heard["warnedAfter"]["value"] > 0
    assert heard["pedestrianSignal"]["value"] == "red"


def known(server: Server, path: str) -> Any:
    answer: Any = server.request("GET", path)
    found = answer.json() if answer.status == 200 else {}
    return found if "warnedAfter" in found else None


def test_a_sign_goes_dark_when_the_camera_falls_silent(devices: Devices) -> None:
    devices.sees(2)
    assert devices.told()["command"] == "warn"
    began = time.monotonic()
    while devices.told()["command"] != "clear":
        pass
    assert time.monotonic() - began > 2


def test_a_node_that_comes_back_after_a_kill_warns_again(node: Server) -> None:
    node.kill()
    node.start(WAIT_S)
    time.sleep(SEEN_S)
    devices = Devices(node.mqtt_port)
    try:
        devices.sees(1)
        assert devices.told()["command"] == "warn"
    finally:
        devices.close()


def test_nobody_is_warned_when_the_service_is_off(node: Server, devices: Devices) -> None:
    good(node, "PATCH", "/services/crossing", {"on": False})
    time.sleep(SEEN_S)
    devices.sees(1)
    time.sleep(1.0)
    assert devices.heard.empty()

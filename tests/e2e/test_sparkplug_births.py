"""An edge node of Sparkplug that a running hub does not know: it is asked, and then understood."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from pathlib import Path
from typing import Any

from paho.mqtt.client import Client, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion

from madang.sense.codecs.sparkplug_payload import Payload
from tests.e2e.mosquitto import Mosquitto, needs_mosquitto
from tests.e2e.server import API, Server, free_port

PROFILE = 'title = "Pump"\ntype = "Pump"\n[attributes]\nspeed = { path = "Motor/Speed" }\n'
NODE = "spBv1.0/Plant/{}/Edge1"
ALIAS, INT32, BOOLEAN, UINT64 = 5, 3, 11, 8
BEGAN = 1_769_860_800_000  # ms: 2026-01-31T12:00:00Z


class EdgeNode:
    """A client of paho that never says its birth until it is asked."""

    def __init__(self, port: int, key: str = "") -> None:
        self.commands: list[MQTTMessage] = []
        self._sequence = 40
        self._ready = threading.Event()
        self._client = Client(CallbackAPIVersion.VERSION2, "edge1")
        if key:
            self._client.username_pw_set("edge1", key)
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_message = self._hear
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._client.subscribe(NODE.format("NCMD"), 0)
        assert self._ready.wait(10)

    def _hear(self, client: Client, data: Any, message: MQTTMessage) -> None:
        self.commands.append(message)
        metrics = {
            one.name: one.boolean_value for one in Payload.FromString(message.payload).metrics
        }
        if metrics.get("Node Control/Rebirth"):
            self._be_born()

    def _be_born(self) -> None:
        self._sequence = 0
        self._say(
            "NBIRTH",
            {"name": "bdSeq", "datatype": UINT64, "long_value": 0},
            {"name": "Node Control/Rebirth", "datatype": BOOLEAN, "boolean_value": False},
            {"name": "Motor/Speed", "alias": ALIAS, "datatype": INT32, "int_value": 7},
        )

    def tell(self, speed: int) -> None:
        """Tell of a speed, without saying what it is: that is for the birth to say."""
        self._say("NDATA", {"alias": ALIAS, "int_value": speed})

    def _say(self, what: str, *metrics: dict[str, Any]) -> None:
        body = Payload(timestamp=BEGAN + self._sequence, seq=self._sequence)
        self._sequence += 1
        for metric in metrics:
            body.metrics.add(**metric)
        self._client.publish(NODE.format(what), body.SerializeToString(), 0)

    def leave(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def put_up(server: Server) -> str:
    """Register the edge node; return the key of a gateway."""
    local = server.local_key()
    assert server.request("PUT", "/profiles/pump", {"text": PROFILE}, local).status == 201
    wanted = {"device": "pump", "profile": "pump", "alias": ["Plant/Edge1"]}
    assert server.request("POST", "/devices", wanted, local).status == 201
    wanted = {"kind": "app", "name": "gateway", "writes": ["Pump"]}
    made = server.request("POST", "/trust/keys", wanted, local)
    assert made.status == 201, made.body
    return str(json.loads(made.body)["key"])


def check(server: Server, node: EdgeNode) -> None:
    try:
        node.tell(8)
        wait_for(server, 7)  # from the birth
        node.tell(-9 & 0xFFFFFFFF)
        wait_for(server, -9)
    finally:
        node.leave()
    [command] = node.commands
    assert (command.qos, command.retain) == (0, False)
    assert not Payload.FromString(command.payload).HasField("seq")


def wait_for(server: Server, speed: int) -> None:
    end, found = time.monotonic() + 10, b""
    while time.monotonic() < end:
        path = f"{API}/entities/urn:ngsi-ld:Pump:pump"
        answer = server.request("GET", path, headers=server.local_key())
        found = answer.body
        if answer.status == 200 and json.loads(found)["speed"]["value"] == speed:
            return
        time.sleep(0.02)
    raise AssertionError(f"{speed} has not arrived: {found!r}")


def test_an_edge_node_that_the_hub_does_not_know_is_asked_and_understood(tmp_path: Path) -> None:
    with Server(tmp_path / "data", open=False) as server:
        key = put_up(server)
        check(server, EdgeNode(server.mqtt_port, key))


@needs_mosquitto
async def test_so_is_an_edge_node_at_another_broker(tmp_path: Path) -> None:
    mosquitto = Mosquitto(free_port(), tmp_path / "mosquitto")
    table = {"host": "127.0.0.1", "port": mosquitto.port, "topics": ["spBv1.0/#"]}
    environ = {"MADANG_MQTT_BROKERS": json.dumps({"plant": table})}
    async with mosquitto:
        with Server(tmp_path / "data", environ=environ, open=False) as server:
            await asyncio.to_thread(put_up, server)
            await asyncio.to_thread(wait_for_broker, server)
            node = await asyncio.to_thread(EdgeNode, mosquitto.port)
            await asyncio.to_thread(check, server, node)


def wait_for_broker(server: Server) -> None:
    """Wait until the hub has subscribed at the broker."""
    wanted = b'madang_mqtt_broker_connected{broker="plant"} 1.0'
    end = time.monotonic() + 10
    while wanted not in server.request("GET", "/metrics", headers=server.local_key()).body:
        assert time.monotonic() < end, server.log_end()
        time.sleep(0.05)

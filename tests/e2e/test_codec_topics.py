"""Messages to the topics of codecs, published to the broker of a running hub."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from paho.mqtt.client import Client, MQTTv5
from paho.mqtt.enums import CallbackAPIVersion

from madang.sense.codecs.sparkplug_payload import Payload
from tests.e2e.server import API, Server

PROFILE = """
title = "Pump"
type = "Pump"

[attributes]
speed = { path = "Motor/Speed", unit = "RPM" }
temperature = { path = "t", unit = "CEL" }
level = { path = "result" }
online = { path = "online", target = "device" }
"""
DEVICES = {"pump1": "Plant/Edge1/pump", "pump2": "motion001", "pump3": "12", "pump4": "d4"}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("topics") / "data") as server:
        assert server.request("PUT", "/profiles/pump", {"text": PROFILE}).status == 201
        for device, alias in DEVICES.items():
            wanted = {"device": device, "profile": "pump", "alias": [alias]}
            made = server.request("POST", "/devices", wanted)
            assert made.status == 201, made.body
        yield server


@pytest.fixture
def client(broker: Server) -> Iterator[Client]:
    found = Client(CallbackAPIVersion.VERSION2, protocol=MQTTv5)
    found.connect("127.0.0.1", broker.mqtt_port)
    found.loop_start()
    yield found
    found.disconnect()
    found.loop_stop()


def publish(client: Client, topic: str, body: bytes | str) -> None:
    """Publish a message and wait until the hub has it."""
    client.publish(topic, body, qos=1).wait_for_publish(20)


def entity(broker: Server, id: str) -> Any:
    return broker.request("GET", f"{API}/entities/urn:ngsi-ld:{id}").json()


def payload(**metric: Any) -> bytes:
    found = Payload(timestamp=1_769_860_800_000)
    found.metrics.add(**metric)
    body: bytes = found.SerializeToString()
    return body


def test_a_sparkplug_device_is_born_tells_and_dies(broker: Server, client: Client) -> None:
    topic = "spBv1.0/Plant/{}/Edge1/pump"
    publish(client, topic.format("DBIRTH"), payload(name="Motor/Speed", alias=5, datatype=3))
    publish(client, topic.format("DDATA"), payload(alias=5, int_value=2**32 - 40))
    speed = entity(broker, "Pump:pump1")["speed"]
    assert (speed["value"], speed["unitCode"]) == (-40, "RPM")
    assert speed["observedAt"] == "2026-01-31T12:00:00Z"
    assert entity(broker, "Device:pump1")["online"]["value"] is True
    publish(client, "spBv1.0/Plant/NDEATH/Edge1", b"")
    assert entity(broker, "Device:pump1")["online"]["value"] is False


@pytest.mark.parametrize(
    ("topic", "body", "device", "attribute", "value"),
    [
        ("/ul/key/motion001/attrs", "t|21.5", "pump2", "temperature", 21.5),
        ("json/key/d4/attrs", '{"t": 4}', "pump4", "temperature", 4),
        ("v1.1/Datastreams(12)/Observations", '{"result": 38}', "pump3", "level", 38),
        (
            "v1.1/Observations",
            json.dumps({"result": 39, "Datastream": {"@iot.id": 12}}),
            "pump3",
            "level",
            39,
        ),
        ("v1/devices/pump4/up/senml", '[{"n": "t", "v": 5}]', "pump4", "temperature", 5),
    ],
)
def test_a_message_to_the_topic_of_a_codec_is_written(
    broker: Server,
    client: Client,
    topic: str,
    body: str,
    device: str,
    attribute: str,
    value: float,
) -> None:
    publish(client, topic, body)
    assert entity(broker, f"Pump:{device}")[attribute]["value"] == value

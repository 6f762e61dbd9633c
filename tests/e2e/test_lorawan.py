"""LoRaWAN as a city uses it: network servers push to the running hub, entities have the values."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest

from madang.sense.devices.profile import parse, shipped
from tests.e2e.mosquitto import needs_clients, published
from tests.e2e.server import API, Server, free_port
from tests.recorded import DATA, needs
from tests.sense.test_lorawan_vectors import PROFILES, VECTORS, name, plain, vectors

SAMPLES = "iot/lorawan/tts_v3_messages.json"
MQTT_PORT = free_port()
EUI = "70B3D57ED00{:05X}"
MOMENT = "2026-01-31T12:00:{:02d}.000Z"


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    options = ("--mqtt-port", str(MQTT_PORT))
    with Server(tmp_path_factory.mktemp("lorawan") / "hub", *options) as server:
        yield server


def register(hub: Server, device: str, profile: str, *aliases: str) -> None:
    body = {"device": device, "profile": profile, "alias": list(aliases)}
    answer = hub.request("POST", "/devices", body)
    assert answer.status == 201, answer.body


def tts(eui: str, payload: bytes, port: int, second: int = 0) -> dict[str, Any]:
    return {
        "end_device_ids": {"device_id": "dev", "dev_eui": eui},
        "received_at": MOMENT.format(second),
        "uplink_message": {
            "f_port": port,
            "f_cnt": second,
            "frm_payload": base64.b64encode(payload).decode(),
            "rx_metadata": [{"gateway_ids": {"gateway_id": "roof"}, "rssi": -97, "snr": 4.5}],
            "received_at": MOMENT.format(second),
        },
    }


def chirpstack(eui: str, payload: bytes, port: int, second: int = 0) -> dict[str, Any]:
    return {
        "time": MOMENT.format(second).replace("Z", "+00:00"),
        "deviceInfo": {"deviceName": "a name", "devEui": eui.lower()},
        "fCnt": second,
        "fPort": port,
        "data": base64.b64encode(payload).decode(),
        "rxInfo": [{"gatewayId": "0016c001f153a14c", "rssi": -97, "snr": 4.5}],
    }


def entity(hub: Server, id: str) -> dict[str, Any] | None:
    answer = hub.request("GET", f"{API}/entities/{id}")
    if answer.status == 404:
        return None
    found = answer.json()
    assert isinstance(found, dict)
    return found


def letters(hub: Server) -> list[dict[str, Any]]:
    found = hub.request("GET", "/sense/letters?limit=1000").json()
    assert isinstance(found, dict)
    listed = found["letters"]
    assert isinstance(listed, list)
    return listed


@needs(VECTORS)
@pytest.mark.parametrize("server", ["tts", "chirpstack"])
def test_the_payload_of_every_known_device_becomes_entities(hub: Server, server: str) -> None:
    """All vectors of device types with a profile, each pushed as its network server would."""
    pushed = 0
    for number, vector in enumerate(vectors()):
        if name(vector) not in PROFILES:
            continue
        profile = f"lorawan-{PROFILES[name(vector)]}"
        eui, device = EUI.format(number + (1000 if server == "tts" else 0)), f"{server}-{number}"
        register(hub, device, profile, eui)
        message = (tts if server == "tts" else chirpstack)(
            eui, bytes.fromhex(vector["payload_hex"]), vector["fPort"] or 85
        )
        query = "?event=up" if server == "chirpstack" else ""
        answer = hub.request("POST", f"/sense/up/{server}{query}", message)
        expected = {key: plain(value) for key, value in vector["expected"]["data"].items()}
        is_beyond_the_pole = abs(expected.get("latitudeDeg", 0)) > 90
        assert answer.status == (400 if is_beyond_the_pole else 200), answer.body
        check(hub, device, profile, expected)
        pushed += 1
    assert pushed >= 50


def check(hub: Server, device: str, profile_name: str, expected: dict[str, Any]) -> None:
    """Compare each attribute that comes from one field with the maker's value of that field."""
    profile = parse(shipped()[profile_name], profile_name)
    main = entity(hub, profile.id_for(device)) or {}
    own = entity(hub, f"urn:ngsi-ld:Device:{device}") or {}
    for attribute, about in profile.attributes.items():
        if about.path is None or about.path not in expected:
            continue
        found = (own if about.target == "device" else main)[attribute]
        value = expected[about.path]
        if about.words:
            assert found["value"] == about.words[value]
        elif about.resolved_kind == "number":
            value = value * about.scale + about.offset
            digits = 1e-9 if about.precision is None else 0.5 * 10**-about.precision
            assert found["value"] == pytest.approx(value, rel=1e-6, abs=digits + 1e-9)
            assert found["unitCode"] == about.unit
            assert found["quality"]["value"] in ("good", "suspect", "fail")
        elif about.resolved_kind == "boolean":
            assert found["value"] is bool(value)
        else:
            assert found["value"] == value
        assert found["observedAt"].startswith("2026-01-31T12:00:00")
    assert own["rssi"]["value"] == -97


def test_the_value_of_a_probe_that_is_not_plugged_in_fails(hub: Server) -> None:
    register(hub, "lht", "lorawan-dragino-lht65n", EUI.format(90_001))
    payload = bytes.fromhex("cbc6008200f2017fff7fff")
    hub.request("POST", "/sense/up/tts", tts(EUI.format(90_001), payload, 2))
    found = entity(hub, "urn:ngsi-ld:WeatherObserved:lht")
    assert found is not None
    assert found["temperature"]["value"] == 1.3
    assert found["temperature"]["qualityReason"]["value"] == ["late"]  # months after its time
    assert found["probeTemperature"]["quality"]["value"] == "fail"
    assert found["probeTemperature"]["qualityReason"]["value"] == ["range", "late"]


def test_the_same_uplink_twice_is_known(hub: Server) -> None:
    register(hub, "elsys-1", "lorawan-elsys", EUI.format(90_002))
    message = tts(EUI.format(90_002), bytes.fromhex("0100ea0237"), 5)
    first = hub.request("POST", "/sense/up/tts", message).json()
    again = hub.request("POST", "/sense/up/tts", message).json()
    assert isinstance(first, dict)
    assert isinstance(again, dict)
    assert first["values"] > 0
    assert again == {"entities": 2, "values": 0, "late": 0, "known": again["known"]}


@needs(SAMPLES)
def test_documented_messages_of_the_things_stack_are_taken_ignored_or_kept(hub: Server) -> None:
    """Devices are registered as in the samples, with no decoder: the network's own is believed."""
    profile = """
        type = "Thing"
        codec = "tts"
        [attributes]
        temperature = { path = "temperature", kind = "number" }
        occupied = { path = "occupied", kind = "boolean" }
    """
    put = hub.request("PUT", "/profiles/of-the-samples", {"text": profile})
    assert put.status == 201, put.body
    register(hub, "dev1", "of-the-samples", "0004A30B001C0530", "4200000000000000")
    samples = orjson.loads((DATA / SAMPLES).read_bytes())
    outcomes: dict[int, str] = {}
    for place, sample in enumerate(samples):
        path = "/sense/up/tts" if "result" in sample["message"] else "/devices/dev1/up?codec=tts"
        answer = hub.request("POST", path, sample["message"])
        told = answer.json()
        assert isinstance(told, dict)
        if answer.status == 200:
            outcomes[place] = "values" if told["values"] + told["known"] else "nothing"
        else:
            assert answer.status == 400
            outcomes[place] = told["reason"]
            kept = hub.request("GET", f"/sense/letters/{told['letter']}").json()
            assert isinstance(kept, dict)
            assert kept["reason"] == told["reason"]
    by_outcome = {
        one: [place for place, outcome in outcomes.items() if outcome == one]
        for one in ("values", "badPayload", "noCodec", "unknownDevice")
    }
    assert by_outcome == {
        "values": [2, 10, 21, 25],
        "badPayload": [9, 22],  # AWS's own envelope, and an array
        "noCodec": [12, 14, 26],  # bytes alone, and a profile without decoder
        "unknownDevice": [19, 20],  # 1111111111111111
    }


def test_what_cannot_be_used_is_kept_with_the_reason(hub: Server) -> None:
    eui = EUI.format(90_003)
    register(hub, "broken", "lorawan-decentlab-dl-pm", eui)
    before = len(letters(hub))
    for message, reason, detail in [
        (tts("70B3D57ED00FFFFF", b"\x01", 1), "unknownDevice", "no device is named"),
        (tts(eui, b"\x05\x00", 1), "badPayload", "the decoder says: payload version 5; expected 2"),
        (tts(eui, b"\x02\x00\x01\x00\x0f\x0c", 1), "badPayload", "ends within a value"),
        ({"hello": "world"}, "badPayload", "no message of The Things Stack"),
    ]:
        answer = hub.request("POST", "/sense/up/tts", message)
        told = answer.json()
        assert isinstance(told, dict)
        assert (answer.status, told["reason"]) == (400, reason)
        assert detail in told["detail"]
    assert len(letters(hub)) == before + 4


def test_an_uplink_that_came_before_its_device_was_registered_is_replayed(hub: Server) -> None:
    eui = EUI.format(90_004)
    answer = hub.request("POST", "/sense/up/tts", tts(eui, bytes.fromhex("0100ea0237"), 5)).json()
    assert isinstance(answer, dict)
    assert answer["reason"] == "unknownDevice"
    register(hub, "elsys-late", "lorawan-elsys", eui)
    done = hub.request("POST", f"/sense/letters/replay?id={answer['letter']}").json()
    assert done == {"replayed": 1, "failed": []}
    found = entity(hub, "urn:ngsi-ld:IndoorEnvironmentObserved:elsys-late")
    assert found is not None
    assert found["temperature"]["value"] == 23.4


@needs_clients
@pytest.mark.parametrize(
    ("topic", "others", "make"),
    [
        (
            "v3/app@city/devices/dev/up",
            ["v3/app@city/devices/dev/join", "v3/app@city/devices/dev/down/ack"],
            tts,
        ),
        (
            "application/1/device/{eui}/event/up",
            ["application/1/device/{eui}/event/join"],
            chirpstack,
        ),
    ],
    ids=["tts", "chirpstack"],
)
def test_uplinks_come_over_mqtt_as_network_servers_publish_them(
    hub: Server, topic: str, others: list[str], make: Callable[..., dict[str, Any]]
) -> None:
    before = len(letters(hub))
    eui, device = EUI.format(90_010 + len(others)), f"mqtt-{len(others)}"
    register(hub, device, "lorawan-elsys", eui)
    join = {"join_accept": {}, "deviceInfo": {"devEui": eui}}
    for other in others:
        publish(other.format(eui=eui.lower()), join)
    for second in range(3):
        payload = bytes([0x01, 0x00, 0xEA + second])
        publish(topic.format(eui=eui.lower()), make(eui, payload, 5, second))
    found = entity(hub, f"urn:ngsi-ld:IndoorEnvironmentObserved:{device}")
    assert found is not None
    assert found["temperature"]["value"] == 23.6
    assert found["temperature"]["observedAt"].startswith("2026-01-31T12:00:02")
    assert len(letters(hub)) == before


def publish(topic: str, message: dict[str, Any]) -> None:
    assert published(MQTT_PORT, topic, orjson.dumps(message)) == (0, "")

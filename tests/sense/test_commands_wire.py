"""How commands are written for devices and network servers, and read back from them."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from madang.act.commands.equipment import Order, OutOfReach, Unwritable
from madang.act.commands.rules import Rule
from madang.sense.codecs.sparkplug_payload import Payload
from madang.sense.codecs.table import codec
from madang.sense.devices import commands_wire as wire
from madang.sense.devices.commands import Equipment, device_of
from madang.sense.devices.commands_form import is_device_address
from madang.sense.devices.profile import ProfileError, parse
from madang.sense.message import Answered, Message, Rejected
from madang.sense.transports.mqtt_access import address_of
from madang.trust.principal import OPEN
from tests.recorded import DATA, needs
from tests.sense.device_city import a_tenant, prop, registry

VECTORS = "iot/lorawan/codec_vectors_downlink.jsonl"
ID = "urn:ngsi-ld:Command:lights:dusk-1:1"
EUI = "70B3D57BA0000BD0"
HEAD = 'title = "x"\ntype = "Streetlight"\n'
DIM = """
[commands.dim]
title = { en = "Dim", ko = "밝기" }
parameters = { type = "object" }
"""
DECENTLAB = '''
decoder = "javascript"
script = """
function decodeUplink(input) { return { data: {} }; }
const CODES = { "set period + save": 2, "set adr off": 7 };
function encodeDownlink({ data }) {
  const code = CODES[data.command], parameter = data.parameter ?? 0;
  if (code === undefined) return { errors: [`no command ${data.command}`] };
  const bytes = [code >> 8, code & 255, parameter >> 8, parameter & 255];
  let crc = 0xffff; // CRC-16/MODBUS
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >> 1) ^ 0xa001 : crc >> 1;
  }
  return { fPort: 1, bytes: [...bytes, crc >> 8, crc & 255] };
}
"""
'''


def order(parameters: Any, **members: Any) -> Order:
    rule = Rule.model_validate(
        {"title": {"en": "Dim", "ko": "밝기"}, "parameters": {"type": "object"}, **members}
    )
    return Order(ID, "dim", parameters, 1_795_000_030_000_000, rule)


def message(body: object, address: str, device: str = "") -> Message:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return Message("mqtt", address, raw, OPEN, 0, "", "", device)


# --- plain ------------------------------------------------------------------------------------


def test_the_usual_command_has_its_id_name_parameters_and_end() -> None:
    one = order({"level": 0.3})
    assert orjson.loads(wire.plain(one)) == {
        "id": ID,
        "command": "dim",
        "parameters": {"level": 0.3},
        "expiresAt": "2026-11-18T11:07:10Z",
    }
    assert wire.bears_id(one)


def test_a_template_of_the_profile_is_filled_in() -> None:
    payload = {"cmd": "{command}", "v": "{level}", "ref": "{id}", "fade": "{fade}", "n": [1, "{x}"]}
    one = order({"level": 30}, payload=payload)
    assert orjson.loads(wire.plain(one)) == {"cmd": "dim", "v": 30, "ref": ID, "n": [1]}
    assert wire.bears_id(one)
    text = order({"level": 30}, payload="DIM {level}")
    assert wire.plain(text) == b"DIM 30"
    assert not wire.bears_id(text)


def test_what_a_parameter_holds_is_never_read_as_a_template() -> None:
    one = order({"text": "{id} {level}", "level": 1}, payload={"say": "{text}", "also": "x {text}"})
    assert orjson.loads(wire.plain(one)) == {"say": "{id} {level}", "also": "x {id} {level}"}


# --- LoRaWAN ----------------------------------------------------------------------------------


def lorawan(more: str = "", way: str = 'codec = "tts"\napplication = "app@city"\n') -> Any:
    return parse(f"{HEAD}{more}\n[attributes]\n[downlink]\n{way}{DIM}", "x")


@needs(VECTORS)
async def test_scripts_encode_the_recorded_commands_for_both_network_servers() -> None:
    profile = lorawan(DECENTLAB)
    vectors = [
        orjson.loads(line)
        for line in (DATA / VECTORS).read_bytes().splitlines()
        if b'"decentlab"' in line
    ]
    assert len(vectors) > 100
    seen: set[bytes] = set()
    for vector in vectors:
        key = orjson.dumps(vector["input"])
        if key in seen:
            continue
        seen.add(key)
        expected = vector["expected"]
        one = order(vector["input"]["data"])
        (frame,) = orjson.loads(await wire.tts(profile, one))["downlinks"]
        assert [*base64.b64decode(frame["frm_payload"])] == expected["bytes"]
        assert frame["f_port"] == expected["fPort"]
        sent = orjson.loads(await wire.chirpstack(profile, one, EUI.lower()))
        assert [*base64.b64decode(sent["data"])] == expected["bytes"]
        assert (sent["fPort"], sent["devEui"], sent["confirmed"]) == (1, EUI.lower(), True)


async def test_a_script_that_cannot_encode_says_why() -> None:
    with pytest.raises(Unwritable, match="no command self-destruct"):
        await wire.tts(lorawan(DECENTLAB), order({"command": "self-destruct"}))
    broken = DECENTLAB.replace("fPort: 1", "fPort: 1000")
    with pytest.raises(Unwritable, match="must return"):
        await wire.tts(lorawan(broken), order({"command": "set adr off"}))
    huge = DECENTLAB.replace("[...bytes, crc >> 8, crc & 255]", "1e12")
    with pytest.raises(Unwritable, match="must return"):
        await wire.tts(lorawan(huge), order({"command": "set adr off"}))


async def test_without_a_script_the_network_server_encodes() -> None:
    (frame,) = orjson.loads(await wire.tts(lorawan(), order({"level": 3})))["downlinks"]
    assert frame["decoded_payload"] == {"level": 3}
    assert frame["correlation_ids"] == [wire.token(ID)]
    assert all(len(one) <= 100 for one in frame["correlation_ids"])
    sent = orjson.loads(await wire.chirpstack(lorawan(), order({"level": 3}), EUI.lower()))
    assert sent["object"] == {"level": 3}
    assert sent["id"] == wire.token(ID)


@pytest.mark.parametrize(
    ("event", "body", "status"),
    [
        ("downlink_ack", {}, "done"),
        ("downlink_nack", {}, "failed"),
        ("downlink_sent", {}, "acknowledged"),
        ("downlink_failed", {"error": {"message_format": "too long"}}, "failed"),
    ],
)
def test_events_of_the_things_stack_tell_of_commands(
    event: str, body: dict[str, Any], status: str
) -> None:
    ids = [wire.token(ID), "as:downlink:01E19B99501X84X6CV471TVSZ1"]
    inner = {"downlink": {"correlation_ids": ids}, **body} if body else {"correlation_ids": ids}
    whole = {"end_device_ids": {"device_id": "dev1", "dev_eui": EUI}, event: inner}
    (found,) = codec("tts").decode(message(whole, "v3/a/devices/dev1/down/ack", "dev1"))
    assert isinstance(found, Answered)
    assert (found.device, found.command, found.status) == (EUI, wire.token(ID), status)


@needs("iot/lorawan/tts_v3_messages.json")
def test_events_of_what_others_have_sent_are_nothing() -> None:
    samples = orjson.loads((DATA / "iot/lorawan/tts_v3_messages.json").read_bytes())
    bodies = [one["message"] for one in samples if isinstance(one["message"], dict)]
    others = [body for body in bodies if any(key.startswith("downlink_") for key in body)]
    assert others
    for body in others:
        assert codec("tts").decode(message(body, "v3/a/devices/dev1/down/x", "dev1")) == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"acknowledged": True, "fCntDown": 3}, "done"),
        ({"fCntDown": 3}, "failed"),
        ({"txInfo": {}, "gatewayId": "0016c001f153a14c"}, "acknowledged"),
    ],
    ids=["ack", "nack", "txack"],
)
def test_events_of_chirpstack_tell_of_commands(body: dict[str, Any], status: str) -> None:
    whole = {"deviceInfo": {"devEui": EUI.lower()}, "queueItemId": wire.token(ID), **body}
    (found,) = codec("chirpstack").decode(message(whole, "application/1/device/x/event/ack"))
    assert isinstance(found, Answered)
    assert (found.device, found.command, found.status) == (EUI, wire.token(ID), status)


# --- others -----------------------------------------------------------------------------------


def test_parameters_are_metrics_of_sparkplug() -> None:
    body = wire.sparkplug(order({"on": True, "steps": -2, "level": 0.5, "mode": "auto"}), 5_000)
    payload: Any = Payload.FromString(body)
    assert [(one.name, one.datatype) for one in payload.metrics] == [
        ("on", 11),
        ("steps", 4),
        ("level", 10),
        ("mode", 12),
    ]
    assert payload.metrics[1].long_value == 2**64 - 2
    assert payload.timestamp == 5
    named = wire.sparkplug(order({"level": 0.5}, payload={"Outputs/Level": "{level}"}), 5_000)
    assert cast("Any", Payload.FromString(named)).metrics[0].name == "Outputs/Level"
    with pytest.raises(Unwritable):
        wire.sparkplug(order({}), 0)


def test_results_of_ultralight_commands_are_read() -> None:
    topic = "/ul/key/lamp1/cmdexe"
    (found,) = codec("ultralight").decode(message(b"lamp1@dim|30", topic, "lamp1"))
    assert found == Answered("lamp1", "lamp1@dim", "done", "30")
    for body in (b"lamp2@dim|30", b"lamp1@|3", b"nothing"):
        with pytest.raises(Rejected):
            codec("ultralight").decode(message(body, topic, "lamp1"))
    with pytest.raises(Unwritable):
        wire.ultralight("lamp1", order({"text": "a@b"}))


@pytest.mark.parametrize(
    "body",
    [
        {"status": "done"},
        {"id": ID},
        {"id": ID, "status": "perhaps"},
        {"id": ID, "status": "failed", "reason": 3},
        {"id": "x" * 600, "status": "done"},
        [1],
        b"x",
    ],
    ids=str,
)
def test_an_answer_that_says_nothing_is_refused(body: object) -> None:
    with pytest.raises(Rejected):
        codec("ack").decode(message(body, "v1/devices/lamp/ack", "lamp"))


def test_a_device_answers_for_several_commands_at_once() -> None:
    body = [{"id": ID, "status": "done"}, {"id": f"{ID}2", "status": "failed", "reason": "no"}]
    found = codec("ack").decode(message(body, "v1/devices/lamp/ack", "lamp"))
    assert found == [Answered("lamp", ID, "done"), Answered("lamp", f"{ID}2", "failed", "no")]


# --- profiles ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[downlink]\ncodec = 'tts'\n" + DIM, "downlink.application"),
        ("[downlink]\ntopic = 'no/device'\n" + DIM, "{device}"),
        ("[downlink]\ntopic = 'a/+/{device}'\n" + DIM, "+"),
        ("[downlink]\nurl = 'ftp://x'\n" + DIM, "URL"),
        ("[downlink]\nurl = 'http://{device}.lamps/x'\n" + DIM, "path only"),
        ("[downlink]\nurl = 'http://x'\nbroker = 'y'\n" + DIM, "by HTTP"),
        ("[commands.dim]\ntitle = { en = 'x' }\n", "ko"),
        (DIM + "approvals = 3\n", "approvals"),
        (DIM.replace('"object"', '"array"'), "object"),
        (DIM.replace('"object"', '"object", properties = { a = { type = "numbr" } }'),
         "no JSON Schema"),
        (DIM.replace('"object"', '"object", "$ref" = "http://169.254.169.254/x"'), "whole"),
        (DIM + "revert = { command = 'undim' }\n", "undim"),
        (DIM + "interlocks = [{ q = 'a==', message = { en = 'x', ko = 'y' } }]\n", "interlocks"),
        (DIM + "done_when = 'level=='\n", "done_when"),
        (DIM + "timeout = 3\n", "did you mean 'timeout_s'"),
        (DIM.replace("commands.dim", 'commands."dim it"'), "cannot be the name"),
        (DIM.replace('{ type = "object" }', '{ type = "object", required = ["a"] }')
         + "revert = { command = 'dim' }\n", "revert.parameters"),
    ],
)  # fmt: skip
def test_a_profile_with_commands_that_cannot_work_is_refused(text: str, named: str) -> None:
    with pytest.raises(ProfileError) as told:
        parse(f"{HEAD}[attributes]\n{text}", "x")
    assert named in str(told.value)


@pytest.mark.parametrize(
    ("address", "is_good"),
    [("10.3.4.5", True), ("2001:db8::5", True), ("127.0.0.1", False), ("169.254.169.254", False),
     ("::1", False), ("0.0.0.0", False), ("lamps.example", False), (None, False)],
)  # fmt: skip
def test_the_address_of_a_device_leads_to_no_other_part_of_this_machine(
    address: str | None, is_good: bool
) -> None:
    assert is_device_address(address) is is_good


# --- the way to a device ----------------------------------------------------------------------


class FakeBroker:
    def __init__(self) -> None:
        self.heard = True

    def is_heard(self, topic: str) -> bool:
        return self.heard


class NoBrokers:
    def named(self, name: str) -> None:
        return None


@pytest.mark.parametrize(
    ("way", "more", "topic"),
    [
        ("", {}, "v1/devices/lamp/down"),
        ('topic = "city/{device}/set"\n', {}, "city/lamp/set"),
        ('codec = "tts"\napplication = "app@city"\n', {"alias": ["post-7", EUI]},
         "v3/app@city/devices/post-7/down/push"),
        ('codec = "tts"\napplication = "app@city"\n', {"serialNumber": EUI},
         f"v3/app@city/devices/eui-{EUI.lower()}/down/push"),
        ('codec = "chirpstack"\napplication = "a1"\n', {"serialNumber": EUI},
         f"application/a1/device/{EUI.lower()}/command/down"),
        ('codec = "sparkplug"\n', {"alias": ["plant/edge/lamp"]}, "spBv1.0/plant/DCMD/edge/lamp"),
        ('codec = "sparkplug"\n', {"alias": ["plant/edge"]}, "spBv1.0/plant/NCMD/edge"),
        ('codec = "ultralight"\napplication = "key"\n', {}, "/key/lamp/cmd"),
    ],
)  # fmt: skip
async def test_each_way_has_its_topic(
    tmp_path: Path, way: str, more: dict[str, Any], topic: str
) -> None:
    async with a_tenant(tmp_path) as tenant, registry(tenant) as devices:
        await devices.shelf.put("lamp", f"{HEAD}[attributes]\n[downlink]\n{way}{DIM}")
        attributes = {"profile": prop("lamp"), **{k: prop(v) for k, v in more.items()}}
        await devices.add("lamp", attributes)

        class Station:
            def __init__(self) -> None:
                self.devices = devices

        async def station(name: str) -> Any:
            return Station()

        broker = FakeBroker()
        equipment = Equipment(station, cast("Any", broker), cast("Any", NoBrokers()))
        reached = await equipment.reach("", {"id": "urn:ngsi-ld:Streetlight:lamp", "type": "x"})
        assert reached is not None
        letter = await equipment.write(reached, order({"level": 1}))
        assert letter.address == topic
        busan = reached._replace(tenant="busan")
        assert (await equipment.write(busan, order({"level": 1}))).address == f"busan/{topic}"
        assert letter.bears_id is topic.startswith(("v1/", "city/"))
        broker.heard = False
        with pytest.raises(OutOfReach, match="nobody is connected"):
            equipment.check(letter)
        with pytest.raises(OutOfReach, match="'ttn' is not connected"):
            await equipment.send(letter._replace(place="ttn"))


async def test_a_device_is_found_by_itself_by_its_name_in_an_id_and_by_a_relationship(
    tmp_path: Path,
) -> None:
    async with a_tenant(tmp_path) as tenant, registry(tenant) as devices:
        text = f'{HEAD}id = "urn:ngsi-ld:Post:{{device}}:lamp"\n[attributes]\n{DIM}'
        await devices.shelf.put("lamp", text)
        await devices.add("a:7", {"profile": prop("lamp")})
        for document in (
            {"id": "urn:ngsi-ld:Device:a:7", "type": "Device"},
            {"id": "urn:ngsi-ld:Post:a:7:lamp", "type": "Streetlight"},
            {
                "id": "urn:ngsi-ld:Street:1",
                "type": "Street",
                "refDevice": {"type": "Relationship", "object": "urn:ngsi-ld:Device:a:7"},
            },
        ):
            found = device_of(devices, document)
            assert found is not None
            assert found.name == "a:7"
        for id in ("urn:ngsi-ld:Post:a:8:lamp", "urn:ngsi-ld:Other:a:7", "urn:x" + ":a" * 300):
            assert device_of(devices, {"id": id, "type": "Streetlight"}) is None
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("topic", "is_command"),
    [
        ("v1/devices/lamp/down", True),
        ("busan/v1/devices/lamp/down", True),
        ("v1/devices/lamp/down/more", True),
        ("v1/devices/lamp/up", False),
        ("v1/devices/lamp/ack", False),
        ("v3/app@city/devices/dev1/down/push", True),
        ("v3/app@city/devices/dev1/down/replace", True),
        ("v3/app@city/devices/dev1/down/ack", False),
        ("application/1/device/0004a30b001c0530/command/down", True),
        ("application/1/device/0004a30b001c0530/event/up", False),
        ("spBv1.0/plant/NCMD/press", True),
        ("spBv1.0/plant/DCMD/press/valve", True),
        ("spBv1.0/plant/DDATA/press/valve", False),
    ],
)
def test_topics_that_devices_are_commanded_at_are_known(topic: str, is_command: bool) -> None:
    address = address_of(topic)
    assert address.is_command is is_command
    assert not (address.is_command and address.is_up)


@pytest.mark.parametrize(
    ("topic", "codec"),
    [
        ("spBv1.0/plant/NCMD/press", "sparkplug"),
        ("v3/app@city/devices/dev1/down/push", "tts"),
        ("v1/devices/lamp/ack", "ack"),
    ],
)
def test_commands_that_an_external_broker_shows_are_read_by_their_codec(
    topic: str, codec: str
) -> None:
    assert address_of(topic).codec == codec

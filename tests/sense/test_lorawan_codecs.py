"""Messages of LoRaWAN network servers, and what the profile of a device makes of a payload."""

from __future__ import annotations

import base64
from typing import Any, NamedTuple

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.sense.codecs import lorawan
from madang.sense.codecs.table import by_topic
from madang.sense.message import Rejected, Uplink
from tests.recorded import DATA, needs
from tests.sense.codec_messages import decoded, refusal, takes_or_rejects, uplinks

SAMPLES = "iot/lorawan/tts_v3_messages.json"
HEARD = 1_581_520_546_000_000  # 2020-02-12T15:15:46Z [us]


def tts(**members: Any) -> dict[str, Any]:
    """Return an uplink of The Things Stack with other members of ``uplink_message``."""
    return {
        "end_device_ids": {
            "device_id": "dev1",
            "application_ids": {"application_id": "app1"},
            "dev_eui": "0004A30B001C0530",
        },
        "received_at": "2020-02-12T15:15:46.9Z",
        "uplink_message": {
            "f_port": 2,
            "f_cnt": 17,
            "frm_payload": "gkHe",
            "received_at": "2020-02-12T15:15:46.000000143Z",
            "rx_metadata": [
                {"gateway_ids": {"gateway_id": "far"}, "rssi": -117, "snr": -9.5},
                {"gateway_ids": {"gateway_id": "near"}, "rssi": -35, "snr": 5},
            ],
            **members,
        },
    }


def chirpstack(**members: Any) -> dict[str, Any]:
    """Return an event ``up`` of ChirpStack v4 with other members."""
    return {
        "deduplicationId": "3ac7e3c4-4401-4b8d-9386-a5c902f9202d",
        "time": "2020-02-12T15:15:46.000000242+00:00",
        "deviceInfo": {"deviceName": "bin-7", "devEui": "0004a30b001c0530", "tags": {}},
        "devAddr": "00189440",
        "fCnt": 4,
        "fPort": 2,
        "data": "gkHe",
        "rxInfo": [{"gatewayId": "0016c001f153a14c", "rssi": -48, "snr": 9.2}],
        **members,
    }


PAYLOAD = bytes.fromhex("8241de")


def test_an_uplink_of_the_things_stack_is_read() -> None:
    radio = {"rssi": -35, "snr": 5, "gateway": "near", "frameCounter": 17}
    assert decoded("tts", tts()) == [Uplink("0004A30B001C0530", {}, HEARD, PAYLOAD, 2, radio)]


def test_an_uplink_of_chirpstack_is_read() -> None:
    radio = {"rssi": -48, "snr": 9.2, "gateway": "0016c001f153a14c", "frameCounter": 4}
    expected = Uplink("0004A30B001C0530", {}, HEARD, PAYLOAD, 2, radio)
    assert decoded("chirpstack", chirpstack()) == [expected]


def test_what_the_network_decoded_comes_along() -> None:
    assert uplinks("tts", tts(decoded_payload={"t": 1.5}))[0].values == {"t": 1.5}
    assert uplinks("chirpstack", chirpstack(object={"t": 1.5}))[0].values == {"t": 1.5}


def test_what_chirpstack_leaves_out_is_nothing_or_zero() -> None:
    body = chirpstack(object={"t": 1})
    for member in ("fCnt", "fPort", "data", "rxInfo", "time"):
        del body[member]
    found = uplinks("chirpstack", body)[0]
    assert found == Uplink("0004A30B001C0530", {"t": 1}, None, None, 0, {"frameCounter": 0})


def test_without_a_dev_eui_the_device_has_the_name_its_application_gave() -> None:
    body = tts()
    del body["end_device_ids"]["dev_eui"]
    assert uplinks("tts", body)[0].device == "dev1"
    body["end_device_ids"] = {}
    assert "end_device_ids.device_id" in str(refusal("tts", body))
    assert uplinks("tts", body, device="dev7")[0].device == "dev7"  # the topic says it


def test_an_address_that_names_another_device_wins() -> None:
    assert uplinks("tts", tts(), device="dev1")[0].device == "0004A30B001C0530"
    assert uplinks("tts", tts(), device="bin-7")[0].device == "bin-7"
    assert uplinks("chirpstack", chirpstack(), device="bin-7")[0].device == "bin-7"
    eui = "0004a30b001c0530"  # as ChirpStack writes it in its topics
    assert uplinks("chirpstack", chirpstack(), device=eui)[0].device == eui.upper()


def test_a_frame_without_values_is_no_measurement() -> None:
    assert decoded("tts", tts(frm_payload=None)) == []
    body = chirpstack()
    del body["data"]
    assert decoded("chirpstack", body) == []


@pytest.mark.parametrize(
    ("codec", "body", "why"),
    [
        ("tts", [], "one message of The Things Stack"),
        ("tts", {"temperature": 3}, "expected the member uplink_message"),
        ("tts", {"end_device_ids": {}}, "expected the member uplink_message"),
        ("tts", {"uplink_message": 3}, "uplink_message must be an object"),
        ("tts", tts(frm_payload="no base64"), "frm_payload must be Base64"),
        ("tts", tts(frm_payload=7), "frm_payload must be Base64"),
        ("tts", tts(frm_payload=base64.b64encode(bytes(300)).decode()), "has 300 bytes"),
        ("tts", tts(f_port=256), "f_port must be a number from 0 to 255"),
        ("tts", tts(f_port=True), "f_port must be a number from 0 to 255"),
        ("tts", tts(decoded_payload=[1]), "decoded_payload must be an object"),
        ("tts", tts(received_at="yesterday"), "received_at must be a time"),
        ("chirpstack", {"data": "gkHe"}, "expected an object with the member deviceInfo"),
        ("chirpstack", chirpstack(deviceInfo={}), "deviceInfo.devEui must be the DevEUI"),
        ("chirpstack", chirpstack(deviceInfo={"devEui": "0004A3"}), "16 hexadecimal digits"),
        ("chirpstack", chirpstack(data="==="), "data must be Base64"),
        ("chirpstack", chirpstack(time="now"), "time must be a time"),
    ],
)
def test_what_is_wrong_with_a_message_is_said(codec: str, body: object, why: str) -> None:
    assert why in str(refusal(codec, body))


@pytest.mark.parametrize(
    "body",
    [
        {"deviceInfo": {"devEui": "0004a30b001c0530"}, "devAddr": "00189440"},  # join
        {"deviceInfo": {"devEui": "0004a30b001c0530"}, "margin": 15, "batteryLevel": 67.0},
        {"deviceInfo": {"devEui": "0004a30b001c0530"}, "acknowledged": True, "fCntDown": 1},
        {"deviceInfo": {"devEui": "0004a30b001c0530"}, "level": "ERROR", "code": "UPLINK_CODEC"},
        {
            "deviceInfo": {"devEui": "0004a30b001c0530"},
            "integrationName": "loracloud",
            "object": {"a": 1},
        },
    ],
)
def test_other_events_of_chirpstack_are_no_measurements(body: dict[str, Any]) -> None:
    assert decoded("chirpstack", body) == []


@pytest.mark.parametrize(
    ("topic", "codec", "device"),
    [
        ("v3/app1@city/devices/dev1/up", "tts", "dev1"),
        ("v3/app1@city/devices/dev1/join", "tts", "dev1"),
        ("v3/app1@city/devices/dev1/down/ack", "tts", "dev1"),
        ("v3/app1@city/devices/dev1/service/data", "tts", "dev1"),
        (
            "application/1/device/0004a30b001c0530/event/up",
            "chirpstack",
            "0004a30b001c0530",
        ),
        (
            "application/1/device/0004a30b001c0530/event/join",
            "chirpstack",
            "0004a30b001c0530",
        ),
    ],
)
def test_the_topics_of_network_servers_are_known(topic: str, codec: str, device: str) -> None:
    found = by_topic(topic)
    assert found is not None
    assert (found[0].name, found[1]) == (codec, device)


@needs(SAMPLES)
def test_each_documented_message_of_the_things_stack_is_read_ignored_or_refused() -> None:
    """The values are given to a device whose address is known where the sample leaves it out."""
    samples = orjson.loads((DATA / SAMPLES).read_bytes())
    outcomes: dict[str, list[int]] = {"read": [], "ignored": [], "refused": []}
    reasons = {}
    for place, sample in enumerate(samples):
        try:
            found = decoded("tts", sample["message"], device="dev1")
        except Rejected as error:
            outcomes["refused"].append(place)
            reasons[place] = str(error)
            continue
        outcomes["read" if found else "ignored"].append(place)
        for uplink in found:
            assert isinstance(uplink, Uplink)
            assert uplink.payload or uplink.values
            assert uplink.device == "dev1" or lorawan.dev_eui(uplink.device) == uplink.device
    assert len(samples) == 27
    assert outcomes["read"] == [2, 10, 12, 14, 19, 20, 21, 23, 24, 25, 26]
    assert outcomes["refused"] == [9, 22]
    assert "expected the member uplink_message" in reasons[9]  # AWS's own envelope
    assert "an object, not [" in reasons[22]  # an array, which The Things Stack never sends


# --- what the profile makes of a payload -------------------------------------------------------


class Profile(NamedTuple):
    decoder: str = ""
    script: str = ""


UPLINK = Uplink("d1", {"of": "the network"}, None, bytes.fromhex("0367011f"), 3)
SCRIPT = "function decodeUplink({ bytes }) { return { data: { first: bytes[0] } %s }; }"


async def test_without_a_decoder_the_network_is_believed() -> None:
    found = await lorawan.decoded(UPLINK, Profile())
    assert found == UPLINK._replace(payload=None)


async def test_without_decoder_and_values_the_way_out_is_said() -> None:
    with pytest.raises(Rejected, match='set decoder = "cayenne"') as caught:
        await lorawan.decoded(UPLINK._replace(values={}), Profile())
    assert caught.value.reason == "noCodec"


async def test_the_decoder_of_the_profile_comes_before_that_of_the_network() -> None:
    found = await lorawan.decoded(UPLINK, Profile("cayenne"))
    assert found.values == {"temperature_3": 28.7}
    found = await lorawan.decoded(UPLINK, Profile("javascript", SCRIPT % ""))
    assert found.values == {"first": 3}
    assert found.payload is None


async def test_an_uplink_without_payload_is_as_it_was() -> None:
    uplink = UPLINK._replace(payload=None)
    assert await lorawan.decoded(uplink, Profile("cayenne")) is uplink


async def test_warnings_become_a_field_and_errors_a_refusal() -> None:
    script = SCRIPT % ", warnings: ['battery low']"
    found = await lorawan.decoded(UPLINK, Profile("javascript", script))
    assert found.values == {"first": 3, "warnings": ["battery low"]}
    script = SCRIPT % ", errors: ['wrong port', 'too short']"
    with pytest.raises(Rejected, match="the decoder says: wrong port; too short"):
        await lorawan.decoded(UPLINK, Profile("javascript", script))
    with pytest.raises(Rejected, match="found no values"):
        await lorawan.decoded(UPLINK, Profile("javascript", "function Decoder() { return {} }"))


# --- anything else -----------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 300) | st.floats(allow_nan=False) | st.text("aZ="),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = (
    "f_port f_cnt frm_payload decoded_payload rx_metadata received_at settings rssi snr gateway_ids"
)


@given(st.dictionaries(st.sampled_from(MEMBERS.split()), JSON), JSON, JSON)
def test_any_uplink_of_the_things_stack_is_read_or_refused(
    uplink: dict[str, Any], ids: Any, at: Any
) -> None:
    body = {"uplink_message": uplink, "end_device_ids": ids, "received_at": at}
    takes_or_rejects("tts", orjson.dumps(body))


@given(
    st.dictionaries(
        st.sampled_from(["data", "object", "rxInfo", "time", "fPort", "fCnt", "deviceInfo"]), JSON
    )
)
def test_any_event_of_chirpstack_is_read_or_refused(body: dict[str, Any]) -> None:
    takes_or_rejects("chirpstack", orjson.dumps({"deviceInfo": {"devEui": "a" * 16}, **body}))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_as_messages(body: bytes) -> None:
    takes_or_rejects("tts", body)
    takes_or_rejects("chirpstack", body)

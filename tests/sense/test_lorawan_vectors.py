"""The decoders that come with Madang against payloads and values that the makers published.

Source: chirpstack/chirpstack-device-profiles (MIT), ``iot/lorawan`` of the recorded data.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import orjson
import pytest

from madang.sense.codecs import cayenne, lorawan
from madang.sense.devices.device import Device
from madang.sense.devices.profile import parse, shipped
from madang.sense.message import Rejected, Uplink
from tests.recorded import DATA, needs

VECTORS = "iot/lorawan/codec_vectors_uplink.jsonl"
NOW = 1_769_860_800_000_000

PROFILES = {
    "browan/merryiot-cd10": "browan-merryiot-cd10",
    "browan/merryiot-dw10": "browan-merryiot-dw10",
    "browan/tabs-tbhh100": "browan-tbhh100",
    "decentlab/dl-atm41": "decentlab-dl-atm41",
    "decentlab/dl-iam": "decentlab-dl-iam",
    "decentlab/dl-lid": "decentlab-dl-lid",
    "decentlab/dl-lp8p": "decentlab-dl-lp8p",
    "decentlab/dl-pm": "decentlab-dl-pm",
    "decentlab/dl-pr26": "decentlab-dl-pr26",
    "decentlab/dl-tbrg": "decentlab-dl-tbrg",
    "decentlab/dl-wrm": "decentlab-dl-wrm",
    "digital-matter/digital-matter-oyster3-yabby3": "digital-matter-oyster3",
    "dragino/ldds75": "dragino-ldds75",
    "dragino/lds02": "dragino-lds02",
    "dragino/lht65n": "dragino-lht65n",
    "dragino/lwl02": "dragino-lwl02",
    "elsys/elsys": "elsys",
    "milesight/em300-sld-zld": "milesight-em300",
    "milesight/em300-th": "milesight-em300",
    "milesight/em500-pt100": "milesight-em300",
    "vutility/pulsedrop": "vutility-pulsedrop",
    "yobiiq/em2101": "yobiiq-em2101",
    "yobiiq/em4301": "yobiiq-em4301",
}
"""The profile of each device type that has one."""

SAID_OTHERWISE = {"port"}
"""Fields of ours that tell of a port without measurements."""

pytestmark = needs(VECTORS)


def vectors() -> list[dict[str, Any]]:
    file = DATA / VECTORS
    if not file.exists():
        return []
    return [orjson.loads(line) for line in file.read_bytes().splitlines()]


def name(vector: dict[str, Any]) -> str:
    return f"{vector['vendor']}/{vector['device']}"


OURS = [one for one in vectors() if name(one) in PROFILES]


def plain(value: Any) -> Any:
    """Return a value that a maker's decoder wrapped with its unit, or as text, as it is."""
    if isinstance(value, dict) and ("value" in value or "data" in value):
        return value.get("value", value.get("data"))
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


@pytest.mark.parametrize("vector", OURS, ids=lambda one: f"{name(one)}:{one['payload_hex'][:24]}")
async def test_a_decoder_gives_the_values_that_the_maker_expects(vector: dict[str, Any]) -> None:
    text = shipped()[f"lorawan-{PROFILES[name(vector)]}"]
    profile = parse(text, name(vector))
    uplink = Uplink(
        "d1", {}, NOW, bytes.fromhex(vector["payload_hex"]), vector["fPort"] or 85, {"rssi": -90}
    )
    found = await lorawan.decoded(uplink, profile)
    expected = {key: plain(value) for key, value in vector["expected"]["data"].items()}
    values = {k: v for k, v in found.values.items() if k not in {"warnings", *SAID_OTHERWISE}}
    for field, value in values.items():
        is_number = isinstance(value, int | float)
        wanted = (
            pytest.approx(expected[field], rel=1e-6, abs=1e-9) if is_number else expected[field]
        )
        assert value == wanted, field
    assert values or found.values["warnings"]

    applied = profile.readings(Device("d1", "urn:ngsi-ld:Device:d1"), found, NOW)
    is_place = {problem.attribute for problem in applied.problems}
    assert is_place <= {"location"}  # the maker's tracker is beyond the North Pole
    if values.keys() - {"device_id", "report_interval", "history", "index", "timestamp"}:
        assert any(len(reading.entity) > 2 for reading in applied.readings)


def test_every_device_type_with_a_profile_has_vectors() -> None:
    assert {name(one) for one in OURS} == PROFILES.keys()
    used = {f"lorawan-{profile}" for profile in PROFILES.values()}
    assert used == {one for one in shipped() if one.startswith("lorawan-")}
    assert len(OURS) >= 50


def test_the_vector_of_a_device_that_speaks_cayenne_is_read() -> None:
    vector = next(one for one in vectors() if name(one) == "rakwireless/rak_standard")
    found = cayenne.decode(bytes.fromhex(vector["payload_hex"]))
    assert found == vector["expected"]["data"]


@pytest.mark.parametrize("profile", sorted(set(PROFILES.values())))
async def test_no_decoder_makes_values_of_a_payload_cut_short(profile: str) -> None:
    """A decoder that reads on behind the end gives NaN, which JSON has not."""
    read = parse(shipped()[f"lorawan-{profile}"], profile)
    vector = next(one for one in OURS if PROFILES[name(one)] == profile)
    whole = bytes.fromhex(vector["payload_hex"])
    for length in range(len(whole)):
        uplink = Uplink("d1", {}, NOW, whole[:length], vector["fPort"] or 85)
        with suppress(Rejected):
            found = await lorawan.decoded(uplink, read)
            assert None not in found.values.values()

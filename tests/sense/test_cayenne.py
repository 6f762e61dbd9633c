"""Cayenne LPP: published examples, round trips, and payloads that are none."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.sense.codecs import cayenne
from madang.sense.message import Rejected


@pytest.mark.parametrize(
    ("payload", "fields"),
    [
        # myDevices, Cayenne LPP documentation: "Device with 2 temperature sensors", and others
        ("03670110056700ff", {"temperature_3": 27.2, "temperature_5": 25.5}),
        ("0167ffd7", {"temperature_1": -4.1}),
        (
            "067104d2fb2e0000",
            {"accelerometer_6": {"x": 1.234, "y": -1.234, "z": 0}},
        ),
        (
            "018806765ff2960a0003e8",
            {"gps_1": {"latitude": 42.3519, "longitude": -87.9094, "altitude": 10}},
        ),
        # The Things Stack documentation, "Cayenne LPP"
        ("007327bf006700de", {"barometric_pressure_0": 1017.5, "temperature_0": 22.2}),
        ("306600017401a3", {"presence_48": 0, "voltage_1": 4.19}),
        ("00683f0265ffff", {"relative_humidity_0": 31.5, "luminosity_2": 65535}),
        ("0202ff9c0100ff", {"analog_in_2": -1, "digital_in_1": 255}),
        ("0187ff8000", {"colour_1": {"r": 255, "g": 128, "b": 0}}),
        ("0183000003e9", {"energy_1": 1.001}),
    ],
)
def test_a_payload_gives_the_published_values(payload: str, fields: dict[str, Any]) -> None:
    assert cayenne.decode(bytes.fromhex(payload)) == fields


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        ("", "is empty"),
        ("03", "byte 0: the payload ends after a channel"),
        ("036701", "byte 2: temperature has 2 bytes, 1 left"),
        ("0367011005", "byte 4: the payload ends after a channel"),
        ("01ee00", "byte 1: 238 is no type of Cayenne LPP"),
        ("0188000000", "byte 2: gps has 9 bytes, 3 left"),
    ],
)
def test_what_is_wrong_with_a_payload_is_said_with_its_place(payload: str, why: str) -> None:
    with pytest.raises(Rejected, match=why) as caught:
        cayenne.decode(bytes.fromhex(payload))
    assert caught.value.reason == "badPayload"


SINGLE = sorted(number for number, kind in cayenne.KINDS.items() if not kind.parts)


@given(
    st.dictionaries(
        st.tuples(st.integers(0, 255), st.sampled_from(SINGLE)),
        st.integers(0, 2**32),
        min_size=1,
        max_size=20,
    )
)
def test_every_number_is_read_back(wanted: dict[tuple[int, int], int]) -> None:
    payload, expected = b"", {}
    for (channel, number), raw in wanted.items():
        kind = cayenne.KINDS[number]
        size = 8 * kind.width
        value = raw % 2**size - (2 ** (size - 1) if kind.signed else 0)
        payload += bytes([channel, number]) + value.to_bytes(kind.width, "big", signed=kind.signed)
        expected[f"{kind.name}_{channel}"] = value / kind.steps
    assert cayenne.decode(payload) == pytest.approx(expected)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(payload: bytes) -> None:
    with suppress(Rejected):
        orjson.dumps(cayenne.decode(payload))

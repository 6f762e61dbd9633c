"""The codec ``senml``, with the examples of RFC 8428."""

from __future__ import annotations

import json
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.sense.codecs.senml import _LABELS
from madang.sense.message import Uplink
from tests.sense.codec_messages import NOW, refusal, takes_or_rejects, uplinks

US = 1_000_000
DEVICE = "urn:dev:ow:10e2073a0108006"


def test_section_5_1_1_single_data_point() -> None:
    pack = [{"n": "urn:dev:ow:10e2073a01080063", "u": "Cel", "v": 23.1}]
    assert uplinks("senml", pack) == [
        Uplink("urn:dev:ow:10e2073a01080063", {"Cel": 23.1, "units": {"Cel": "CEL"}})
    ]


MULTIPLE = [
    {"bn": f"{DEVICE}:", "bt": 1.276020076001e09, "bu": "A", "bver": 5,
     "n": "voltage", "u": "V", "v": 120.1},
    {"n": "current", "t": -5, "v": 1.2},
    {"n": "current", "t": -4, "v": 1.3},
    {"n": "current", "t": -3, "v": 1.4},
    {"n": "current", "t": -2, "v": 1.5},
    {"n": "current", "t": -1, "v": 1.6},
    {"n": "current", "v": 1.7},
]  # fmt: skip
RESOLVED = [
    Uplink(
        DEVICE,
        {"voltage": 120.1, "current": 1.7, "units": {"voltage": "VLT", "current": "AMP"}},
        1_276_020_076_001_000,
    ),
    *(
        Uplink(
            DEVICE,
            {"current": round(1.7 - 0.1 * second, 1), "units": {"current": "AMP"}},
            1_276_020_076_001_000 - second * US,
        )
        for second in range(5, 0, -1)
    ),
]


def test_section_5_1_2_multiple_data_points() -> None:
    assert uplinks("senml", MULTIPLE) == RESOLVED


def test_section_6_the_same_in_cbor() -> None:
    head = (
        "87a721781b75726e3a6465763a6f773a31306532303733613031303830303"
        "63a22fb41d303a15b00106223614120050067766f6c7461676501615602fb405e066666666666"
    )
    record = "a3006763757272656e74"
    times = ["0624", "0623", "0622", "0621", "0620"]
    values = ["3ff3333333333333", "3ff4cccccccccccd", "3ff6666666666666", "3ff8000000000000",
              "3ff999999999999a"]  # fmt: skip
    body = bytes.fromhex(
        head
        + "".join(f"{record}{time}02fb{value}" for time, value in zip(times, values, strict=True))
        + "a2006763757272656e7402fb3ffb333333333333"
    )
    assert uplinks("senml", body) == RESOLVED


def test_section_5_1_2_a_moving_sensor_that_names_nothing_but_units() -> None:
    pack = [
        {"bn": "urn:dev:ow:10e2073a01080063", "bt": 1.320067464e09, "bu": "%RH", "v": 20},
        {"u": "lon", "v": 24.30621},
        {"u": "lat", "v": 60.07965},
        {"t": 60, "v": 20.3},
        {"u": "lon", "t": 60, "v": 24.30622},
        {"u": "lat", "t": 60, "v": 60.07965},
        {"u": "%EL", "t": 150, "v": 98},
    ]
    first, second, third = uplinks("senml", pack)
    assert first == Uplink(
        "urn:dev:ow:10e2073a01080063",
        {"%RH": 20, "lon": 24.30621, "lat": 60.07965,
         "units": {"%RH": "P1", "lon": "DD", "lat": "DD"}},
        1_320_067_464 * US,
    )  # fmt: skip
    assert (second.observed, third.observed) == (1_320_067_524 * US, 1_320_067_614 * US)
    assert third.values["%EL"] == 98


def test_section_5_1_4_multiple_data_types() -> None:
    pack: list[dict[str, Any]] = [
        {"bn": "urn:dev:ow:10e2073a01080063:", "n": "temp", "u": "Cel", "v": 23.1},
        {"n": "label", "vs": "Machine Room"},
        {"n": "open", "vb": False},
        {"n": "nfc-reader", "vd": "aGkgCg"},
    ]
    values = {"temp": 23.1, "label": "Machine Room", "open": False, "nfc-reader": "aGkgCg"}
    assert uplinks("senml", pack) == [
        Uplink("urn:dev:ow:10e2073a01080063", {"units": {"temp": "CEL"}, **values})
    ]
    by_number = {label: number for number, label in _LABELS.items()}
    body: list[dict[int, Any]] = [
        {by_number[label]: value for label, value in record.items()} for record in pack
    ]
    body[3][8] = b"hi \n"
    assert uplinks("senml", cbor2.dumps(body)) == uplinks("senml", pack)


def test_section_5_1_5_a_collection_of_several_devices() -> None:
    pack = [
        {"bn": "2001:db8::2/", "bt": 1.320078429e09, "n": "temperature", "u": "Cel", "v": 27.2},
        {"n": "humidity", "u": "%RH", "v": 80},
        {"bn": "2001:db8::1/", "n": "temperature", "u": "Cel", "v": 12.3},
        {"n": "humidity", "u": "%RH", "v": 67},
    ]
    found = uplinks("senml", pack)
    assert [(one.device, one.values["temperature"]) for one in found] == [
        ("2001:db8::2", 27.2),
        ("2001:db8::1", 12.3),
    ]
    assert "2 devices; send such packs to /sense/up/senml" in str(refusal("senml", pack, "d1"))


def test_a_record_of_base_fields_alone_sets_them() -> None:
    pack = [{"bn": "d1/", "bv": 20}, {"n": "a", "v": 1}, {"n": "b"}, {"bv": 0}, {"n": "c", "v": 1}]
    assert uplinks("senml", pack)[0].values == {"a": 21, "b": 20, "c": 1}


def test_sums_are_fields_of_their_own() -> None:
    pack = [{"bn": "d1/", "bs": 100, "n": "water", "u": "m3", "v": 2, "s": 5}, {"n": "gas", "s": 1}]
    assert uplinks("senml", pack)[0].values == {
        "water": 2, "waterSum": 105, "gasSum": 101, "units": {"water": "MTQ", "waterSum": "MTQ"}
    }  # fmt: skip


def test_small_times_count_from_now() -> None:
    pack = [{"n": "a", "v": 1}, {"n": "a", "v": 2, "t": -60}, {"n": "a", "v": 3, "t": 60}]
    found = uplinks("senml", pack, "d1")
    assert [one.observed for one in found] == [None, NOW - 60 * US, NOW + 60 * US]
    assert {one.device for one in found} == {"d1"}


def test_the_address_names_the_device_of_records_that_do_not() -> None:
    pack = [{"n": "room.temp", "v": 1}, {"n": "hum", "v": 2}]
    assert uplinks("senml", pack, "d1")[0].values == {"room.temp": 1, "hum": 2}


def test_what_is_told_twice_of_one_time_is_kept_twice() -> None:
    pack = [{"n": "a", "v": 1}, {"n": "a", "v": 2}]
    assert [one.values for one in uplinks("senml", pack, "d1")] == [{"a": 1}, {"a": 2}]


def test_a_field_called_units_is_not_lost() -> None:
    pack = [{"n": "units", "vs": "mine"}, {"n": "t", "u": "Cel", "v": 1}]
    assert uplinks("senml", pack, "d1")[0].values == {"units": "mine", "t": 1}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"n": "a", "v": 1}, "expected an array"),
        ([], "expected an array"),
        ([5], "record 1 must be an object"),
        ([{"v": 1}], "has the name ''"),
        ([{"n": "_a/b", "v": 1}], "a name begins with a letter or digit"),
        ([{"n": "temperature", "v": 1}], "names no device"),
        ([{"n": "d/a"}], "has a name but no value"),
        ([{"n": "d/a", "v": 1, "vb": True}], "several values: v, vb"),
        ([{"n": "d/a", "v": "1"}], "v of record 1 must be a number"),
        ([{"n": "d/a", "v": True}], "v of record 1 must be a number"),
        ([{"n": "d/a", "vb": 1}], "vb of record 1 must be true or false"),
        ([{"n": "d/a", "vs": 1}], "vs of record 1 must be a text"),
        ([{"n": "d/a", "v": 1, "bver": 11}], "SenML version 11, not 10"),
        ([{"n": "d/a", "v": 1, "new_": 1}], "without understanding 'new_'"),
        ([{"n": "d/a", "v": 1, "t": 1e18}], "after the year 9999"),
        ([{"n": "d/a", "v": 1e308, "bt": 1}], "too large"),
        ([{"n": "d" * 300, "v": 1}], "at most 256 characters"),
    ],
)
def test_what_breaks_the_rules_is_refused_in_a_sentence(body: object, text: str) -> None:
    assert text in str(refusal("senml", body))


@pytest.mark.parametrize(
    "body",
    [
        b"\x81" * 100_000,
        b"\x81\xa1\x02\xc2\x49\x01" + bytes(8),  # a bignum
        b"\x81\xd8\x1c\x81\xd8\x1d\x00",  # an array in itself
        b"\x81\xd8\x23\x63(a)",  # a regular expression
        b"\x80\x80",
        b"\x9f",
        b"\x81\xa1\x00\x00",
        b"\x81\xa2\x00\x63d/a\x02\xc4\x82\x1a\x7f\xff\xff\xff\x01",  # 1e2147483647
    ],
)
def test_cbor_that_could_do_harm_is_refused(body: bytes) -> None:
    assert refusal("senml", body).reason == "badPayload"


def test_decimal_fractions_are_numbers() -> None:
    body = b"\x81\xa2\x00\x63d/a\x02\xc4\x82\x21\x19\x6a\xb3"  # 273.15, RFC 8949 section 3.4.4
    assert uplinks("senml", body)[0].values == {"a": 273.15}


@settings(max_examples=200)
@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda rest: b"\x81\xa2" + rest))
def test_any_bytes_are_taken_or_refused(body: bytes) -> None:
    takes_or_rejects("senml", body)


scalars = st.none() | st.booleans() | st.integers(-(2**64), 2**64 - 1) | st.floats() | st.text()
names = st.sampled_from(["d/a", "d", "a", "urn:dev:ow:1_a", ""])
records = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(_LABELS.values(), scalars),
        "n": names,
        "v": st.integers() | st.floats(),
    },
)


@settings(max_examples=200)
@given(st.lists(records, max_size=4), st.sampled_from(["", "d"]))
def test_any_records_are_taken_or_refused(pack: list[object], device: str) -> None:
    takes_or_rejects("senml", cbor2.dumps(pack), device)
    takes_or_rejects("senml", json.dumps(pack).encode(), device)

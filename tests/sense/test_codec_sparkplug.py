"""The codec ``sparkplug``: births, data and deaths of edge nodes and the devices behind them."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.sense.codecs import sparkplug
from madang.sense.codecs.sparkplug import Sparkplug
from madang.sense.codecs.sparkplug_payload import Payload, value_of
from madang.sense.message import Decoded, Message, Rejected, Uplink
from madang.trust.principal import LOCAL, OPEN, Principal
from tests.sense.codec_messages import NOW, message, takes_or_rejects

NODE = "spBv1.0/Plant/{}/Edge1"
DEVICE = NODE + "/pump"
MS = NOW // 1000


def payload(*metrics: dict[str, Any], seq: int | None = None, timestamp: int | None = MS) -> bytes:
    """Return a payload as an edge node writes it."""
    found = Payload(timestamp=timestamp, seq=seq)
    for metric in metrics:
        found.metrics.add(**metric)
    body: bytes = found.SerializeToString()
    return body


TEMPERATURE = {"name": "Temperature", "alias": 1, "datatype": 9, "float_value": 23.1}
RUNNING = {"name": "Running", "alias": 2, "datatype": 11, "boolean_value": True}


def told(codec: Sparkplug, topic: str, body: bytes, principal: Principal = OPEN) -> list[Decoded]:
    return codec.decode(Message("mqtt", topic, body, principal, NOW, device="Plant/Edge1"))


@pytest.fixture
def codec() -> Sparkplug:
    """Return one that has heard the births of a device and its edge node."""
    fresh = Sparkplug()
    session = {"name": "bdSeq", "datatype": 8, "long_value": 7}
    rebirth = {"name": "Node Control/Rebirth", "datatype": 11, "boolean_value": False}
    assert told(fresh, NODE.format("NBIRTH"), payload(session, rebirth, seq=0)) == []
    (birth,) = told(fresh, DEVICE.format("DBIRTH"), payload(TEMPERATURE, RUNNING, seq=1))
    assert birth == Uplink(
        "Plant/Edge1/pump",
        {"Temperature": 23.1, "Running": True, "online": True},
        NOW,
        radio={"frameCounter": 1, "missed": 0},
    )
    return fresh


def test_data_is_read_by_the_aliases_of_the_birth(codec: Sparkplug) -> None:
    body = payload({"alias": 1, "float_value": 23.2}, {"alias": 2, "is_null": True}, seq=2)
    assert told(codec, DEVICE.format("DDATA"), body) == [
        Uplink(
            "Plant/Edge1/pump",
            {"Temperature": 23.2, "Running": None},
            NOW,
            radio={"frameCounter": 2, "missed": 0},
        )
    ]


def test_messages_that_did_not_come_are_counted(codec: Sparkplug) -> None:
    found = told(codec, DEVICE.format("DDATA"), payload(TEMPERATURE, seq=5))[0]
    assert isinstance(found, Uplink)
    assert found.radio == {"frameCounter": 5, "missed": 3}


def test_metrics_of_other_times_are_uplinks_of_their_own(codec: Sparkplug) -> None:
    earlier = {**TEMPERATURE, "timestamp": MS - 1000}
    first, second = told(codec, DEVICE.format("DDATA"), payload(earlier, RUNNING))
    assert isinstance(first, Uplink)
    assert isinstance(second, Uplink)
    assert (first.observed, second.observed) == (NOW - 1_000_000, NOW)


def test_an_unknown_alias_asks_for_a_birth() -> None:
    with pytest.raises(Rejected, match="alias 1 stands for: the BIRTH of Plant/Edge1/pump"):
        told(Sparkplug(), DEVICE.format("DDATA"), payload({"alias": 1, "float_value": 1.0}))


def test_nobody_changes_what_the_aliases_of_another_sender_stand_for(codec: Sparkplug) -> None:
    stranger = {"name": "Pressure", "alias": 1, "datatype": 9, "float_value": 1.0}
    told(codec, DEVICE.format("DBIRTH"), payload(stranger), LOCAL)
    (found,) = told(codec, DEVICE.format("DDATA"), payload({"alias": 1, "float_value": 2.0}))
    assert isinstance(found, Uplink)
    assert found.values == {"Temperature": 2.0}


def test_a_new_birth_of_the_node_forgets_the_aliases(codec: Sparkplug) -> None:
    told(codec, NODE.format("NBIRTH"), payload(seq=0))
    with pytest.raises(Rejected, match="alias 1"):
        told(codec, DEVICE.format("DDATA"), payload({"alias": 1, "float_value": 1.0}))


def test_the_death_of_a_device_says_it_is_offline(codec: Sparkplug) -> None:
    assert told(codec, DEVICE.format("DDEATH"), payload(seq=2)) == [
        Uplink("Plant/Edge1/pump", {"online": False}, NOW)
    ]


def test_the_death_of_a_node_says_so_of_all_behind_it(codec: Sparkplug) -> None:
    told(codec, "spBv1.0/Plant/DDATA/Edge1/fan", payload({"name": "rpm", "int_value": 5}))
    old = payload({"name": "bdSeq", "datatype": 8, "long_value": 6}, timestamp=1)
    assert told(codec, NODE.format("NDEATH"), old) == []  # a session began since
    dead = payload({"name": "bdSeq", "datatype": 8, "long_value": 7}, timestamp=1)
    assert told(codec, NODE.format("NDEATH"), dead) == [
        Uplink("Plant/Edge1/pump", {"online": False}, NOW),
        Uplink("Plant/Edge1/fan", {"online": False}, NOW),
    ]
    assert told(codec, NODE.format("NDEATH"), dead) == []


def test_a_node_that_measures_itself_is_a_device() -> None:
    fresh = Sparkplug()
    (birth,) = told(fresh, NODE.format("NBIRTH"), payload(TEMPERATURE))
    assert isinstance(birth, Uplink)
    assert birth.device == "Plant/Edge1"
    assert told(fresh, NODE.format("NDEATH"), b"") == [
        Uplink("Plant/Edge1", {"online": False}, NOW)
    ]


def test_commands_say_nothing(codec: Sparkplug) -> None:
    assert told(codec, NODE.format("NCMD"), payload(RUNNING)) == []


def test_the_tenant_may_stand_before_the_topic() -> None:
    (found,) = told(Sparkplug(), "seoul/" + DEVICE.format("DBIRTH"), payload(TEMPERATURE))
    assert isinstance(found, Uplink)
    assert found.device == "Plant/Edge1/pump"


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        (1, {"int_value": 0xFF}, -1),
        (1, {"int_value": 0xFFFFFF80}, -128),
        (2, {"int_value": 0x8000}, -32768),
        (3, {"int_value": 0xFFFFFFFE}, -2),
        (4, {"long_value": 2**64 - 5}, -5),
        (5, {"int_value": 255}, 255),
        (7, {"long_value": 2**32 - 1}, 2**32 - 1),
        (8, {"long_value": 2**64 - 1}, 2**64 - 1),
        (9, {"float_value": 0.1}, 0.1),
        (9, {"float_value": float("nan")}, None),
        (9, {"float_value": 3.4028234663852886e38}, 3.4028234663852886e38),
        (10, {"double_value": 1 / 3}, 1 / 3),
        (10, {"double_value": float("-inf")}, None),
        (11, {"boolean_value": False}, False),
        (12, {"string_value": "온도"}, "온도"),
        (13, {"long_value": MS}, "2026-01-31T12:00:00Z"),
        (15, {"string_value": "5f2c"}, "5f2c"),
        (17, {"bytes_value": b"\x00\xff"}, "AP8="),
        (23, {"bytes_value": bytes.fromhex("D08AF97C")}, [-30000, 31993]),
        (30, {"bytes_value": struct.pack("<2f", 0.1, float("inf"))}, [0.1, None]),
        (31, {"bytes_value": struct.pack("<d", 0.1)}, [0.1]),
        (32, {"bytes_value": bytes.fromhex("0C000000 34D0")}, [
            False, False, True, True, False, True, False, False, True, True, False, True
        ]),
        (33, {"bytes_value": b"ABC\x00hello\x00"}, ["ABC", "hello"]),
        (34, {"bytes_value": struct.pack("<q", MS)}, ["2026-01-31T12:00:00Z"]),
        (12, {}, None),
    ],
)  # fmt: skip
def test_every_data_type_has_its_value(kind: int, given: dict[str, Any], value: object) -> None:
    metric = Payload.FromString(payload({"datatype": kind, **given})).metrics[0]
    found = value_of(metric, kind)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (13, {"long_value": 2**63}),
        (22 + 1, {"bytes_value": b"\x00"}),
        (32, {"bytes_value": b"\xff\xff\xff\xff\x00"}),
        (32, {"bytes_value": b""}),
        (33, {"bytes_value": b"\xff\x00"}),
    ],
)
def test_a_broken_value_is_refused(kind: int, given: dict[str, Any]) -> None:
    with pytest.raises(Rejected, match=f"data type {kind} is broken"):
        told(
            Sparkplug(), DEVICE.format("DBIRTH"), payload({"name": "a", "datatype": kind, **given})
        )


def test_data_sets_and_templates_are_left_out() -> None:
    body = payload(TEMPERATURE, {"name": "table", "datatype": 16}, {"name": "udt", "datatype": 19})
    (found,) = told(Sparkplug(), DEVICE.format("DBIRTH"), body)
    assert isinstance(found, Uplink)
    assert found.values == {"Temperature": 23.1, "online": True}


def test_more_fields_than_an_uplink_has_make_several() -> None:
    body = payload(*({"name": f"m{place}", "int_value": place} for place in range(2500)))
    found = told(Sparkplug(), DEVICE.format("DBIRTH"), body)
    assert [len(one.values) for one in found if isinstance(one, Uplink)] == [1000, 1000, 501]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparkplug, "MOST_METRICS", 50)
    codec = Sparkplug()
    for place in range(40):
        told(codec, f"spBv1.0/Plant/DBIRTH/Edge{place}/pump", payload(TEMPERATURE, RUNNING))
    assert codec._size <= 50
    (found,) = told(
        codec, "spBv1.0/Plant/DDATA/Edge39/pump", payload({"alias": 1, "float_value": 1.0})
    )
    assert isinstance(found, Uplink)


@pytest.mark.parametrize(
    "address",
    [
        "/devices/d1/up",
        "spBv1.0/Plant/DDATA/Edge1",
        "spBv1.0/Plant/NDATA/Edge1/d",
        "spBv1.0//DDATA/e/d",
        "spBv1.0/Plant/NBORN/Edge1",
        "spBv1.0/" + "g" * 300 + "/NDATA/Edge1",
    ],
)
def test_another_address_is_refused(address: str) -> None:
    with pytest.raises(Rejected, match=r"spBv1\.0/<group>"):
        Sparkplug().decode(message(payload(TEMPERATURE), address=address))


@pytest.mark.parametrize(
    "metric",
    [{}, {"name": ""}, {"name": "n" * 300}, {"name": "a", "timestamp": 2**63}],
)
def test_a_birth_that_breaks_the_rules_is_refused(metric: dict[str, Any]) -> None:
    with pytest.raises(Rejected):
        told(Sparkplug(), DEVICE.format("DBIRTH"), payload(metric))


metrics = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["a", "b", "bdSeq", "Node Control/Rebirth"]) | st.text(max_size=5),
        "alias": st.integers(0, 3),
        "timestamp": st.integers(0, 2**64 - 1),
        "datatype": st.integers(0, 36),
        "int_value": st.integers(0, 2**32 - 1),
        "long_value": st.integers(0, 2**64 - 1),
        "float_value": st.floats(width=32),
        "double_value": st.floats(),
        "string_value": st.text(max_size=5),
        "bytes_value": st.binary(max_size=12),
    },
)
topics = st.sampled_from(
    [form.format(f"{(form is DEVICE and 'D') or 'N'}{what}") for form in (NODE, DEVICE)
     for what in ("BIRTH", "DATA", "DEATH")]
)  # fmt: skip


@settings(max_examples=200)
@given(st.binary(max_size=60), topics)
def test_any_bytes_are_taken_or_refused(body: bytes, topic: str) -> None:
    takes_or_rejects("sparkplug", body, "Plant/Edge1", topic)


@settings(max_examples=200)
@given(st.lists(metrics, max_size=5), topics)
def test_any_metrics_are_taken_or_refused(given: list[dict[str, Any]], topic: str) -> None:
    takes_or_rejects("sparkplug", payload(*given), "Plant/Edge1", topic)


@settings(max_examples=50)
@given(st.binary(min_size=1, max_size=8))
def test_any_text_is_taken_or_refused(text: bytes) -> None:
    name = b"\x0a" + bytes([len(text)]) + text  # field 1 of a metric
    body = b"\x12" + bytes([len(name)]) + name
    takes_or_rejects("sparkplug", body, "Plant/Edge1", DEVICE.format("DBIRTH"))

"""MQTT packets: there and back, in pieces, and whatever else may come over a socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.sense.transports.mqtt_decoder import Decoder
from madang.sense.transports.mqtt_packets import (
    PINGREQ,
    PINGRESP,
    PUBACK,
    PUBCOMP,
    PUBREC,
    PUBREL,
    SUBACK,
    UNSUBACK,
    V5,
    V311,
    Ack,
    Auth,
    Connack,
    Connect,
    Disconnect,
    Granted,
    Packet,
    Ping,
    Publish,
    Subscribe,
    Unsubscribe,
    Wanted,
    Will,
    encode,
)
from madang.sense.transports.mqtt_topics import Tree, check_filter, matches
from madang.sense.transports.mqtt_wire import NONE, Code, MqttError, Reader, variable

MOST = 100_000
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
LEVEL = st.text(st.sampled_from("ab1é한"), max_size=3)
TOPIC = st.lists(LEVEL, min_size=1, max_size=4).map("/".join).filter(bool)
ID = st.integers(1, 65_535)
QOS = st.integers(0, 2)
BYTES = st.binary(max_size=300)
FOUR = st.integers(0, 2**32 - 1)
PAIRS = st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=2)


def members(**values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({}, optional=values).map(lambda found: found or NONE)


MESSAGE: dict[str, st.SearchStrategy[Any]] = {
    "payload_format": st.integers(0, 1),
    "message_expiry": FOUR,
    "content_type": TEXT,
    "response_topic": TEXT,
    "correlation_data": BYTES,
    "user_properties": PAIRS,
}
OF_PUBLISH = members(**MESSAGE, subscription_identifier=st.lists(ID, min_size=1, max_size=2))
OF_WILL = members(**MESSAGE, will_delay=FOUR)
OF_ACK = members(reason=TEXT, user_properties=PAIRS)
OF_CONNECT = members(
    session_expiry=FOUR, receive_maximum=ID, maximum_packet_size=st.integers(1, 2**32 - 1)
)
OF_CONNACK = members(assigned_client_id=TEXT, server_keep_alive=ID, maximum_qos=st.integers(0, 1))
CODE = st.sampled_from([0, 0x10, 0x80, 0x87])


@st.composite
def packets(draw: st.DrawFn, version: int) -> Packet:
    def having(values: st.SearchStrategy[Any]) -> Any:
        return draw(values) if version == V5 else NONE

    def publish() -> Publish:
        qos = draw(QOS)
        dup, id = (draw(st.booleans()), draw(ID)) if qos else (False, 0)
        topic, body = draw(TOPIC), draw(BYTES)
        return Publish(topic, body, qos, draw(st.booleans()), dup, id, having(OF_PUBLISH))

    def connect() -> Connect:
        will = None
        if draw(st.booleans()):
            topic, body, retain = draw(TOPIC), draw(BYTES), draw(st.booleans())
            will = Will(topic, body, draw(QOS), retain, having(OF_WILL))
        user = draw(st.none() | TEXT)
        password = draw(BYTES) if user is not None and draw(st.booleans()) else None
        alive, clean, client = draw(ID), draw(st.booleans()), draw(TEXT)
        return Connect(client, version, clean, alive, user, password, will, having(OF_CONNECT))

    def wanted() -> Wanted:
        if version == V311:
            return Wanted(draw(TOPIC), draw(QOS))
        flags = draw(st.booleans()), draw(st.booleans())
        return Wanted(draw(TOPIC), draw(QOS), *flags, draw(QOS))

    def subscribe() -> Subscribe:
        some = tuple(wanted() for _ in range(draw(st.integers(1, 3))))
        return Subscribe(draw(ID), some, having(members(user_properties=PAIRS)))

    def granted() -> Granted:
        kind = draw(st.sampled_from([SUBACK, UNSUBACK]))
        return Granted(kind, draw(ID), tuple(draw(st.lists(CODE, max_size=3))), having(OF_ACK))

    def ack() -> Ack:
        kind = draw(st.sampled_from([PUBACK, PUBREC, PUBREL, PUBCOMP]))
        return Ack(kind, draw(ID), having(CODE) or 0, having(OF_ACK))

    kinds: list[Callable[[], Packet]] = [
        publish,
        connect,
        subscribe,
        granted,
        ack,
        lambda: Connack(draw(st.booleans()), draw(CODE), having(OF_CONNACK)),
        lambda: Unsubscribe(draw(ID), tuple(draw(st.lists(TOPIC, min_size=1, max_size=3)))),
        lambda: Ping(draw(st.sampled_from([PINGREQ, PINGRESP]))),
        lambda: Disconnect(having(CODE) or 0, having(OF_ACK)),
    ]
    if version == V5:
        kinds.append(lambda: Auth(draw(CODE), draw(OF_ACK)))
    make = draw(st.sampled_from(kinds))
    return make()


def drained(decoder: Decoder) -> Iterator[Packet]:
    while (packet := decoder.next()) is not None:
        yield packet


def is_read_or_refused(data: bytes, version: int) -> bool:
    """Return whether bytes are packets that can be written again, or an error with a code."""
    decoder = Decoder(MOST, version)
    decoder.feed(data)
    try:
        for packet in drained(decoder):
            encode(packet, version or V5)
    except MqttError as error:
        return error.code >= 0x80 and bool(str(error))
    return True


@pytest.mark.parametrize("version", [V311, V5])
@settings(max_examples=80)
@given(data=st.data())
def test_packets_come_back_as_they_were_however_the_stream_is_cut(
    version: int, data: st.DataObject
) -> None:
    sent = data.draw(st.lists(packets(version), min_size=1, max_size=5))
    stream = b"".join(encode(packet, version) for packet in sent)
    decoder = Decoder(MOST, version)
    found: list[Packet] = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        decoder.feed(stream[:size])
        stream = stream[size:]
        found += drained(decoder)
    assert found == sent
    assert decoder.waiting == 0


@settings(max_examples=200)
@given(version=st.sampled_from([0, V311, V5]), data=st.binary(max_size=200))
def test_any_bytes_are_packets_or_a_named_error(version: int, data: bytes) -> None:
    assert is_read_or_refused(data, version)


@settings(max_examples=200)
@given(data=st.data())
def test_a_damaged_packet_is_another_packet_or_a_named_error(data: st.DataObject) -> None:
    version = data.draw(st.sampled_from([V311, V5]))
    stream = bytearray(encode(data.draw(packets(version)), version))
    stream[data.draw(st.integers(0, len(stream) - 1))] = data.draw(st.integers(0, 255))
    assert is_read_or_refused(bytes(stream), version)


@pytest.mark.parametrize(
    ("data", "version", "code"),
    [
        ("f000", V311, Code.MALFORMED),  # no such packet in 3.1.1
        ("30ffffffff7f", V5, Code.MALFORMED),  # a length of five bytes
        ("30ffffff7f", V5, Code.PACKET_TOO_LARGE),
        ("300400016100", V5, None),
        ("3606000161000100", V5, Code.MALFORMED),  # QoS 3
        ("3206000161000000", V5, Code.MALFORMED),  # packet id 0
        ("300400012300", V5, Code.TOPIC_INVALID),  # a wildcard
        ("3003000000", V5, Code.PROTOCOL_ERROR),  # no topic
        ("30040001c300", V5, Code.MALFORMED),  # not UTF-8
        ("300400010000", V5, Code.MALFORMED),  # U+0000
        ("8002000a", V5, Code.MALFORMED),  # flags of SUBSCRIBE
        ("8203000a00", V5, Code.PROTOCOL_ERROR),  # no filter
        ("c00100", V5, Code.MALFORMED),  # PINGREQ with a body
        ("c000", 0, Code.PROTOCOL_ERROR),  # not CONNECT
        ("100c00044d5154540302003c0000", 0, Code.UNSUPPORTED_VERSION),  # MQTT 3.1
        ("100e00064d51497364700302003c0000", 0, Code.UNSUPPORTED_VERSION),
        ("100c00044d5154540403003c0000", 0, Code.MALFORMED),  # reserved flag
        ("300700016103020000", V5, Code.MALFORMED),  # properties end in the middle
        ("300700016102010101", V5, None),
        ("30080001610401010100", V5, Code.PROTOCOL_ERROR),  # a property twice
        ("3006000161022501", V5, Code.PROTOCOL_ERROR),  # of CONNACK
        ("3006000161027f00", V5, Code.MALFORMED),  # no such property
        ("300700016103230000", V5, Code.PROTOCOL_ERROR),  # topic alias 0
    ],
)
def test_what_breaks_the_protocol_is_named_by_its_reason_code(
    data: str, version: int, code: Code | None
) -> None:
    decoder = Decoder(MOST, version)
    decoder.feed(bytes.fromhex(data))
    if code is None:
        decoder.next()
        return
    with pytest.raises(MqttError) as error:
        list(drained(decoder))
    assert error.value.code == code


def test_a_long_packet_in_single_bytes_is_put_together_without_looking_at_each() -> None:
    packet = Publish("v1/devices/a/up", b"x" * 60_000, 1, id=7)
    decoder = Decoder(MOST, V5)
    for byte in encode(packet, V5):
        assert decoder.next() is None
        decoder.feed(bytes((byte,)))
    assert decoder.next() == packet


def test_a_packet_is_refused_as_soon_as_its_length_is_known() -> None:
    decoder = Decoder(1000, V5)
    decoder.feed(b"\x30\xe8\x07")  # 1,000 bytes to come, and only these three are here
    with pytest.raises(MqttError, match="1,003 bytes came; the largest allowed is 1,000"):
        decoder.next()


@given(st.integers(0, 268_435_455))
def test_lengths_come_back_as_they_were(value: int) -> None:
    data = variable(value)
    assert len(data) <= 4
    assert Reader(data, 0, len(data)).variable() == value


PATTERN = st.lists(st.sampled_from(["a", "b", "+", ""]), min_size=1, max_size=4).flatmap(
    lambda levels: st.sampled_from(["/".join(levels), "/".join([*levels, "#"]), "#"])
)
PLACE = st.lists(st.sampled_from(["a", "b", "$a", ""]), min_size=1, max_size=5).map("/".join)


@settings(max_examples=200)
@given(filters=st.lists(PATTERN.filter(bool), max_size=8), topic=PLACE, gone=st.integers(0, 8))
def test_the_tree_finds_what_matches_and_nothing_else(
    filters: list[str], topic: str, gone: int
) -> None:
    tree: Tree[str] = Tree()
    for number, filter in enumerate(filters):
        check_filter(filter)
        tree.add(filter, number, filter)
    for number, filter in enumerate(filters[:gone]):
        tree.remove(filter, number)
    left = {(number, one) for number, one in enumerate(filters) if number >= gone}
    assert tree.size == len(left)
    assert set(tree.match(topic)) == {one for one in left if matches(one[1], topic)}


@pytest.mark.parametrize("filter", ["", "a+", "a/#/b", "+b/c", "a/b#", "/".join("a" * 33)])
def test_malformed_filters_are_refused(filter: str) -> None:
    with pytest.raises(MqttError) as error:
        check_filter(filter)
    assert error.value.code == Code.FILTER_INVALID

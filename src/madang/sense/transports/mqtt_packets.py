"""The control packets of MQTT 3.1.1 and 5.0, and their way to bytes.

Those of both sides, so that the embedded broker and the client for external brokers speak through
the same code. The way back is :mod:`madang.sense.transports.mqtt_decoder`. Source: OASIS MQTT 3.1.1
and 5.0, chapter 3.
"""

from __future__ import annotations

from typing import NamedTuple

from madang.sense.transports import mqtt_wire as wire
from madang.sense.transports.mqtt_wire import NONE, Properties

V311 = 4
V5 = 5
"""Protocol levels as CONNECT has them."""

(
    CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK, UNSUBSCRIBE,
    UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH,
) = range(1, 16)  # fmt: skip


class Will(NamedTuple):
    """What the broker publishes for a client that goes without a word."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: Properties = NONE


class Connect(NamedTuple):
    client_id: str
    version: int = V311
    clean: bool = True
    keep_alive: int = 0
    """Longest silence of the client; 0 is without limit. [s]"""
    user: str | None = None
    password: bytes | None = None
    will: Will | None = None
    properties: Properties = NONE


class Connack(NamedTuple):
    present: bool
    """Whether the broker still has the client's session."""
    code: int = 0
    properties: Properties = NONE


class Publish(NamedTuple):
    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    dup: bool = False
    id: int = 0
    properties: Properties = NONE


class Ack(NamedTuple):
    """PUBACK, PUBREC, PUBREL or PUBCOMP."""

    kind: int
    id: int
    code: int = 0
    properties: Properties = NONE


class Wanted(NamedTuple):
    """One subscription that a client asks for."""

    filter: str
    qos: int = 0
    no_local: bool = False
    as_published: bool = False
    """Leave the RETAIN flag as it was published."""
    retain_handling: int = 0
    """0: send retained messages; 1: only to a new subscription; 2: never."""


class Subscribe(NamedTuple):
    id: int
    wanted: tuple[Wanted, ...]
    properties: Properties = NONE


class Unsubscribe(NamedTuple):
    id: int
    filters: tuple[str, ...]
    properties: Properties = NONE


class Granted(NamedTuple):
    """SUBACK or UNSUBACK."""

    kind: int
    id: int
    codes: tuple[int, ...] = ()
    """One for each filter; none in the UNSUBACK of 3.1.1."""
    properties: Properties = NONE


class Ping(NamedTuple):
    """PINGREQ or PINGRESP."""

    kind: int


class Disconnect(NamedTuple):
    code: int = 0
    properties: Properties = NONE


class Auth(NamedTuple):
    code: int = 0
    properties: Properties = NONE


Packet = (
    Connect | Connack | Publish | Ack | Subscribe | Unsubscribe | Granted | Ping | Disconnect | Auth
)

# --- to bytes -------------------------------------------------------------------------------------


def publish_parts(packet: Publish, version: int) -> tuple[bytes, bytes]:
    """Return what comes before and after the packet id of a PUBLISH, for sending it to many."""
    topic = wire.text(packet.topic)
    after = packet.payload
    if version == V5:
        after = wire.properties(packet.properties) + after
    size = len(topic) + (2 if packet.qos else 0) + len(after)
    flags = PUBLISH << 4 | packet.dup << 3 | packet.qos << 1 | packet.retain
    return bytes((flags,)) + wire.variable(size) + topic, after


def encode(packet: Packet, version: int) -> bytes:
    """Return the bytes of a packet in a version of the protocol."""
    if isinstance(packet, Publish):
        before, after = publish_parts(packet, version)
        return before + (wire.number(packet.id, 2) if packet.qos else b"") + after
    if isinstance(packet, Ack):
        flags = packet.kind << 4 | (2 if packet.kind == PUBREL else 0)
        return _framed(flags, wire.number(packet.id, 2) + _outcome(packet, version))
    if isinstance(packet, Ping):
        return bytes((packet.kind << 4, 0))
    if isinstance(packet, Connect):
        return _connect(packet)
    if isinstance(packet, Connack):
        body = bytes((packet.present, packet.code))
        return _framed(CONNACK << 4, body + _properties(packet.properties, version))
    if isinstance(packet, Disconnect | Auth):
        kind = DISCONNECT if isinstance(packet, Disconnect) else AUTH
        return _framed(kind << 4, _outcome(packet, version))
    body = wire.number(packet.id, 2) + _properties(packet.properties, version)
    if isinstance(packet, Granted):
        return _framed(packet.kind << 4, body + bytes(packet.codes))
    if isinstance(packet, Subscribe):
        wanted = b"".join(wire.text(one.filter) + bytes((_options(one),)) for one in packet.wanted)
        return _framed(SUBSCRIBE << 4 | 2, body + wanted)
    return _framed(UNSUBSCRIBE << 4 | 2, body + b"".join(map(wire.text, packet.filters)))


def _framed(first: int, body: bytes) -> bytes:
    return bytes((first,)) + wire.variable(len(body)) + body


def _properties(values: Properties, version: int) -> bytes:
    return wire.properties(values) if version == V5 else b""


def _outcome(packet: Ack | Disconnect | Auth, version: int) -> bytes:
    """Return reason code and properties, which 5.0 leaves out where they say nothing."""
    if version != V5 or not (packet.code or packet.properties):
        return b""
    return bytes((packet.code,)) + (
        wire.properties(packet.properties) if packet.properties else b""
    )


def _options(one: Wanted) -> int:
    return one.qos | one.no_local << 2 | one.as_published << 3 | one.retain_handling << 4


def _connect(packet: Connect) -> bytes:
    will = packet.will
    flags = packet.clean << 1
    if will is not None:
        flags |= 4 | will.qos << 3 | will.retain << 5
    flags |= (packet.password is not None) << 6 | (packet.user is not None) << 7
    body = [wire.text("MQTT"), bytes((packet.version, flags)), wire.number(packet.keep_alive, 2)]
    body += [_properties(packet.properties, packet.version), wire.text(packet.client_id)]
    if will is not None:
        body += [_properties(will.properties, packet.version)]
        body += [wire.text(will.topic), wire.binary(will.payload)]
    if packet.user is not None:
        body.append(wire.text(packet.user))
    if packet.password is not None:
        body.append(wire.binary(packet.password))
    return _framed(CONNECT << 4, b"".join(body))

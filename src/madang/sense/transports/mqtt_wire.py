"""The small change of MQTT on the wire: numbers, texts, and the properties of version 5.

Source: OASIS MQTT 3.1.1 section 1.5 and MQTT 5.0 sections 1.5, 2.2.2 and 2.4.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Any, Literal

from madang.model.errors import MadangError

Properties = Mapping[str, Any]
NONE: Properties = MappingProxyType({})
LONGEST_TEXT = 65_535  # bytes that a text or binary field may have
LARGEST_VARIABLE = 268_435_455


class Code(IntEnum):
    """Reason codes of MQTT 5.0 (section 2.4) as far as they are used here."""

    SUCCESS = 0x00
    GRANTED_1 = 0x01
    DISCONNECT_WITH_WILL = 0x04
    NO_SUBSCRIBERS = 0x10
    NO_SUBSCRIPTION = 0x11
    UNSPECIFIED = 0x80
    MALFORMED = 0x81
    PROTOCOL_ERROR = 0x82
    IMPLEMENTATION_SPECIFIC = 0x83
    UNSUPPORTED_VERSION = 0x84
    CLIENT_ID_NOT_VALID = 0x85
    BAD_CREDENTIALS = 0x86
    NOT_AUTHORIZED = 0x87
    SERVER_UNAVAILABLE = 0x88
    SERVER_SHUTTING_DOWN = 0x8B
    BAD_AUTHENTICATION_METHOD = 0x8C
    KEEP_ALIVE_TIMEOUT = 0x8D
    SESSION_TAKEN_OVER = 0x8E
    FILTER_INVALID = 0x8F
    TOPIC_INVALID = 0x90
    ID_NOT_FOUND = 0x92
    RECEIVE_MAXIMUM_EXCEEDED = 0x93
    TOPIC_ALIAS_INVALID = 0x94
    PACKET_TOO_LARGE = 0x95
    QUOTA_EXCEEDED = 0x97
    ADMINISTRATIVE_ACTION = 0x98
    PAYLOAD_INVALID = 0x99
    RATE_EXCEEDED = 0x9F
    SUBSCRIPTION_IDS_NOT_SUPPORTED = 0xA1


class MqttError(MadangError):
    """The other side has broken the protocol or may not go on; its connection ends with a code."""

    def __init__(self, code: Code, detail: str) -> None:
        super().__init__(detail)
        self.code = code


def malformed(detail: str) -> MqttError:
    return MqttError(Code.MALFORMED, detail)


class Reader:
    """Reads the fields of one packet, which begins at ``at`` and ends before ``end``."""

    __slots__ = ("at", "data", "end")

    def __init__(self, data: bytes, at: int, end: int) -> None:
        self.data = data
        self.at = at
        self.end = end

    def number(self, size: int) -> int:
        """Read an unsigned integer of so many bytes."""
        return int.from_bytes(self.take(size), "big")

    def take(self, size: int) -> bytes:
        start = self.at
        self.at += size
        if self.at > self.end:
            raise malformed("a packet ends before its fields do")
        return self.data[start : self.at]

    def binary(self) -> bytes:
        return self.take(self.number(2))

    def text(self) -> str:
        return text_of(self.binary())

    def variable(self) -> int:
        """Read a Variable Byte Integer."""
        value = 0
        for shift in (0, 7, 14, 21):
            byte = self.number(1)
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
        raise malformed("a length takes more than four bytes")

    def rest(self) -> bytes:
        return self.take(self.end - self.at)

    @property
    def is_empty(self) -> bool:
        return self.at >= self.end

    def check_end(self) -> None:
        if self.at != self.end:
            raise malformed("a packet has more bytes than fields")


def text_of(data: bytes) -> str:
    """Return a UTF-8 Encoded String (section 1.5.4): no surrogates, no U+0000."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise malformed("a text is not valid UTF-8") from None
    if "\0" in text:
        raise malformed("a text has the character U+0000")
    return text


def number(value: int, size: int) -> bytes:
    return value.to_bytes(size, "big")


def variable(value: int) -> bytes:
    """Write a Variable Byte Integer."""
    if value < 0x80:
        return bytes((value,))
    if value > LARGEST_VARIABLE:
        raise ValueError(f"{value} does not fit into a Variable Byte Integer")
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def binary(value: bytes) -> bytes:
    if len(value) > LONGEST_TEXT:
        raise ValueError(f"{len(value):,} bytes do not fit into a field of MQTT")
    return len(value).to_bytes(2, "big") + value


def text(value: str) -> bytes:
    return binary(value.encode())


# --- properties of MQTT 5.0 -----------------------------------------------------------------------

_Kind = Literal["byte", "two", "four", "variable", "text", "binary", "pair"]

# Packets by the number of their type; 0 stands for the will in CONNECT.
_WILL, _CONNECT, _CONNACK, _PUBLISH, _SUBSCRIBE, _DISCONNECT, _AUTH = 0, 1, 2, 3, 8, 14, 15
_ACKS = (_CONNACK, 4, 5, 6, 7, 9, 11, _DISCONNECT, _AUTH)
_MESSAGES = (_PUBLISH, _WILL)

_PROPERTIES: dict[int, tuple[str, _Kind, frozenset[int]]] = {
    0x01: ("payload_format", "byte", frozenset(_MESSAGES)),
    0x02: ("message_expiry", "four", frozenset(_MESSAGES)),
    0x03: ("content_type", "text", frozenset(_MESSAGES)),
    0x08: ("response_topic", "text", frozenset(_MESSAGES)),
    0x09: ("correlation_data", "binary", frozenset(_MESSAGES)),
    0x0B: ("subscription_identifier", "variable", frozenset({_PUBLISH, _SUBSCRIBE})),
    0x11: ("session_expiry", "four", frozenset({_CONNECT, _CONNACK, _DISCONNECT})),
    0x12: ("assigned_client_id", "text", frozenset({_CONNACK})),
    0x13: ("server_keep_alive", "two", frozenset({_CONNACK})),
    0x15: ("authentication_method", "text", frozenset({_CONNECT, _CONNACK, _AUTH})),
    0x16: ("authentication_data", "binary", frozenset({_CONNECT, _CONNACK, _AUTH})),
    0x17: ("request_problem_information", "byte", frozenset({_CONNECT})),
    0x18: ("will_delay", "four", frozenset({_WILL})),
    0x19: ("request_response_information", "byte", frozenset({_CONNECT})),
    0x1A: ("response_information", "text", frozenset({_CONNACK})),
    0x1C: ("server_reference", "text", frozenset({_CONNACK, _DISCONNECT})),
    0x1F: ("reason", "text", frozenset(_ACKS)),
    0x21: ("receive_maximum", "two", frozenset({_CONNECT, _CONNACK})),
    0x22: ("topic_alias_maximum", "two", frozenset({_CONNECT, _CONNACK})),
    0x23: ("topic_alias", "two", frozenset({_PUBLISH})),
    0x24: ("maximum_qos", "byte", frozenset({_CONNACK})),
    0x25: ("retain_available", "byte", frozenset({_CONNACK})),
    0x26: ("user_properties", "pair", frozenset(range(16))),
    0x27: ("maximum_packet_size", "four", frozenset({_CONNECT, _CONNACK})),
    0x28: ("wildcards_available", "byte", frozenset({_CONNACK})),
    0x29: ("subscription_ids_available", "byte", frozenset({_CONNACK})),
    0x2A: ("shared_available", "byte", frozenset({_CONNACK})),
}
_NUMBERS = {name: (id, kind) for id, (name, kind, _) in _PROPERTIES.items()}
_SIZES = {"byte": 1, "two": 2, "four": 4}
_AT_LEAST_ONE = frozenset({"receive_maximum", "maximum_packet_size", "topic_alias"})
_SEVERAL = frozenset({"user_properties", "subscription_identifier"})
WILL = _WILL


def read_properties(reader: Reader, packet: int) -> Properties:
    """Read the properties of a packet of a type; ``WILL`` for those of a will.

    What may come several times is a list: user properties of pairs of texts, subscription
    identifiers of numbers.
    """
    length = reader.variable()
    if length == 0:
        return NONE
    end = reader.at + length
    if end > reader.end:
        raise malformed("the properties are longer than their packet")
    inner = Reader(reader.data, reader.at, end)
    reader.at = end
    found: dict[str, Any] = {}
    while not inner.is_empty:
        name, kind, allowed = _property(inner.variable())
        if packet not in allowed:
            raise MqttError(Code.PROTOCOL_ERROR, f"the property {name} does not belong here")
        value = _value(inner, kind)
        if name in _SEVERAL:
            found.setdefault(name, []).append(value)
        elif name in found:
            raise MqttError(Code.PROTOCOL_ERROR, f"the property {name} is there twice")
        else:
            found[name] = value
        if value == 0 and name in _AT_LEAST_ONE:
            raise MqttError(Code.PROTOCOL_ERROR, f"the property {name} must not be 0")
    return found


def _property(id: int) -> tuple[str, _Kind, frozenset[int]]:
    known = _PROPERTIES.get(id)
    if known is None:
        raise malformed(f"there is no property 0x{id:02x}")
    return known


def _value(reader: Reader, kind: _Kind) -> Any:
    if kind == "text":
        return reader.text()
    if kind == "binary":
        return reader.binary()
    if kind == "variable":
        return reader.variable()
    if kind == "pair":
        return reader.text(), reader.text()
    return reader.number(_SIZES[kind])


def properties(values: Properties) -> bytes:
    """Write properties with their length before them."""
    if not values:
        return b"\0"
    body = b"".join(
        bytes((_NUMBERS[name][0],)) + _written(one, _NUMBERS[name][1])
        for name, value in values.items()
        for one in (value if name in _SEVERAL else (value,))
    )
    return variable(len(body)) + body


def _written(value: Any, kind: _Kind) -> bytes:
    if kind == "text":
        return text(value)
    if kind == "binary":
        return binary(value)
    if kind == "variable":
        return variable(value)
    if kind == "pair":
        return text(value[0]) + text(value[1])
    return number(value, _SIZES[kind])

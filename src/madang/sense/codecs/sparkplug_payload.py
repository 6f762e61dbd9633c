"""The payload of Sparkplug B: its Protocol Buffers message, and metrics as JSON values.

Only what Madang reads is described here; Protocol Buffers skip what a description lacks.
Source: Eclipse Sparkplug 3.0.0, chapter 6 (payloads; section 6.4.16 has the data types).
"""

from __future__ import annotations

import struct
from base64 import b64encode
from typing import Any, Final

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError
from google.protobuf.message_factory import GetMessageClass

from madang.model import time
from madang.sense.message import Rejected

_PACKAGE: Final = "madang.sparkplug"
_UINT64, _UINT32 = FieldDescriptorProto.TYPE_UINT64, FieldDescriptorProto.TYPE_UINT32
_BOOL, _STRING = FieldDescriptorProto.TYPE_BOOL, FieldDescriptorProto.TYPE_STRING
_FLOAT, _DOUBLE = FieldDescriptorProto.TYPE_FLOAT, FieldDescriptorProto.TYPE_DOUBLE
_BYTES = FieldDescriptorProto.TYPE_BYTES
_METRIC = {
    "name": (1, _STRING),
    "alias": (2, _UINT64),
    "timestamp": (3, _UINT64),
    "datatype": (4, _UINT32),
    "is_null": (7, _BOOL),
    "int_value": (10, _UINT32),
    "long_value": (11, _UINT64),
    "float_value": (12, _FLOAT),
    "double_value": (13, _DOUBLE),
    "boolean_value": (14, _BOOL),
    "string_value": (15, _STRING),
    "bytes_value": (16, _BYTES),
}
_PAYLOAD = {"timestamp": (1, _UINT64), "seq": (3, _UINT64)}

_SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}
_UNSIGNED = {5: 8, 6: 16, 7: 32, 8: 64}
_DATE_TIME = 13
_ARRAYS = {
    22: "b", 23: "h", 24: "i", 25: "q", 26: "B", 27: "H", 28: "I", 29: "Q", 30: "f", 31: "d",
    34: "q",
}  # fmt: skip
_LARGEST = 3.4028234663852886e38  # of single precision
_FLOATS, _BOOLEANS, _STRINGS, _DATE_TIMES = 30, 32, 33, 34
STRUCTURED = frozenset({16, 19, 20, 21})
"""DataSet, Template, PropertySet and its list: they are no values of one field."""


def _message(name: str, fields: dict[str, tuple[int, Any]]) -> DescriptorProto:
    found = DescriptorProto(name=name)
    for place, (field, (number, kind)) in enumerate(fields.items()):
        found.field.add(
            name=field,
            number=number,
            type=kind,
            label=FieldDescriptorProto.LABEL_OPTIONAL,
            proto3_optional=True,
            oneof_index=place,
        )
        found.oneof_decl.add(name=f"_{field}")
    return found


def _payload_class() -> type[Any]:
    # Version 3 of the syntax is the same on the wire, and refuses texts that are no UTF-8.
    file = FileDescriptorProto(name="sparkplug.proto", package=_PACKAGE, syntax="proto3")
    metric, payload = _message("Metric", _METRIC), _message("Payload", _PAYLOAD)
    payload.field.add(
        name="metrics",
        number=2,
        type=FieldDescriptorProto.TYPE_MESSAGE,
        type_name=f".{_PACKAGE}.Metric",
        label=FieldDescriptorProto.LABEL_REPEATED,
    )
    file.message_type.extend([metric, payload])
    pool = DescriptorPool()
    pool.Add(file)
    return GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.Payload"))


Payload = _payload_class()
"""The message class, with ``timestamp`` [ms], ``seq`` and ``metrics``."""


def parsed(body: bytes) -> Any:
    """Return the payload in a message.

    Raises:
        Rejected: it is none.
    """
    try:
        return Payload.FromString(body)
    except DecodeError:
        raise Rejected("badPayload", "the message is no Sparkplug B payload") from None


def value_of(metric: Any, kind: int) -> Any:
    """Return the value of a metric as JSON has it; None is the null of Sparkplug.

    Args:
        metric: of a :data:`Payload`.
        kind: its data type, from the metric itself or from the BIRTH; 0: unknown.

    Raises:
        Rejected: it is no value of that type.
    """
    try:
        return _value(metric, kind)
    except (ValueError, struct.error) as error:
        raise Rejected(
            "badPayload", f"a metric of the data type {kind} is broken: {error}"
        ) from None


def _value(metric: Any, kind: int) -> Any:
    if metric.is_null:
        return None
    for field in ("int_value", "long_value"):
        if metric.HasField(field):
            return _integer(getattr(metric, field), kind)
    if metric.HasField("float_value"):
        return _short(metric.float_value)
    if metric.HasField("double_value"):
        return _finite(metric.double_value)
    if metric.HasField("boolean_value"):
        return metric.boolean_value
    if metric.HasField("string_value"):
        return metric.string_value
    if metric.HasField("bytes_value"):
        return _of_bytes(metric.bytes_value, kind)
    return None


def _integer(value: int, kind: int) -> Any:
    """Return a number from the unsigned one that Protocol Buffers carry.

    >>> _integer(0xFFFFFFFF, 3), _integer(0xFF, 1), _integer(0xFF, 5)
    (-1, -1, 255)
    """
    if kind in _SIGNED:
        bits = _SIGNED[kind]
        value &= (1 << bits) - 1
        return value - (1 << bits) if value >> (bits - 1) else value
    if kind in _UNSIGNED:
        return value & ((1 << _UNSIGNED[kind]) - 1)
    if kind == _DATE_TIME:
        return _date_time(value)
    if kind == 11:  # some senders write a Boolean as a number
        return bool(value)
    return value


def _date_time(milliseconds: int) -> str:
    if not 0 <= milliseconds <= time.LAST // 1000:
        raise ValueError(f"{milliseconds} ms since 1970 lies after the year 9999")
    return time.render(milliseconds * 1000)


def _finite(value: float) -> float | None:
    """Return a number that JSON has; what is none is not known."""
    return value if abs(value) < float("inf") else None


def _short(value: float) -> float | None:
    """Return the shortest decimal that is the same in single precision.

    >>> _short(struct.unpack("<f", struct.pack("<f", 23.1))[0])
    23.1
    """
    if _finite(value) is None:
        return None
    whole = struct.pack("<f", value)
    for digits in range(6, 10):
        shorter = float(f"{value:.{digits}g}")
        if abs(shorter) <= _LARGEST and struct.pack("<f", shorter) == whole:
            return shorter
    return value


def _of_bytes(content: bytes, kind: int) -> Any:
    """Return an array, or bytes as Base64 (section 6.4.17: arrays are little-endian)."""
    if kind in _ARRAYS:
        items = [item for (item,) in struct.iter_unpack(f"<{_ARRAYS[kind]}", content)]
        if kind == _DATE_TIMES:
            return [_date_time(item) for item in items]
        return [_short(item) for item in items] if kind == _FLOATS else _all_finite(items)
    if kind == _STRINGS:
        return [item.decode() for item in content.split(b"\0")[:-1]]
    if kind == _BOOLEANS:
        return _bits(content)
    return b64encode(content).decode()


def _all_finite(items: list[Any]) -> list[Any]:
    return [_finite(item) if isinstance(item, float) else item for item in items]


def _bits(content: bytes) -> list[bool]:
    """Return a BooleanArray: the count in four bytes, then eight to the byte, the first highest."""
    (count,) = struct.unpack_from("<I", content)
    if count > (len(content) - 4) * 8:
        raise ValueError(f"{count} switches do not fit in {len(content) - 4} bytes")
    return [bool(content[4 + at // 8] >> (7 - at % 8) & 1) for at in range(count)]

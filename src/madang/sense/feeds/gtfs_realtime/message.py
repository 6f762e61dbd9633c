"""A GTFS Realtime message, and what its parts have in common.

Source: GTFS Realtime Reference 2.0; the messages are Protocol Buffers (gtfs-realtime.proto).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from google.protobuf.message import DecodeError
from google.transit import gtfs_realtime_pb2 as proto

from madang.sense.feeds.errors import Unusable

Record = dict[str, Any]
Message = Any
"""A message of the generated module, which has no types."""

MOST_ENTITIES: Final = 200_000
_LATEST: Final = 4_102_444_800  # 2100-01-01; what lies beyond is no time but a mistake


def parsed(body: bytes, url: str) -> Message:
    """Return a FeedMessage.

    Raises:
        Unusable: it is none.
    """
    message = proto.FeedMessage()
    try:
        message.ParseFromString(body)
    except DecodeError:
        raise Unusable(f"{url} is no GTFS Realtime message (Protocol Buffers)") from None
    if len(message.entity) > MOST_ENTITIES:
        raise Unusable(
            f"{url} has {len(message.entity):,} entities; {MOST_ENTITIES:,} are the most"
        )
    return message


def word(enum: Any, value: int) -> str:
    """Return the name of a value in the way of Smart Data Models.

    >>> word(proto.VehiclePosition.VehicleStopStatus, 1)
    'stoppedAt'
    """
    try:
        first, *rest = enum.Name(value).lower().split("_")
    except ValueError:  # of a later version
        return str(value)
    return str(first + "".join(part.capitalize() for part in rest))


def seconds(timestamp: int) -> int:
    """Return a time of a message in seconds since 1970; some publishers give milliseconds."""
    return timestamp // 1000 if timestamp >= _LATEST else timestamp


def observed(timestamp: int, otherwise: str | None = None) -> str | None:
    """Return a time of a message as a DateTime, or another one if it has none."""
    return moment(seconds(timestamp)) or otherwise


def moment(timestamp: int) -> str | None:
    """Return an instant in seconds since 1970 as a DateTime; None if it is none."""
    if not 0 < timestamp < _LATEST:
        return None
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def day(text: str) -> str | None:
    """Return a service day (20250608) in ISO 8601."""
    if len(text) != 8 or not (text.isascii() and text.isdigit()):
        return None
    return f"{text[:4]}-{text[4:6]}-{text[6:]}"


def translated(texts: Message, language: str) -> str:
    """Return a text in a language, or else in the first that it is there in."""
    given = [one for one in texts.translation if one.text]
    wanted = [one for one in given if one.language.lower() == language.lower()]
    return next((str(one.text) for one in wanted or given), "")


def present(**attributes: Mapping[str, Any] | None) -> Record:
    """Return the attributes that are there."""
    return {name: dict(one) for name, one in attributes.items() if one is not None}

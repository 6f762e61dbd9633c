"""The codec ``sensorthings``: Observations of the OGC SensorThings API, created over MQTT.

The Datastream is the device, its result the field ``result``; an Observation may bring more in
``parameters``, which is a field of that name.
Source: OGC 18-088, SensorThings API 1.1, clauses 8.2.6 (Observation) and 14.2.1 (create over MQTT).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from madang.sense.codecs.bounds import device_name, json_of, shown
from madang.sense.codecs.instants import of_text
from madang.sense.codecs.table import TOPICS
from madang.sense.message import Decoded, Message, Rejected, Uplink

_FIELDS = ("result", "parameters", "resultQuality")


class SensorThings:
    """The codec; see the module."""

    name = "sensorthings"
    topics: Sequence[str] = TOPICS["sensorthings"]

    def decode(self, message: Message) -> list[Decoded]:
        found = json_of(message)
        if not isinstance(found, dict):
            raise Rejected("badPayload", f"an Observation must be an object, not {shown(found)}")
        if found.get("result") is None:
            raise Rejected("badPayload", "the Observation has no result")
        values = {name: found[name] for name in _FIELDS if found.get(name) is not None}
        return [Uplink(_datastream(found, message.device), values, _observed(found))]


def _datastream(observation: Mapping[str, Any], addressed: str) -> str:
    """Return the id of the Datastream, from the address or else from the Observation."""
    if addressed:
        return addressed
    link = observation.get("Datastream")
    id = link.get("@iot.id") if isinstance(link, dict) else None
    if isinstance(id, int) and not isinstance(id, bool):
        id = str(id) if abs(id) < 2**63 else None
    if id is None:
        raise Rejected(
            "badPayload",
            'the Observation names no Datastream: give "Datastream": {"@iot.id": ...}, or send it'
            " to Datastreams(<id>)/Observations",
        )
    return device_name(id, "Datastream.@iot.id")


def _observed(observation: Mapping[str, Any]) -> int | None:
    """Return when the result was observed, the end of a period; None if nothing says it. [us]"""
    for member in ("phenomenonTime", "resultTime"):
        value = observation.get(member)
        if value is not None:
            end = value.rpartition("/")[2] if isinstance(value, str) else value
            return of_text(end, member)
    return None


CODEC = SensorThings()

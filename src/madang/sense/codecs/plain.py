"""The codec ``json``: what a device has measured as a plain JSON object.

An object holds the fields of one uplink, or is an envelope: ``{"device": "d1", "observedAt":
"2026-01-31T12:00:00Z", "values": {...}}``. ThingsBoard's ``{"ts": 1769860800000, "values": {...}}``
is read, too, and so are bodies for the JSON agent of FIWARE (its topics are below). An array holds
several, a value alone is the field ``value``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from madang.sense.codecs.bounds import (
    check_fields,
    check_items,
    device_name,
    json_of,
    shown,
)
from madang.sense.codecs.instants import MILLISECOND, of_number, of_text
from madang.sense.codecs.table import TOPICS
from madang.sense.message import Decoded, Message, Rejected, Uplink

_ENVELOPE = frozenset({"device", "observedAt", "ts", "values"})


class Json:
    """The codec; see the module."""

    name = "json"
    topics: Sequence[str] = TOPICS["json"]

    def decode(self, message: Message) -> list[Decoded]:
        found = json_of(message)
        if isinstance(found, list):
            items = check_items(found, "uplinks")
            if not items:
                raise Rejected("badPayload", "the array of uplinks is empty")
            return [
                _uplink(item, message.device, f"uplink {place}: ")
                for place, item in enumerate(items, 1)
            ]
        if isinstance(found, dict):
            return [_uplink(found, message.device, "")]
        if found is None:
            raise Rejected("badPayload", "null says nothing; expected an object of fields")
        if not message.device:
            raise Rejected("badPayload", f"nothing says which device sends {shown(found)}")
        return [Uplink(message.device, {"value": found})]


def _uplink(item: Any, addressed: str, where: str) -> Uplink:
    if not isinstance(item, dict):
        raise Rejected(
            "badPayload", f"{where}expected an object of fields such as"
            f' {{"temperature": 21.5}}, not {shown(item)}'
        )  # fmt: skip
    is_envelope = isinstance(item.get("values"), dict) and item.keys() <= _ENVELOPE
    device = addressed
    if "device" in item and (is_envelope or not addressed):
        device = device_name(item.pop("device"), f"{where}device")
        if addressed and device != addressed:
            raise Rejected(
                "badPayload",
                f"{where}device is {shown(device)}, but the address names {shown(addressed)}",
            )
    if not device:
        raise Rejected(
            "badPayload", f"{where}no device is named: give the member device, or send it to"
            " the address of the device"
        )  # fmt: skip
    observed = None
    if "observedAt" in item:
        observed = of_text(item.pop("observedAt"), f"{where}observedAt")
    elif is_envelope and "ts" in item:
        observed = of_number(item["ts"], MILLISECOND, f"{where}ts [milliseconds since 1970]")
    return Uplink(device, check_fields(item["values"] if is_envelope else item), observed)


CODEC = Json()

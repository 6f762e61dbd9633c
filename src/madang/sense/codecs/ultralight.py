"""The codec ``ultralight``: measures as FIWARE's Ultralight 2.0 writes them.

``t|21|h|40`` gives two fields, ``#`` parts groups of measures taken at different times, and a group
may begin with its time and ``|``. What looks like a JSON number is one, everything else a text.
``lamp1@dim|30`` at a topic that ends in ``cmdexe`` is the result of a command.
Source: FIWARE IoT Agent for Ultralight 2.0, "Measure payload syntax", "Commands payload syntax".
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from madang.sense.codecs.bounds import body_of, check_fields, check_items, shown
from madang.sense.codecs.instants import of_text
from madang.sense.codecs.table import TOPICS
from madang.sense.message import Answered, Decoded, Message, Rejected, Uplink

_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,17})(?:\.\d{1,40})?(?:[eE][+-]?\d{1,2})?", re.ASCII)


class Ultralight:
    """The codec; see the module."""

    name = "ultralight"
    topics: Sequence[str] = TOPICS["ultralight"]

    def decode(self, message: Message) -> list[Decoded]:
        try:
            text = body_of(message).decode()
        except UnicodeDecodeError:
            raise Rejected("badPayload", "Ultralight measures must be UTF-8 text") from None
        if not message.device:
            raise Rejected(
                "badPayload",
                "Ultralight measures do not name their device: send them to its topic or address",
            )
        if message.address.endswith("/cmdexe"):
            return [_result(text.strip(), message.device)]
        groups = check_items(text.strip().split("#"), "groups of measures")
        return [
            _uplink(group, message.device, f"group {place}")
            for place, group in enumerate(groups, 1)
        ]


def _result(text: str, device: str) -> Answered:
    """Return what a device says about the last command of a name that it was sent."""
    order, bar, result = text.partition("|")
    name, at, command = order.partition("@")
    if not (bar and at and name == device and command):
        raise Rejected(
            "badPayload",
            f"the result of a command is written like {device}@dim|30, not {shown(text)}",
        )
    return Answered(device, order, "done", result[:300])


def _uplink(group: str, device: str, where: str) -> Uplink:
    parts = group.split("|")
    observed = None
    if len(parts) % 2:  # one stands before the pairs: the time
        observed = of_text(parts.pop(0).strip(), f"the time at the beginning of {where}")
    pairs = zip(parts[::2], parts[1::2], strict=True)
    values: dict[str, float | int | str] = {}
    for name, value in pairs:
        if name in values:
            raise Rejected("badPayload", f"{where} has the field {shown(name)} twice")
        values[name] = _value(value)
    if not values:
        raise Rejected("badPayload", f"{where} must be pairs such as t|21|h|40, not {shown(group)}")
    return Uplink(device, check_fields(values), observed)


def _value(text: str) -> float | int | str:
    if not _NUMBER.fullmatch(text):
        return text
    return int(text) if text.lstrip("-").isdigit() else float(text)


CODEC = Ultralight()

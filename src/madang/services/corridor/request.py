"""Requests for green as entities: what services ask, and what the service of the signals reads.

After the Signal Request Message of SAE J2735 and ISO/TS 19091. One entity a lane and asker, so
there are never more of them than lanes; the newest request replaces the last. Nobody gets green by
it: the controller weighs it, and the interlock has the last word.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from madang.model import time
from madang.services import records
from madang.services.city import City, Thing
from madang.services.service import Text
from madang.services.signals.controller import Priority
from madang.services.signals.signal import Seen
from madang.services.signals.wire import NotASignal, unpack_seen

PRIORITY, SIGNAL = "SignalPriority", "TrafficSignal"
_SECOND = 1_000_000  # [us]


def ask(city: City, asker: str, wanted: Priority, why: Text) -> None:
    """Write down what is asked of a signal.

    Args:
        city: of the service that asks.
        asker: name of the service.
        wanted: what; its ``signal`` is the id of the entity, its times are seconds since 1970.
        why: for people.
    """
    city.update(
        id_of(asker, wanted), PRIORITY,
        refSignal=records.link(wanted.signal),
        lane=wanted.lane,
        priorityKind=wanted.kind,
        arrivesAt=records.moment(round(wanted.arrives_s * _SECOND)),
        validTo=records.moment(round(wanted.until * _SECOND)),
        reason=records.text(why),
        status="asked" if wanted.until * _SECOND > city.instant else "over",
    )  # fmt: skip


def id_of(asker: str, wanted: Priority) -> str:
    """Return the id of the entity of a request."""
    signal = wanted.signal.rpartition(":")[2]
    lane = quote(wanted.lane, safe="")
    return f"urn:ngsi-ld:{PRIORITY}:{asker}:{quote(signal, safe='')}:{lane}"


def read(thing: Thing) -> Priority | None:
    """Return what an entity asks; None if it is not as it must be."""
    kind, signal, lane = thing["priorityKind"], thing["refSignal"], thing["lane"]
    arrives, until = _seconds(thing["arrivesAt"]), _seconds(thing["validTo"])
    if not (isinstance(signal, str) and isinstance(lane, str)) or arrives is None or until is None:
        return None
    if kind not in ("emergency", "bus", "bicycle"):
        return None
    return Priority(signal, lane, arrives, kind, until)


def seen_of(signal: Thing) -> Seen:
    """Return what the detectors of a signal see, whatever it shows; nothing if it does not say."""
    try:
        return unpack_seen(0, 0.0, signal["approaches"] or {"in": {}, "out": {}})
    except NotASignal:
        return Seen(0, 0.0, {}, {})


def _seconds(value: Any) -> float | None:
    """Return a DateTime as seconds since 1970; None if it is none."""
    try:
        return time.parse(value["@value"] if isinstance(value, dict) else value) / _SECOND
    except (TypeError, ValueError, KeyError):
        return None

"""What a trial begins from: the city as it is, as it was at an instant, or its usual traffic.

Of the city counts what any city has: where vehicles are that tell it, what detectors count, which
phases signals show. The simulation is warmed up with the demand of that time of day, held against
the counts, and vehicles that are known are put where they are (:mod:`madang.twin.branch.warm`).
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal
from zoneinfo import ZoneInfo

from madang.model.errors import BadRequestData
from madang.query.tree import HasType, Query, Selector
from madang.services.city import Thing, moment
from madang.services.place import middle
from madang.store.rows import entity_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from madang.hub.tenant import Tenant
    from madang.trust.view import View

MOST: Final = 5_000
"""Things of a type that are looked at."""
OLDEST: Final = timedelta(minutes=5)
"""What was told earlier says nothing of the present."""
KINDS: Final = {
    "car": "car", "taxi": "car", "van": "car", "passenger": "car", "truck": "truck",
    "lorry": "truck", "bus": "bus", "coach": "bus", "bicycle": "bicycle", "bike": "bicycle",
}  # fmt: skip
"""What vehicles are called, by what they are here."""

_CLOCK: Final = re.compile(r"(?:[01]\d|2[0-3]):[0-5]\d", re.ASCII)

From = Literal["now", "past", "usual"]


@dataclass(frozen=True, slots=True)
class Known:
    """A vehicle of which the city knows where it is."""

    lon: float
    lat: float
    speed: float
    """[m/s]"""
    heading: float
    """Clockwise from north. [degree]"""
    kind: str


@dataclass(frozen=True, slots=True)
class Count:
    """What a detector counts."""

    lon: float
    lat: float
    per_hour: float
    """[1/h]"""


@dataclass(frozen=True, slots=True)
class Start:
    """The begin of a trial."""

    kind: From
    at: int | None
    """The instant; None for usual traffic. [us since 1970]"""
    second: float
    """Of the day, by the city's clock. [s]"""
    vehicles: tuple[Known, ...] = ()
    counts: tuple[Count, ...] = ()
    phases: tuple[tuple[str, int], ...] = ()
    """Signals and the phase that each shows."""
    control: str = "fixed"
    """How most signals are controlled."""

    def told(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)

    @classmethod
    def of(cls, told: dict[str, Any]) -> Start:
        """Return what :meth:`told` told."""
        return cls(
            told["kind"],
            told["at"],
            told["second"],
            tuple(Known(**one) for one in told["vehicles"]),
            tuple(Count(**one) for one in told["counts"]),
            tuple((id, phase) for id, phase in told["phases"]),
            told["control"],
        )


def second_of_day(at: int, zone: str) -> float:
    """Return how far a day is at an instant. [s]

    Args:
        at: us since 1970.
        zone: of the city, such as ``Asia/Seoul``.
    """
    local = moment(at).astimezone(ZoneInfo(zone))
    return local.hour * 3600.0 + local.minute * 60 + local.second + local.microsecond / 1e6


def usual(clock: Any, control: str = "fixed") -> Start:
    """Return usual traffic at a time of day such as ``08:15``.

    Args:
        clock: the time of day.
        control: how signals are controlled, as :func:`controlled` tells it.

    Raises:
        BadRequestData: it is no time of day.
    """
    if not isinstance(clock, str) or not _CLOCK.fullmatch(clock):
        raise BadRequestData("time must be a time of day such as 08:15, by the clock of the city")
    hours, _, minutes = clock.partition(":")
    return Start("usual", None, 3600.0 * int(hours) + 60 * int(minutes), control=control)


async def controlled(seen: Tenant | View) -> str:
    """Return how most signals of a city are controlled now, as far as somebody may see it."""
    return _control(await _things(seen, "TrafficSignal", None))


async def of_city(seen: Tenant | View, at: int, is_past: bool, zone: str) -> Start:
    """Return the city as it is, or was, as far as somebody may see it.

    Args:
        seen: the city, as who asks sees it.
        at: the instant. [us since 1970]
        is_past: look into history.
        zone: of the city.
    """
    vehicles = await _things(seen, "Vehicle", at if is_past else None)
    flows = await _things(seen, "TrafficFlowObserved", at if is_past else None)
    signals = await _things(seen, "TrafficSignal", at if is_past else None)
    # What stays the same is often told once, long before the instant.
    known = await _things(seen, "Vehicle", None) if is_past else vehicles
    types = {one.id: str(one["vehicleType"]) for one in known if one["vehicleType"]}
    now = moment(at)
    return Start(
        "past" if is_past else "now",
        at,
        second_of_day(at, zone),
        tuple(found for one in vehicles if (found := _vehicle(one, types.get(one.id, "car"), now))),
        tuple(count for one in flows if (count := _count(one, now))),
        tuple(
            (one.id.rpartition(":")[2], int(phase))
            for one in signals
            if isinstance(phase := one["currentPhase"], int | float)
        ),
        _control(signals),
    )


async def _things(seen: Tenant | View, type_: str, at: int | None) -> list[Thing]:
    query = Query((Selector(types=HasType(type_)),), limit=MOST)
    if at is None:
        return [Thing(entity_of(row).document) for row in (await seen.query(query)).rows]
    found, _, _ = await seen.history.read(lambda lake: lake.states(query, at))
    return [Thing(entity.document) for entity in found]


def _vehicle(one: Thing, type_: str, now: datetime) -> Known | None:
    place = _place(one, now)
    if place is None:
        return None
    speed = one["speed"] if isinstance(one["speed"], int | float) else 0.0
    heading = one["heading"] if isinstance(one["heading"], int | float) else 0.0
    kind = KINDS.get(type_)
    return None if kind is None else Known(*place, float(speed) / 3.6, float(heading), kind)


def _count(one: Thing, now: datetime) -> Count | None:
    place, intensity = _place(one), one["intensity"]
    if place is None or not isinstance(intensity, int | float) or _is_old(one, "intensity", now):
        return None
    return Count(*place, float(intensity))


def _place(one: Thing, now: datetime | None = None) -> tuple[float, float] | None:
    """Return the middle of where a thing is; None if that is not known, or of long ago."""
    found = middle(one)
    if found is None or (now is not None and _is_old(one, "location", now)):
        return None
    return found[0], found[1]


def _is_old(one: Thing, name: str, now: datetime) -> bool:
    at = one.observed(name)
    return at is not None and now - at > OLDEST


def _control(signals: Iterable[Thing]) -> str:
    """Return how most signals are controlled: by the service that thinks ahead, or by plans."""
    modes = Counter(str(one["controlMode"]) for one in signals if one["controlMode"])
    return "cognitive" if 2 * modes["control"] > modes.total() else "fixed"

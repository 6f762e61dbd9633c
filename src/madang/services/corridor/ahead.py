"""What is asked of the signals ahead: for a responder, a group of bicycles, a bus. Pure.

A responder is held up by the queue before it more than by the red itself. The controller knows the
queue, and lets it go early enough for who comes then; here is said when that is: start-up 2 s and
2 s a vehicle of a queue (saturation flow 1,800 an hour; Highway Capacity Manual, chapter 19).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from madang.services.corridor.platoon import Group
from madang.services.corridor.way import Stop
from madang.services.service import LocalOptions, option
from madang.services.signals.controller import Kind, Priority
from madang.services.signals.signal import Seen

STANDING: Final = 2.0  # [m/s] slower is in a queue
START_S: Final = 2.0  # until the first of a queue moves
HEADWAY_S: Final = 2.0  # between two of a queue
SLACK: Final = 0.3  # by which share a forecast may be wrong
NEAR_S: Final = 8.0  # so near, one is told of as they come: they do not slip through at yellow
TAIL_S: Final = 12.0  # the last of a group may fall back so far
LATE_S: Final = 3.0  # and mostly falls back so far
DWELL_S: Final = 15.0  # of a bus at a stop


class Timing(LocalOptions):
    """When a corridor opens and closes."""

    pace_kmh: float = option(
        50.0, "Pace", "주행 속도", "Of a responder on an open way. [km/h]", ge=10, le=120
    )
    horizon_s: float = option(
        45.0, "Horizon", "예측 범위", "Signals are asked so long ahead. [s]", ge=10, le=300
    )
    margin_s: float = option(
        4.0, "Margin", "여유 시간", "Green is there so much before it is needed. [s]", ge=0, le=60
    )


def corridor(
    stops: Iterable[Stop], metres: float, now: float, seen: Mapping[str, Seen], timing: Timing
) -> list[Priority]:
    """Return what a responder asks of the signals ahead.

    Args:
        stops: on its way.
        metres: that it has gone along it.
        now: [s]
        seen: what detectors see, by signal; unknown ones count as empty.
        timing: when it opens and closes.
    """
    found, arrives = list[Priority](), 0.0
    here, pace = metres, timing.pace_kmh / 3.6
    for stop in stops:
        if stop.metres <= metres:
            continue
        arrives, here = arrives + (stop.metres - here) / pace, stop.metres
        distance = stop.metres - metres
        clear = clears(queue(seen.get(stop.signal), stop.lanes, distance))
        comes = max(arrives - timing.margin_s, min(arrives, NEAR_S))
        if comes > timing.horizon_s:
            break
        arrives = max(arrives, clear)
        until = now + arrives * (1 + SLACK) + timing.margin_s
        found.append(Priority(stop.signal, stop.lanes[0], now + comes, "emergency", until))
    return found


def wave(
    stops: Sequence[Stop], number: int, group: Group, now: float, horizon_s: float, margin_s: float
) -> list[Priority]:
    """Return what a group of bicycles asks of a signal, and of those behind it on its avenue.

    Args:
        stops: on the avenue.
        number: of the stop line that the group comes to.
        group: of bicycles.
        now: [s]
        horizon_s: signals are asked so long ahead. [s]
        margin_s: green is there so much before it is needed. [s]
    """
    found = []
    for stop in stops[number:]:
        further = stop.metres - stops[number].metres
        arrives = group.arrives(further)
        if arrives > horizon_s:
            break
        passed = group.passed(further)
        until = now + passed + SLACK * arrives + TAIL_S
        # Green has to come for the first of them, and to be kept until the last are through.
        for lane, comes in zip(
            stop.lanes, (max(0.0, arrives - margin_s), passed + LATE_S), strict=False
        ):
            found.append(Priority(stop.signal, lane, now + comes, "bicycle", until))
    return found


def bus(
    stop: Stop, metres: float, speed: float, now: float, dwells: bool, horizon_s: float
) -> Priority | None:
    """Return what a bus asks of the next signal; None while that is far.

    Args:
        stop: the next stop line on its way.
        metres: that it has gone along it.
        speed: [m/s]
        now: [s]
        dwells: whether it stops for passengers before the stop line.
        horizon_s: it asks so long ahead. [s]
    """
    arrives = (stop.metres - metres) / max(speed, 6.0) + (DWELL_S if dwells else 0.0)
    if arrives > horizon_s:
        return None
    until = now + arrives * (1 + SLACK) + 5.0
    return Priority(stop.signal, stop.lanes[0], now + arrives, "bus", until)


def over(signal: str, lane: str, kind: Kind, now: float) -> Priority:
    """Return what takes a request back."""
    return Priority(signal, lane, now, kind, now)


def queue(seen: Seen | None, lanes: Iterable[str], within: float) -> int:
    """Return how many stand before the stop line, nearer than so, on the longest of some lanes."""
    if seen is None:
        return 0
    return max(
        (
            sum(1 for one in seen.lanes.get(lane, ()) if one.speed < STANDING
                and one.distance < within - 1.0)
            for lane in lanes
        ),
        default=0,
    )  # fmt: skip


def clears(vehicles: int) -> float:
    """Return how long a queue needs to go. [s]

    >>> clears(0), clears(10)
    (0.0, 22.0)
    """
    return START_S + HEADWAY_S * vehicles if vehicles else 0.0

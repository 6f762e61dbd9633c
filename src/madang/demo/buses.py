"""The buses of the demo city: lines along its avenues, and where each bus is at a time.

Where a bus is follows from the time alone, so a city that is started again goes on where its buses
would be by now, and yesterday is known without having been there.
"""

from __future__ import annotations

import math
from datetime import datetime
from itertools import pairwise
from typing import Any, Final, NamedTuple

from madang.demo import ground
from madang.demo.ground import COLUMNS, ROWS, SIDE, Plan
from madang.demo.quarter import STEMS
from madang.demo.told import Entity, entity, value, where, words

BUSES: Final = 60
_STOP_M: Final = 400.0  # from one stop to the next, about
_LEG_S: Final = 58.0  # from one stop to the next
_DWELL_S: Final = 14.0  # of them, doors are open
_STEP_M: Final = 10.0  # between two points that are kept of a line
_LANE: Final = 5.0  # a bus is so far right of the middle of the street [m]

# Corners of the loop of each line, in avenues from the west and from the south.
LOOPS: Final = (
    ((0, 0), (5, 0), (5, 4), (0, 4)),
    ((1, 0), (4, 0), (4, 4), (1, 4)),
    ((0, 1), (5, 1), (5, 3), (0, 3)),
    ((0, 2), (3, 2), (3, 4), (0, 4)),
    ((2, 0), (5, 0), (5, 2), (2, 2)),
    ((1, 1), (4, 1), (4, 3), (1, 3)),
    ((0, 0), (2, 0), (2, 4), (4, 4), (4, 2), (0, 2)),
    ((3, 0), (3, 3), (5, 3), (5, 1), (1, 1), (1, 0)),
)


class Line(NamedTuple):
    """The way of a line, round and round: places and headings every few metres."""

    name: str
    title: tuple[str, str]
    places: list[tuple[float, float]]
    headings: list[int]
    """Clockwise from north. [degree]"""
    stops: int

    @property
    def metres(self) -> float:
        return len(self.places) * _STEP_M


class Moment(NamedTuple):
    """How a bus is at a time."""

    place: tuple[float, float]
    speed: float
    """[km/h]"""
    heading: int


def lines() -> list[Line]:
    """Return all lines; each runs one way round."""
    return [_line(number, loop) for number, loop in enumerate(LOOPS, 1)]


def _line(number: int, loop: tuple[tuple[int, int], ...]) -> Line:
    corners = [((c - COLUMNS / 2) * SIDE, (r - ROWS / 2) * SIDE) for c, r in loop]
    plan = _walked([*corners, corners[0]])
    places, headings = [], []
    for here, there in zip(plan, [*plan[1:], plan[0]], strict=True):
        (u, v), (du, dv) = here, (there[0] - here[0], there[1] - here[1])
        length = math.hypot(du, dv) or 1.0
        places.append(ground.place((u + dv / length * _LANE, v - du / length * _LANE)))
        (e0, n0), (e1, n1) = ground.bent(here), ground.bent(there)
        headings.append(round(math.degrees(math.atan2(e1 - e0, n1 - n0))) % 360)
    korean, english = STEMS[number % len(STEMS)]
    stops = max(4, round(len(places) * _STEP_M / _STOP_M))
    return Line(f"{korean}{number:02d}", (f"{korean} {number:02d}번", f"{english} {number:02d}"),
                places, headings, stops)  # fmt: skip


def _walked(corners: list[Plan]) -> list[Plan]:
    """Return points of a way every few metres, without the last corner."""
    found: list[Plan] = []
    for start, end in pairwise(corners):
        steps = round(math.dist(start, end) / _STEP_M)
        found += [
            (start[0] + (end[0] - start[0]) * i / steps, start[1] + (end[1] - start[1]) * i / steps)
            for i in range(steps)
        ]
    return found


class Bus:
    """One bus of a line.

    Args:
        number: of the bus.
        line: its way.
        start: where it is at the beginning of 1970, in legs. [1]
    """

    def __init__(self, number: int, line: Line, start: float) -> None:
        self.line = line
        self._start = start
        self.fixed = entity(
            "Vehicle", f"bus-{number:02d}",
            name=words(f"{line.title[0]} 버스 {number}", f"Bus {number} of line {line.title[1]}"),
            vehicleType="bus",
            category=["public"],
            line=line.name,
            serviceStatus="onRoute",
            fleetVehicleId=f"{7000 + number}",
        )  # fmt: skip

    def at(self, seconds: float) -> Moment:
        """Return how it is so many seconds after the beginning of 1970."""
        legs = self._start + seconds / _LEG_S
        leg, share = math.floor(legs), legs % 1.0
        moving = min(1.0, share / (1 - _DWELL_S / _LEG_S))
        gone = moving * moving * (3 - 2 * moving)  # away from one stop and gently into the next
        line = self.line
        long = line.metres / line.stops
        metres = ((leg % line.stops) + gone) * long
        index = metres / _STEP_M
        first = int(index) % len(line.places)
        second = (first + 1) % len(line.places)
        (e0, n0), (e1, n1) = line.places[first], line.places[second]
        part = index % 1.0
        place = round(e0 + (e1 - e0) * part, 6), round(n0 + (n1 - n0) * part, 6)
        pace = 6 * moving * (1 - moving) * long / (_LEG_S - _DWELL_S)
        return Moment(place, round(pace * 3.6, 1), line.headings[first])

    def told(self, at: datetime) -> Entity:
        """Return what it tells at a time, as an entity with nothing else."""
        now = self.at(at.timestamp())
        point: dict[str, Any] = {"type": "Point", "coordinates": list(now.place)}
        return {
            "id": self.fixed["id"],
            "type": "Vehicle",
            "location": where(point, at),
            "speed": value(now.speed, "KMH", at),
            "heading": value(now.heading, "DD", at),
            "delay": value(0, "SEC", at),
        }


def buses(count: int = BUSES) -> list[Bus]:
    """Return the buses, spread evenly over each line."""
    all_lines = lines()
    per_line = math.ceil(count / len(all_lines))
    return [
        Bus(number + 1, line, (number // len(all_lines)) * line.stops / per_line)
        for number in range(count)
        for line in [all_lines[number % len(all_lines)]]
    ]

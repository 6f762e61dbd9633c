"""A way through the city and the stop lines on it: of a responder, a bus line, a bicycle avenue.

A way is a line on the map, as a navigation system or a timetable gives it. A stop line belongs to
it if it is near the line and its lane leads where the line goes, before the signal and behind it.
Within some kilometres the earth is flat here (a degree of latitude has 111,195 m).

>>> way = Way([(127.0, 37.5), (127.0, 37.51)])
>>> round(way.metres), round(way.metres_of((127.0001, 37.502)))
(1112, 222)
>>> stops(way, [Approach("crossing", "north_0", (127.0, 37.505), 0.0, (0.0, 90.0))])
[Stop(signal='crossing', lanes=('north_0',), metres=556.0)]
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from madang.services.signals.signal import Signal

Place = Sequence[float]
"""Longitude and latitude. [degree]"""

NEAR_M = 16.0  # from the line to a lane of the same carriageway
ALIKE = 40.0  # two headings that are one way [degree]
BEHIND_M = 60.0  # where it is seen which way the line turns
APART_M = 25.0  # two stop lines of one signal on one way are farther apart
MOST_PLACES = 5_000  # of a line
_METRE = 111_195.0  # of a degree of latitude


class Approach(NamedTuple):
    """A lane that ends at a signal."""

    signal: str
    lane: str
    at: Place
    """Where its stop line is."""
    heading: float
    """In which it comes there, clockwise from north. [degree]"""
    leaves: tuple[float, ...]
    """Headings of the lanes that it leads to."""


class Stop(NamedTuple):
    """A signal on a way."""

    signal: str
    lanes: tuple[str, ...]
    """From which one goes on along the way; first those that lead nowhere else."""
    metres: float
    """From the beginning of the way to the stop line."""


class Way:
    """A line on the map.

    Args:
        line: its places, two at least.

    Raises:
        ValueError: it has fewer, or very many.
    """

    def __init__(self, line: Sequence[Place]) -> None:
        if not 2 <= len(line) <= MOST_PLACES:
            raise ValueError(f"a way has 2 to {MOST_PLACES:,} places, not {len(line):,}")
        self._origin = (float(line[0][0]), float(line[0][1]))
        self._scale = _METRE * math.cos(math.radians(self._origin[1]))
        self._points = [self._flat(place) for place in line]
        self._marks = [0.0]
        for here, there in pairwise(self._points):
            self._marks.append(self._marks[-1] + math.dist(here, there))
        self.metres = self._marks[-1]
        """How long it is."""

    def beside(self, place: Place) -> Iterator[tuple[float, float]]:
        """Yield, for each part of the line, where a place is beside it, and how far off. [m]"""
        x, y = self._flat(place)
        for number, ((x0, y0), (x1, y1)) in enumerate(pairwise(self._points)):
            long = self._marks[number + 1] - self._marks[number]
            if long:
                dx, dy = (x1 - x0) / long, (y1 - y0) / long
                part = min(max((x - x0) * dx + (y - y0) * dy, 0.0), long)
                off = math.hypot(x0 + dx * part - x, y0 + dy * part - y)
                yield self._marks[number] + part, off

    def metres_of(self, place: Place, after: float = 0.0) -> float:
        """Return how far along the way a place is, but never before ``after``. [m]"""
        behind = ((off, metres) for metres, off in self.beside(place) if metres >= after)
        return min(behind, default=(0.0, after))[1]

    def off(self, place: Place) -> float:
        """Return how far from the way a place is. [m]"""
        return min((off for _, off in self.beside(place)), default=math.inf)

    def heading(self, metres: float) -> float:
        """Return in which direction the way goes there, clockwise from north. [degree]"""
        part = min(max(bisect_right(self._marks, metres) - 1, 0), len(self._points) - 2)
        (x0, y0), (x1, y1) = self._points[part], self._points[part + 1]
        return math.degrees(math.atan2(x1 - x0, y1 - y0)) % 360.0

    def _flat(self, place: Place) -> tuple[float, float]:
        lon, lat = self._origin
        return (place[0] - lon) * self._scale, (place[1] - lat) * _METRE


def stops(way: Way, approaches: Iterable[Approach]) -> list[Stop]:
    """Return the stop lines on a way, in the order in which one comes to them."""
    near: dict[str, list[_Near]] = {}
    for one in approaches:
        for metres, off in way.beside(one.at):
            if off <= NEAR_M and apart(way.heading(metres - 1.0), one.heading) <= ALIKE:
                near.setdefault(one.signal, []).append(_Near(metres, off, one))
    found = [_stop(way, some) for several in near.values() for some in _passes(several)]
    return sorted(found, key=lambda stop: stop.metres)


class _Near(NamedTuple):
    """A lane where the way passes its stop line."""

    metres: float
    off: float
    lane: Approach


def _passes(several: list[_Near]) -> Iterator[list[_Near]]:
    """Yield the lanes that are found each time that the way passes a signal."""
    group: list[_Near] = []
    for one in sorted(several, key=lambda one: (one.metres, one.lane.lane)):
        if group and one.metres - group[0].metres > APART_M:
            yield group
            group = []
        group.append(one)
    yield group


def _stop(way: Way, group: list[_Near]) -> Stop:
    metres = min(group, key=lambda one: one.off).metres
    towards = way.heading(metres + BEHIND_M)
    lanes = dict.fromkeys(one.lane for one in group)
    ranked = sorted((_strays(one, towards), one.lane) for one in lanes)
    fitting = [lane for strays, lane in ranked if strays < math.inf]
    signal = group[0].lane.signal
    return Stop(signal, tuple(fitting or (lane for _, lane in ranked)), round(metres, 1))


def _strays(one: Approach, towards: float) -> float:
    """Return to how many other directions a lane leads; infinity if not to this one."""
    fits = [apart(leave, towards) <= ALIKE for leave in one.leaves]
    return fits.count(False) if any(fits) else math.inf


def apart(one: float, other: float) -> float:
    """Return the angle between two headings. [degree]

    >>> apart(350.0, 20.0)
    30.0
    """
    return abs((one - other + 180.0) % 360.0 - 180.0)


def metres_between(one: Place, other: Place) -> float:
    """Return how far two places are from one another. [m]

    >>> round(metres_between((127.0, 37.5), (127.01, 37.5)))
    882
    """
    scale = math.cos(math.radians((one[1] + other[1]) / 2))
    return _METRE * math.hypot((one[0] - other[0]) * scale, one[1] - other[1])


def approaches(signal: Signal, shapes: Mapping[str, Sequence[Place]]) -> list[Approach]:
    """Return the lanes before a signal with where they are and lead.

    Args:
        signal: whose.
        shapes: of its lanes, as places along them; lanes without are left out.
    """
    leads: dict[str, dict[str, None]] = {}
    for link in signal.links:
        for before, behind in link:
            leads.setdefault(before, {})[behind] = None
    return [
        Approach(
            signal.id, lane, tuple(shapes[lane][-1]), _bearing(shapes[lane][-2:]),
            tuple(_bearing(shapes[one][:2]) for one in behind if one in shapes),
        )
        for lane, behind in leads.items()
        if lane in shapes
    ]  # fmt: skip


def told(found: Iterable[Approach]) -> dict[str, Any]:
    """Return the approaches of one signal as the JSON of its attribute ``stopLines``."""
    return {
        one.lane: {"at": list(one.at), "heading": one.heading, "leaves": list(one.leaves)}
        for one in found
    }


def read(signal: str, stop_lines: Any) -> list[Approach]:
    """Return approaches from the attribute ``stopLines``; what is not as it must be is left out."""
    found = []
    for lane, one in stop_lines.items() if isinstance(stop_lines, dict) else ():
        try:
            lon, lat = (float(part) for part in one["at"])
            leaves = tuple(float(part) for part in one["leaves"])
            found.append(Approach(signal, lane, (lon, lat), float(one["heading"]), leaves))
        except (TypeError, ValueError, KeyError):
            continue
    return found


def _bearing(ends: Sequence[Place]) -> float:
    (lon0, lat0), (lon1, lat1) = ends
    east = (lon1 - lon0) * math.cos(math.radians(lat0))
    return round(math.degrees(math.atan2(east, lat1 - lat0)) % 360.0, 1)

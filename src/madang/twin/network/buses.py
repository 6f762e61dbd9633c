"""The buses of a timetable on the roads of a scenario: stops, and a weekday's trips."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple
from xml.sax.saxutils import quoteattr

from madang.twin.network.matching import Matcher, Place, Way
from madang.twin.network.roads import Roads
from madang.twin.network.stops import STOP_M, BusStop, span
from madang.twin.network.timetable import Day, Stop

_DWELL_S: Final = 12


class Buses(NamedTuple):
    """What a timetable comes to on roads."""

    stops: dict[str, BusStop]
    """By id: that of the timetable, with ``@2`` and so on where one is at several edges."""
    ways: list[Way]
    at: dict[tuple[str, str], str]
    """The bus stop of a stop of the timetable and an edge."""
    lost: list[str]
    """What could not be brought onto roads, told for a person."""

    @property
    def trips(self) -> int:
        return sum(len(way.pattern.trips) for way in self.ways)


def on_roads(roads: Roads, day: Day) -> Buses:
    """Bring a weekday of a timetable onto roads."""
    ways, lost = Matcher(roads, day.stops).ways(day.patterns)
    stops: dict[str, BusStop] = {}
    at: dict[tuple[str, str], str] = {}
    serving: dict[tuple[str, str], set[str]] = {}
    places: dict[tuple[str, str], Place] = {}
    for way in ways:
        for call, place in zip(way.calls, way.places, strict=True):
            key = way.pattern.stops[call], place.edge
            places[key] = place
            serving.setdefault(key, set()).add(way.pattern.line)
    for key in sorted(places, key=lambda key: (key[0], -len(serving[key]), key[1])):
        place, stop = places[key], day.stops[key[0]]
        room = span(roads, place.lane, place.position, STOP_M)
        if room is None:
            continue
        id = _free(stop, stops)
        at[key] = id
        stops[id] = BusStop(id, stop.name, place.lane, *room, tuple(sorted(serving[key])))
    missing = {stop for pattern in day.patterns for stop in pattern.stops} - {key[0] for key in at}
    told = [f"stop {stop} is not on a road that buses may use" for stop in sorted(missing)]
    told += [
        f"line {pattern.line}: {len(pattern.trips)} trips from {pattern.stops[0]} to"
        f" {pattern.stops[-1]} left out: {reason}"
        for pattern, reason in lost
    ]
    return Buses(stops, ways, at, told)


def _free(stop: Stop, taken: Mapping[str, BusStop]) -> str:
    if stop.id not in taken:
        return stop.id
    number = 2
    while f"{stop.id}@{number}" in taken:
        number += 1
    return f"{stop.id}@{number}"


def written(buses: Buses) -> Iterator[str]:
    """Yield the file of a weekday's buses, by departure; each keeps to its times."""
    yield "<routes>\n"
    rows = []
    for number, way in enumerate(buses.ways):
        yield f'<route id="way-{number}" edges={quoteattr(" ".join(way.edges))}/>\n'
        called = _called(buses, way)
        for trip in way.pattern.trips:
            depart = trip.times[way.calls[0]]
            rows.append(
                (depart, trip.id, "".join(_vehicle(number, way, trip.id, trip.times, called)))
            )
    yield from (row for _, _, row in sorted(rows))
    yield "</routes>\n"


def _called(buses: Buses, way: Way) -> list[tuple[int, str]]:
    """Return the calls of a way that have a bus stop, with it."""
    found = []
    for call, place in zip(way.calls, way.places, strict=True):
        id = buses.at.get((way.pattern.stops[call], place.edge))
        if id is not None:
            found.append((call, id))
    return found


def _vehicle(
    number: int, way: Way, trip: str, times: Sequence[int], called: Sequence[tuple[int, str]]
) -> Iterator[str]:
    yield (
        f'<vehicle id={quoteattr("bus:" + trip)} type="bus" route="way-{number}"'
        f' depart="{times[way.calls[0]]}" departLane="best" departPos="stop"'
        f" line={quoteattr(way.pattern.line)}>"
    )
    for call, stop in called:
        yield f'<stop busStop={quoteattr(stop)} duration="{_DWELL_S}" until="{times[call]}"/>'
    yield "</vehicle>\n"

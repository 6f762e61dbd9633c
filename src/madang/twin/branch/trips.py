"""Trips of a scenario's demand within a time of day, and what policies change about them.

Chance is drawn for each trip by its name and the seed, so that two policies are tried on the same
people: who changes under one, and would under the other too, changes under both.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from madang.model.errors import MadangError

if TYPE_CHECKING:
    from madang.twin.branch.policy import Bicycles, BusLine, Policy, Price
    from madang.twin.branch.ways import Ways

DAY_S: Final = 86_400.0
MOST: Final = 2_000_000
"""Trips that one simulation may have."""


class BadDemand(MadangError):
    """The demand of a scenario cannot be used."""


@dataclass(frozen=True, slots=True)
class Trip:
    """Somebody drives or rides from one edge to another."""

    id: str
    depart: float
    """[s], by the clock of the simulation"""
    start: int
    end: int
    """Edges, by their number in :class:`~madang.twin.branch.ways.Ways`."""
    type: str
    """Vehicle type of the scenario."""
    kind: str


def read(file: Path, ways: Ways, kinds: dict[str, str], begin: float, end: float) -> list[Trip]:
    """Return the trips of a time, by departure; behind midnight the day begins again.

    Args:
        file: ``demand.rou.xml``.
        ways: the network.
        kinds: our kinds by vehicle type.
        begin: of the time. [s since midnight]
        end: of the time, which may lie behind midnight. [s]

    Raises:
        BadDemand: it cannot be read, or nobody drives.
    """
    found: list[Trip] = []
    days = range(int(end // DAY_S) + 1)
    try:
        for id, depart, start, finish, type_ in _told(file):
            numbers = ways.index.get(start), ways.index.get(finish)
            kind = kinds.get(type_)
            if numbers[0] is None or numbers[1] is None or kind is None:
                continue
            for day in days:
                at = depart + day * DAY_S
                if begin <= at < end:
                    name = f"{id}+{day}" if day else id
                    found.append(Trip(name, at, numbers[0], numbers[1], type_, kind))
    except (OSError, ElementTree.ParseError, ValueError) as error:
        raise BadDemand(
            f"the demand {file.name} of the scenario cannot be read: {error}"
        ) from error
    if len(found) > MOST:
        raise BadDemand(f"there are more than {MOST:,} trips in that time; ask for fewer hours")
    if not found:
        raise BadDemand(
            "nobody drives in the scenario at that time; make its demand first, or try another time"
        )
    return sorted(found, key=lambda trip: (trip.depart, trip.id))


def _told(file: Path) -> Iterator[tuple[str, float, str, str, str]]:
    """Yield id, departure, first and last edge and type of each trip or vehicle of a file."""
    way: list[str] = []
    for event, one in ElementTree.iterparse(file, ("start", "end")):
        if event == "start":
            if one.tag == "route":
                way = one.get("edges", "").split()
            continue
        if one.tag in ("trip", "vehicle"):
            ends = (
                (one.get("from", ""), one.get("to", ""))
                if one.tag == "trip"
                else way[:1] + way[-1:]
            )
            if len(ends) == 2:
                yield (
                    one.get("id", ""),
                    float(one.get("depart", "0")),
                    *ends,
                    one.get("type", "passenger"),
                )
            one.clear()


# --- what people do -------------------------------------------------------------------------------


def chance(seed: int, trip: str, of: str) -> float:
    """Return a number of [0, 1) that hangs on a seed, a trip and what is to be decided."""
    drawn = blake2b(f"{seed} {of} {trip}".encode(), digest_size=8).digest()
    return int.from_bytes(drawn, "big") / 2**64


def scaled(trips: Sequence[Trip], scale: float, seed: int) -> list[Trip]:
    """Return as many trips as there are, times a factor."""
    found = []
    for trip in trips:
        count = int(scale + chance(seed, trip.id, "scale"))
        found += [
            trip if not copy else replace(trip, id=f"{trip.id}*{copy}") for copy in range(count)
        ]
    return found


def changed(trips: Sequence[Trip], policy: Policy, ways: Ways, seed: int) -> list[Trip]:
    """Return the trips as people make them under a policy; prices must not be charged yet."""
    found = list(trips)
    for number, bicycles in enumerate(policy.bicycles):
        found = [_ridden(trip, bicycles, ways, seed, f"bicycle {number}") for trip in found]
    for number, line in enumerate(policy.bus_line):
        found = _left_to_bus(found, line, ways, seed, f"bus {number}")
    for number, price in enumerate(policy.price):
        found = _priced(found, price, ways, seed, f"price {number}")
    return found


def _ridden(trip: Trip, bicycles: Bicycles, ways: Ways, seed: int, of: str) -> Trip:
    is_short = (
        trip.kind == "car" and ways.beeline(trip.start, trip.end) <= 1000 * bicycles.within_km
    )
    if not is_short or chance(seed, trip.id, of) >= bicycles.share:
        return trip
    if ways.way("bicycle", trip.start, trip.end) is None:
        return trip
    return replace(trip, type="bicycle", kind="bicycle")


def _left_to_bus(
    trips: Sequence[Trip], line: BusLine, ways: Ways, seed: int, of: str
) -> list[Trip]:
    near = np.any([ways.metres(stop) <= line.walk_m for stop in line.stops], axis=0)
    return [
        trip
        for trip in trips
        if trip.kind != "car"
        or not (near[trip.start] and near[trip.end])
        or chance(seed, trip.id, of) >= line.from_cars
    ]


def _priced(trips: Sequence[Trip], price: Price, ways: Ways, seed: int, of: str) -> list[Trip]:
    """Return who still drives, by the elasticity of trips to their cost."""
    cars = [trip for trip in trips if trip.kind == "car"]
    before = {trip.id: ways.cost("car", trip.start, trip.end) for trip in cars}
    area, seconds = ways.within(price), 3600 * price.amount / price.value_of_time
    ways.charge(area, seconds)
    after = {trip.id: ways.cost("car", trip.start, trip.end) for trip in cars}
    ways.charge(area, -seconds)
    found = []
    for trip in trips:
        if trip.kind == "car" and after[trip.id] > before[trip.id]:
            kept = (after[trip.id] / before[trip.id]) ** price.elasticity
            if chance(seed, trip.id, of) >= kept:
                continue
        found.append(trip)
    return found

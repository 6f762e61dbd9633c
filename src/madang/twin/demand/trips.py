"""A weekday's trips of cars, bicycles and trucks for SUMO, from the days of the people twin.

Cars and bicycles are the residents' trips; beside them come people who work here and live
elsewhere, traffic that passes through, and trucks. The shares of the last three are estimates. Out
come vehicles with a road to begin on and one to end on: no person, household or home.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from madang.twin.demand.network import Doors, Network, room
from madang.twin.network.roads import Roads
from madang.twin.network.scenario import Scenario, put
from madang.twin.people.day import DAY, Activities, day
from madang.twin.people.figures import MODES, USES, Figures, korea
from madang.twin.people.places import NoPlaces, Places, of_entities
from madang.twin.people.population import blocks, draw
from madang.twin.people.town import Town, town

THROUGH: Final = 0.12
"""Cars that only pass through, for each trip of a resident's car. An estimate."""
TRUCKS: Final = 0.07
"""Trucks for each trip of a resident's car. An estimate for streets of a city; on highways a
quarter of all traffic are trucks (Ministry of Land, road traffic survey 2023: 25.3 %)."""
HELD: Final = 28.0
"""Kilometres driven in the busiest hour on each kilometre of lane that streets hold under fixed
plans, all streets together: what the demo city was measured to carry without a jam. [1/h]"""
FLOOR_M2: Final = 40.0
"""Floor of a home for each resident, where nobody says how many there are. An estimate. [m²]"""
_LATE_MIN = 12.0  # that who works here and lives elsewhere comes later than residents leave

Tell = Callable[[str, int, int], None]
"""Told of progress: what is done, how much of it, and how much it is in all."""


@dataclass(frozen=True, slots=True)
class Trips:
    """Trips of one kind of vehicle, in columns. Times in seconds of the local day."""

    kind: str
    depart_s: NDArray[np.float64]
    start: NDArray[np.str_]
    end: NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.depart_s)

    def some(self, which: NDArray[np.int64]) -> Trips:
        """Return some of the trips, in the order asked for."""
        return Trips(self.kind, self.depart_s[which], self.start[which], self.end[which])


@dataclass(frozen=True, slots=True)
class Written:
    """What a file of demand has: vehicles by kind, and by hour."""

    file: Path
    counts: dict[str, int]
    by_hour: tuple[int, ...]


def write(
    scenario: Scenario,
    seed: int,
    scale: float | None = None,
    *,
    residents: int | None = None,
    entities: Iterable[Mapping[str, Any]] | None = None,
    figures: Figures | None = None,
    tell: Tell = lambda _what, _done, _all: None,
) -> Written:
    """Write ``demand.rou.xml`` of a scenario: a weekday's trips, sorted by departure.

    Args:
        scenario: its network and entities are read.
        seed: the same one writes the same.
        scale: trips for each that would be; if left out, 1, or less where the streets hold no more
            (`HELD`). [1]
        residents: how many; as many as the districts say, or homes have room for, if left out.
        entities: buildings, parks and districts; the scenario's own if left out.
        figures: of the city; Korea's if left out.
        tell: is told of progress.

    Raises:
        NoPlaces: there is nowhere to live or to go to.
        NoRoads: the network has no roads for trips.
    """
    network = Network(Roads.read(scenario.net))
    found = list(told(scenario.entities) if entities is None else entities)
    places = places_of(found, network)
    people = residents if residents is not None else residents_of(found, places)
    made = drawn(network, town(places, figures or korea()), people, seed, scale, tell)
    return save(made, scenario.demand)


def told(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the entities of a scenario."""
    import orjson

    try:
        with file.open("rb") as lines:
            yield from (orjson.loads(line) for line in lines if line.strip())
    except (OSError, ValueError) as error:
        raise NoPlaces(f"{file} cannot be read: {error}; build the city again") from None


def places_of(entities: Iterable[Mapping[str, Any]], network: Network) -> Places:
    """Return the places of a city with the gates of its network."""
    into, _ = network.gates
    return of_entities(entities, [one.shape[0] for one in into])


def residents_of(entities: Iterable[Mapping[str, Any]], places: Places) -> int:
    """Return how many live in all districts together; by floor space if they do not say."""
    people = 0
    for one in entities:
        if one.get("type") == "District":
            said = one.get("population")
            value = said.get("value") if isinstance(said, dict) else said
            people += int(value) if isinstance(value, int | float) else 0
    return people or max(100, round(float(places.weight[USES.index("home")].sum()) / FLOOR_M2))


def drawn(
    network: Network, where: Town, residents: int, seed: int, scale: float | None, tell: Tell
) -> list[Trips]:
    """Draw a weekday's trips of each kind."""
    ways: dict[str, list[_Ways]] = {"car": [], "bicycle": []}
    every = blocks(residents)
    for block, count in enumerate(every):
        activities = day(draw(where, count, seed, block), True, seed)
        for mode, several in ways.items():
            several.append(_ways(activities, mode))
        tell("residents", block + 1, len(every))
    rng = np.random.default_rng([seed, 5])
    cars = _joined(ways["car"])
    cars = _joined([cars, _visitors(where, cars, rng), _through(where, cars, rng)])
    times = _held(network, where, cars) if scale is None else scale
    cars = _scaled(cars, times, rng)
    bicycles = _scaled(_joined(ways["bicycle"]), times, rng)
    trucks = _trucks(where, cars, rng)
    return [
        _on_edges(network, where, kind, found, rng)
        for kind, found in (("passenger", cars), ("bicycle", bicycles), ("truck", trucks))
    ]


# --- ways between places --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Ways:
    depart_s: NDArray[np.float64]
    start: NDArray[np.int32]
    end: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.depart_s)

    def some(self, which: NDArray[np.int64]) -> _Ways:
        return _Ways(self.depart_s[which], self.start[which], self.end[which])


def _ways(activities: Activities, mode: str) -> _Ways:
    """Return the trips in a mode; who comes from outside is met at the gate."""
    index = np.flatnonzero((activities.mode == MODES.index(mode)) & ~activities.first())
    where = activities.population.town
    start, end = activities.place[index - 1], activities.place[index]
    leaves = activities.end[index - 1].astype(float)
    beyond = where.far[start] / where.figures.m_per_min[MODES.index(mode)]
    rng = np.random.default_rng([activities.population.block, len(index)])
    seconds = (leaves + beyond + rng.random(len(index))) * 60
    inside = (start != end) & ~((where.far[start] > 0) & (where.far[end] > 0))
    return _Ways(seconds[inside], start[inside], end[inside])


def _joined(several: list[_Ways]) -> _Ways:
    return _Ways(
        np.concatenate([one.depart_s for one in several]),
        np.concatenate([one.start for one in several]),
        np.concatenate([one.end for one in several]),
    )


def _held(network: Network, where: Town, cars: _Ways) -> float:
    """Return which share of the trips the streets hold in the busiest hour, 1 at most."""
    flat = np.hypot(
        where.x[cars.start] - where.x[cars.end], where.y[cars.start] - where.y[cars.end]
    )
    hour = (cars.depart_s // 3600).astype(int).clip(0, 23)
    driven = np.bincount(hour, flat * where.figures.detour, minlength=24).max()
    lanes = sum(one.length * len(one.lanes) for one in network.usable("passenger"))
    return float(min(1.0, HELD * lanes / max(driven, 1.0)))


def _scaled(ways: _Ways, scale: float, rng: Generator) -> _Ways:
    """Return so many times the trips; a part of a trip is drawn."""
    times = np.floor(scale + rng.random(len(ways))).astype(int)
    found = ways.some(np.repeat(np.arange(len(ways)), times))
    again = np.repeat(times, times) > 1
    found.depart_s[again] += rng.normal(0, 300, int(again.sum()))
    return found


def _visitors(where: Town, cars: _Ways, rng: Generator) -> _Ways:
    """Return trips of those who work here and live elsewhere: the mirror of who works elsewhere."""
    leave, come = where.far[cars.end] > 0, where.far[cars.start] > 0
    mirrored = []
    for ways, sign in (
        (cars.some(np.flatnonzero(leave)), 1),
        (cars.some(np.flatnonzero(come)), -1),
    ):
        inside = np.searchsorted(where.cumulative[USES.index("work")], rng.random(len(ways)))
        place = np.minimum(inside, len(where.places) - 1).astype(np.int32)
        ends = (ways.end, place) if sign > 0 else (place, ways.start)
        mirrored.append(_Ways(ways.depart_s + sign * _LATE_MIN * 60, *ends))
    return _joined(mirrored)


def _through(where: Town, cars: _Ways, rng: Generator) -> _Ways:
    gates = where.places.gates
    if gates < 2:
        return cars.some(np.empty(0, np.int64))
    which = rng.integers(0, max(len(cars), 1), int(len(cars) * THROUGH))
    first = rng.integers(0, gates, len(which))
    second = (first + rng.integers(1, gates, len(which))) % gates
    base = len(where.places) - gates
    moved = cars.depart_s[which] + rng.normal(0, 1800, len(which))
    return _Ways(moved, (base + first).astype(np.int32), (base + second).astype(np.int32))


def _trucks(where: Town, cars: _Ways, rng: Generator) -> _Ways:
    """Return trips of trucks: by day, between gates, shops and places of work."""
    count = int(len(cars) * TRUCKS)
    depart = np.where(
        rng.random(count) < 0.6, rng.normal(10.5, 2.0, count), rng.uniform(5, 21, count)
    )
    ends = []
    for _ in range(2):
        use = np.where(rng.random(count) < 0.5, USES.index("work"), USES.index("shop"))
        place = np.empty(count, np.int64)
        for one in (USES.index("work"), USES.index("shop")):
            of_use = np.flatnonzero(use == one)
            place[of_use] = np.searchsorted(where.cumulative[one], rng.random(len(of_use)))
        place = np.minimum(place, len(where.places) - 1)
        gates = where.places.gates
        gate = len(where.places) - gates + rng.integers(0, max(gates, 1), count)
        leads_out = (rng.random(count) < 0.45) & (gates > 0)
        ends.append(np.where(leads_out, gate, place).astype(np.int32))
    differ = np.flatnonzero(ends[0] != ends[1])
    return _Ways(depart[differ] * 3600, ends[0][differ], ends[1][differ])


# --- trips on edges -------------------------------------------------------------------------------


def _on_edges(network: Network, where: Town, kind: str, ways: _Ways, rng: Generator) -> Trips:
    places = where.places
    doors = Doors(network, kind, places.lon, places.lat)
    into, out = network.gates
    ids = np.array([one.id for one in doors.edges])
    start, end = ids[doors.of(ways.start, rng)], ids[doors.of(ways.end, rng)]
    if kind != "bicycle":  # bicycles turn round where their own net ends
        ids = np.array([one.id for one in (*into, *out)])
        start, end = start.astype(object), end.astype(object)
        comes, leaves = where.far[ways.start] > 0, where.far[ways.end] > 0
        first = len(places) - places.gates
        start[comes] = ids[ways.start[comes] - first]
        weight = np.array([room(one) for one in out])
        chosen = rng.choice(len(out), int(leaves.sum()), p=weight / weight.sum())
        end[leaves] = ids[len(into) + chosen]
    good = (start != end) & (ways.depart_s >= 0) & (ways.depart_s < DAY * 60)
    order = np.flatnonzero(good)
    order = order[np.argsort(ways.depart_s[order], kind="stable")]
    return Trips(kind, ways.depart_s[order], start[order].astype(str), end[order].astype(str))


def save(trips: list[Trips], file: Path) -> Written:
    """Write trips of all kinds into a file, sorted by departure; the file appears whole."""
    depart = np.concatenate([one.depart_s for one in trips])
    which = np.repeat(np.arange(len(trips)), [len(one) for one in trips])
    index = np.concatenate([np.arange(len(one)) for one in trips])
    order = np.argsort(depart, kind="stable")
    lines = _lines(trips, which[order], index[order])
    put(file, ("<routes>\n", *lines, "</routes>\n"))
    by_hour = np.bincount((depart // 3600).astype(int), minlength=24)[:24]
    counts = {one.kind: len(one) for one in trips}
    return Written(file, counts, tuple(int(one) for one in by_hour))


def _lines(trips: list[Trips], which: NDArray[np.int64], index: NDArray[np.int64]) -> Iterator[str]:
    from xml.sax.saxutils import quoteattr

    edges = {one for found in trips for one in (*found.start, *found.end)}
    quoted = {str(one): quoteattr(str(one)) for one in edges}
    for kind, number in zip(which.tolist(), index.tolist(), strict=True):
        one = trips[kind]
        yield (
            f'    <trip id="{one.kind[0]}{number}" type="{one.kind}"'
            f' depart="{one.depart_s[number]:.1f}" from={quoted[str(one.start[number])]}'
            f' to={quoted[str(one.end[number])]} departLane="best" departPos="random_free"'
            ' departSpeed="max"/>\n'
        )

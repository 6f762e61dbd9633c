"""The streets of the demo city as a network to simulate: lanes, signals, bus lines, parking.

Avenues have three lanes a direction, streets one, and alleys one. Where avenues meet anything but
an alley there are signals; out of an alley one turns right into an avenue. Along the avenue through
the middle, west to east, runs a bicycle lane. Nodes are named after the lines of streets they are
on, from the south-west: ``c03r06`` is the fourth from the west and the seventh from the south.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Final

from madang.demo import ground, quarter
from madang.demo.buses import LOOPS, lines
from madang.demo.furniture import Zone, zones
from madang.demo.ground import COLUMNS, HEIGHT, ROWS, SIDE, WIDTH
from madang.demo.quarter import Street
from madang.demo.told import Entity, entity, where, words
from madang.twin.network import build as network
from madang.twin.network import detectors, odd, stops, types
from madang.twin.network.detectors import Station
from madang.twin.network.entities import City
from madang.twin.network.plan import Edge, Node, Plan, Turn
from madang.twin.network.programmes import CYCLE_S
from madang.twin.network.roads import Roads
from madang.twin.network.scenario import Scenario, put, put_entities, put_json
from madang.twin.network.stops import BusStop, ParkingArea

NAME: Final = "demo"
ZONE: Final = "Asia/Seoul"
BICYCLES: Final = "r06"
"""The line of the avenue with a bicycle lane."""
_MADE: Final = 4
"""Changes whenever the same seed makes another network."""
_THIRD: Final = SIDE / 3
_LAST: Final = (3 * COLUMNS, 3 * ROWS)  # lines from the west and from the south
_LANES: Final = {"primary": 3, "secondary": 1, "residential": 1}
_SPEED: Final = {"primary": 13.89, "secondary": 8.33, "residential": 5.56}
_STOP_AT_M: Final = 60.0  # behind a crossing
_DWELL_S: Final = 15
_FIRST_S, _END_S = 5 * 3600, 24 * 3600  # of a day's buses
_HEADWAY_S: Final = 360
_PEAKS: Final = ((7 * 3600, 9 * 3600), (17 * 3600, 20 * 3600))
_PEAK_HEADWAY_S: Final = 240

Turning = tuple[str, Edge]
"""``s``, ``l`` or ``r``, and the edge it leads to."""


# --- the plan -------------------------------------------------------------------------------------


def node(column: int, row: int) -> str:
    """Return the name of a crossing, by its lines from the west and from the south."""
    return f"c{column:02d}r{row:02d}"


def plan(seed: int) -> Plan:
    """Draw the network of the quarter; the same seed draws the same."""
    drawn = _Drawing(seed)
    return Plan(tuple(drawn.nodes.values()), tuple(drawn.edges.values()), tuple(drawn.turns()))


class _Drawing:
    """The network while it is drawn; places are those of the quarter's plan. [m]"""

    def __init__(self, seed: int) -> None:
        self.at: dict[str, ground.Plan] = {}
        self.nodes: dict[str, Node] = {}
        self.edges: dict[str, Edge] = {}
        self._into: dict[str, list[Edge]] = {}
        self._out: dict[str, list[Edge]] = {}
        for column in range(_LAST[0] + 1):
            for row in range(_LAST[1] + 1):
                at = column * _THIRD - WIDTH / 2, row * _THIRD - HEIGHT / 2
                self._node(node(column, row), at, _is_signalled(column, row))
        alleys = list(self._alleys(quarter.blocks(Random(seed))))
        for street in quarter.streets():
            self._draw(street)
        for street, start, end in alleys:
            self._both(street, start, end)

    def _node(self, id: str, at: ground.Plan, is_signalled: bool) -> None:
        self.at[id] = at
        self.nodes[id] = Node(id, ground.place(at), is_signalled)

    def _alleys(self, blocks: list[quarter.Block]) -> Iterator[tuple[Street, str, str]]:
        """Yield alleys with their ends, which become nodes of the streets there."""
        for street in quarter.lanes(blocks):
            ends = []
            for u, v in street.corners:
                column, row = round((u + WIDTH / 2) / _THIRD), int((v + HEIGHT / 2) / _THIRD)
                ends.append(f"c{column:02d}a{row:02d}")
                self._node(ends[-1], (column * _THIRD - WIDTH / 2, v), False)
            yield street, ends[0], ends[1]

    def _draw(self, street: Street) -> None:
        """Draw a stretch between avenues, cut at all nodes on it."""
        (u0, v0), (u1, v1) = street.corners
        upon = sorted(
            (u + v, id)
            for id, (u, v) in self.at.items()
            if u0 - 1 <= u <= u1 + 1 and v0 - 1 <= v <= v1 + 1
        )
        for (_, start), (_, end) in pairwise(upon):
            self._both(street, start, end)

    def _both(self, street: Street, start: str, end: str) -> None:
        shape = tuple(ground.place(one) for one in ground.way((self.at[start], self.at[end])))
        cycles = street.kind == "primary" and start.endswith(BICYCLES) and end.endswith(BICYCLES)
        for here, there, line in ((start, end, shape), (end, start, shape[::-1])):
            edge = Edge(
                f"{here}-{there}", here, there, _LANES[street.kind], _SPEED[street.kind],
                street.kind, street.name, line, cycles,
            )  # fmt: skip
            self.edges[edge.id] = edge
            self._out.setdefault(here, []).append(edge)
            self._into.setdefault(there, []).append(edge)

    def turns(self) -> Iterator[Turn]:
        """Yield the ways from lane to lane wherever an avenue is."""
        for id in self.nodes:
            into = self._into.get(id, [])
            if any(edge.kind == "primary" for edge in into):
                for edge in into:
                    yield from _turns(edge, self._turnings(edge))

    def _turnings(self, edge: Edge) -> list[Turning]:
        """Return where one may go from an edge."""
        found = []
        for after in self._out[edge.end]:
            if after.end == edge.start:
                continue
            turn = _turn(self.at[edge.start], self.at[edge.end], self.at[after.end])
            is_alley = "residential" in (edge.kind, after.kind)
            if not is_alley or turn == "r":
                found.append((turn, after))
        return found


def _is_signalled(column: int, row: int) -> bool:
    """Return whether an avenue meets a street or an avenue there, and not just bends."""
    is_corner = column in (0, _LAST[0]) and row in (0, _LAST[1])
    return (column % 3 == 0 or row % 3 == 0) and not is_corner


def _turn(a: ground.Plan, b: ground.Plan, c: ground.Plan) -> str:
    across = (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0])
    along = (b[0] - a[0]) * (c[0] - b[0]) + (b[1] - a[1]) * (c[1] - b[1])
    if abs(across) < abs(along):
        return "s"
    return "l" if across > 0 else "r"


def _turns(edge: Edge, turnings: list[Turning]) -> Iterator[Turn]:
    """Yield the lanes' ways: the left lane of an avenue is for left turns where there are any."""
    to = {turn: after for turn, after in turnings if after.kind != "residential"}
    to |= {turn: after for turn, after in turnings if turn not in to}
    lanes = list(range(edge.first, edge.all_lanes))
    for turn, used in _shared(lanes, frozenset(to)).items():
        after = to[turn]
        goals = list(range(after.first, after.all_lanes))
        if turn == "l":
            pairs = list(zip(reversed(used), reversed(goals), strict=False))
        else:
            pairs = list(zip(used, goals, strict=False))
        yield from (Turn(edge.id, after.id, start, end) for start, end in pairs)
        if edge.has_bicycle_lane and turn != "l":
            yield Turn(edge.id, after.id, 0, 0)


def _shared(lanes: list[int], turns: frozenset[str]) -> dict[str, list[int]]:
    """Return which lanes each turn is made from."""
    if len(lanes) == 1 or len(turns) == 1:
        return dict.fromkeys(sorted(turns), lanes)
    match sorted(turns):
        case ["l", "r", "s"]:
            return {"l": lanes[-1:], "r": lanes[:1], "s": lanes[:-1]}
        case ["l", "s"]:
            return {"l": lanes[-1:], "s": lanes[:-1]}
        case ["r", "s"]:
            return {"r": lanes[:1], "s": lanes}
        case _:
            return {"l": lanes[1:], "r": lanes[:1]}


# --- what stands and drives on it -----------------------------------------------------------------


def build(folder: Path, seed: int) -> Scenario:
    """Make the scenario of the demo city, but for its demand; what is made already stays.

    Raises:
        NetworkError: netconvert cannot be run, or the folder cannot be written.
    """
    fingerprint = _fingerprint(seed)
    if (folder / "scenario.toml").exists():
        made = Scenario.open(folder)
        if made.made_from == fingerprint:
            return made
    Scenario.forget(folder)
    drawn = plan(seed)
    scenario = Scenario(
        folder, NAME, seed, ZONE, ground.BOUNDS, "generated", made_from=fingerprint
    )  # fmt: skip
    network.build(drawn, scenario.net, _offsets(drawn))
    roads = Roads.read(scenario.net)
    types.write(scenario.types)
    all_stops, areas = bus_stops(roads), parking_areas(roads, seed)
    stops.write(scenario.stops, all_stops.values(), areas)
    stations = counting_stations(roads)
    detectors.write(scenario.detectors, stations)
    put(scenario.buses, _buses(roads, all_stops))
    put_entities(scenario.entities, _entities(roads, seed, stations, all_stops.values()))
    put_json(scenario.report, odd.report(odd.of_roads(roads), {}))
    counts = {
        "junctions": len(drawn.nodes), "edges": len(roads.edges), "signals": len(roads.signals),
        "stops": len(all_stops), "parking": len(areas), "stations": len(stations),
    }  # fmt: skip
    done = Scenario(
        folder, NAME, seed, ZONE, ground.BOUNDS, "generated", counts, fingerprint
    )  # fmt: skip
    done.write()
    return done


def _entities(
    roads: Roads, seed: int, stations: Iterable[Station], all_stops: Iterable[BusStop]
) -> Iterator[Entity]:
    """Yield all that stands still: the quarter, its kerbside zones, and what the network has."""
    drawn, city = quarter.quarter(seed), City(NAME, "generated")
    yield from drawn.entities
    yield from (zone.entity for zone in zones(drawn.streets, Random(seed)))
    yield from city.signals(roads)
    yield from city.stations(roads, stations)
    yield from city.stops(roads, all_stops)
    yield from bicycle_lanes(roads)


def bicycle_lanes(roads: Roads) -> Iterator[Entity]:
    """Yield the bicycle lane along its avenue, one entity each way, in the direction of travel."""
    along = [edge for edge in roads.edges.values() if {edge.start[3:], edge.end[3:]} == {BICYCLES}]
    east = sorted((one for one in along if one.start < one.end), key=lambda one: one.start)
    west = sorted((one for one in along if one.start > one.end), key=lambda one: one.start)[::-1]
    for way, edges, korean, english in (
        ("east", east, "동쪽 방향", "eastbound"), ("west", west, "서쪽 방향", "westbound"),
    ):  # fmt: skip
        places = [list(at) for edge in edges for at in roads.lanes[f"{edge.id}_0"].shape]
        name = edges[0].name
        yield entity(
            "BikeLane", f"{BICYCLES}-{way}",
            name=words(f"{name[0]} 자전거도로 {korean}", f"{name[1]} bicycle lane, {english}"),
            location=where({"type": "LineString", "coordinates": places}),
        )  # fmt: skip


def _fingerprint(seed: int) -> str:
    from importlib.metadata import version

    of = [_MADE, seed, version("eclipse-sumo"), CYCLE_S]
    return hashlib.sha256(json.dumps(of).encode()).hexdigest()[:16]


def _offsets(drawn: Plan) -> dict[str, float]:
    """Return when cycles begin, so that who drives on east or north at the limit has green."""
    found = {}
    for one in drawn.nodes:
        if one.is_signalled:
            column, row = int(one.id[1:3]), int(one.id[4:6])
            found[one.id] = round((column + row) * _THIRD / _SPEED["primary"] % CYCLE_S)
    return {id: float(seconds) for id, seconds in found.items()}


def _avenue_edges(roads: Roads) -> Iterator[tuple[int, int, str]]:
    """Yield the edges of avenues that begin at a crossing, with the lines of that."""
    for edge in roads.edges.values():
        if edge.kind == "primary" and edge.start[3] == "r":
            yield int(edge.start[1:3]), int(edge.start[4:6]), edge.id


def bus_stops(roads: Roads) -> dict[str, BusStop]:
    """Return the stops by edge: behind every second crossing of an avenue, each direction."""
    serving: dict[str, list[str]] = {}
    for line, loop in zip(lines(), LOOPS, strict=True):
        for edge in _way(roads, loop):
            serving.setdefault(edge, []).append(line.name)
    found: dict[str, BusStop] = {}
    for column, row, edge in sorted(_avenue_edges(roads)):
        lane = roads.lane_for(edge, "bus")
        if (column + row) % 2 or edge not in serving or lane is None:
            continue
        room = stops.span(roads, lane, _STOP_AT_M, stops.STOP_M)
        if room is not None:
            id, korean = f"stop-{len(found) + 1:03d}", roads.edges[edge].name[0]
            name = f"{korean} {len(found) + 1}"
            found[edge] = BusStop(id, name, lane, *room, tuple(serving[edge]))
    return found


def counting_stations(roads: Roads) -> list[Station]:
    """Return stations in the middle third of every stretch between avenues, each direction."""
    found: list[Station] = []
    for column, row, edge in sorted(_avenue_edges(roads)):
        own = roads.edges[edge]
        is_east = own.end[4:6] == own.start[4:6] and own.end[3] == "r"
        first = min(column, int(own.end[1:3])) if is_east else min(row, int(own.end[4:6]))
        if first % 3 == 1:
            id = f"station-{len(found) + 1:03d}"
            found.append(detectors.station(roads, id, edge, own.length / 2))
    return found


def parking_areas(roads: Roads, seed: int) -> list[ParkingArea]:
    """Return the kerbside zones of the city beside the lanes they are nearest to."""
    found = []
    streets = [*quarter.streets(), *quarter.lanes(quarter.blocks(Random(seed)))]
    for zone in zones(streets, Random(seed)):
        near = roads.near(*_middle(zone), "passenger", 20.0)
        length = len(zone.spots) * stops.SPOT_M
        room = stops.span(roads, near[0].lane, near[0].position, length) if near else None
        if room is not None:
            name = zone.entity["name"]["languageMap"]["ko"]
            found.append(ParkingArea(zone.entity["id"], name, near[0].lane, *room, len(zone.spots)))
    return found


def _middle(zone: Zone) -> tuple[float, float]:
    ring = zone.entity["location"]["value"]["coordinates"][0][:-1]
    return sum(at[0] for at in ring) / len(ring), sum(at[1] for at in ring) / len(ring)


def _way(roads: Roads, loop: tuple[tuple[int, int], ...]) -> list[str]:
    """Return the edges of a loop of avenues, once round."""
    after: dict[str, dict[str, str]] = {}
    for edge in roads.edges.values():
        if edge.kind == "primary":
            after.setdefault(edge.start, {})[edge.end] = edge.id
    found: list[str] = []
    for (c0, r0), (c1, r1) in pairwise([*loop, loop[0]]):
        here, goal = node(3 * c0, 3 * r0), node(3 * c1, 3 * r1)
        while here != goal:
            heading = c1 - c0, r1 - r0
            there = min(after[here], key=lambda node: _left(node, goal, heading))
            found.append(after[here][there])
            here = there
    return found


def _left(there: str, goal: str, heading: tuple[int, int]) -> tuple[bool, float]:
    """Return whether a node is off the way to a goal, and how far is left."""
    on_line = there[:3] == goal[:3] if heading[0] == 0 else there[3:] == goal[3:]
    return not on_line, abs(_along(there, heading) - _along(goal, heading))


def _along(id: str, heading: tuple[int, int]) -> float:
    if heading[0]:
        return int(id[1:3])
    return int(id[4:6]) + (0.5 if id[3] == "a" else 0.0)


def _buses(roads: Roads, all_stops: dict[str, BusStop]) -> Iterator[str]:
    """Yield the lines of the file of a day's buses: each goes round once."""
    yield "<routes>\n"
    rows = []
    for number, (line, loop) in enumerate(zip(lines(), LOOPS, strict=True), 1):
        edges = _way(roads, loop)
        called = [all_stops[edge] for edge in edges if edge in all_stops]
        yield f'<route id="line-{number:02d}" edges="{" ".join(edges)}">\n'
        yield from (f'<stop busStop="{one.id}" duration="{_DWELL_S}"/>\n' for one in called)
        yield "</route>\n"
        for trip, at in enumerate(_departures(number * 29), 1):
            row = (
                f'<vehicle id="bus-{number:02d}-{trip:03d}" type="bus" route="line-{number:02d}"'
                f' depart="{at}" departLane="best" departSpeed="max" line="{line.name}"/>\n'
            )
            rows.append((at, row))
    yield from (row for _, row in sorted(rows))
    yield "</routes>\n"


def _departures(first: int) -> Iterator[int]:
    at = _FIRST_S + first
    while at < _END_S:
        yield at
        is_peak = any(start <= at < end for start, end in _PEAKS)
        at += _PEAK_HEADWAY_S if is_peak else _HEADWAY_S

"""Groups of bicycles on an avenue of the simulated city, with a green wave and without."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

from madang.demo.measured import Control, Drive
from madang.services.corridor.ahead import wave
from madang.services.corridor.bicycles import Riding, coming
from madang.services.corridor.platoon import PACE

STOPPED: Final = 1.0  # [m/s] a rider this slow has to put a foot down
RIDING: Final = Riding()


class Ride(NamedTuple):
    """Groups of bicycles along an avenue, at a time of day."""

    folder: str
    seed: int
    begin_s: float
    """[s since midnight]"""
    control: Control
    helped: bool
    """They get a green wave."""
    warm_s: float = 300.0
    """Of traffic before the first group. [s]"""
    span_s: float = 1_800.0
    """Of traffic from then on. [s]"""
    every_s: float = 200.0
    """Between two groups. [s]"""
    riders: int = 5
    junctions: int = 5


def ride(given: Ride) -> dict[str, Any]:
    """Let groups ride; return how many passed all junctions without a stop, and cars' delay."""
    drive = Drive(Path(given.folder), given.begin_s - given.warm_s, given.seed, given.control)
    avenues = [Avenue(drive, edges, given) for edges in bicycle_ways(drive)]
    drive.until(given.begin_s)

    def each(now: float) -> None:
        for avenue in avenues:
            avenue.step(now)

    drive.until(given.begin_s + given.span_s, each)
    passed = [group for avenue in avenues for group in avenue.over()]
    indicators = drive.street.indicators()
    lost, trips = drive.close(given.begin_s)
    return {
        "seed": given.seed, "control": given.control, "helped": given.helped,
        "groups": len(passed), "unbroken": sum(not stopped for stopped in passed),
        "stops": sum(passed), "delay_s": lost, "trips": trips,
        "running": indicators.running, "pending": indicators.pending,
    }  # fmt: skip


def bicycle_ways(drive: Drive) -> list[list[str]]:
    """Return the longest ways along bicycle lanes, straight on, one a direction."""
    roads = drive.street.roads
    cycles = {lane.edge for lane in roads.lanes.values() if lane.allowed == {"bicycle"}}
    onward = {
        lane.edge: roads.lanes[link.to].edge
        for lane in roads.lanes.values() if lane.edge in cycles and lane.allowed == {"bicycle"}
        for link in roads.links.get(lane.id, ())
        if link.turn == "s" and roads.lanes[link.to].edge in cycles
    }  # fmt: skip
    found = []
    for first in sorted(cycles - set(onward.values())):
        way = [first]
        while way[-1] in onward and onward[way[-1]] not in way:
            way.append(onward[way[-1]])
        found.append(way)
    return sorted(found, key=len, reverse=True)[:2]


def random_pace(id: str) -> float:
    """Return by how much somebody's pace differs from the group's, the same for the same rider."""
    return Random(id).uniform(0.98, 1.02)


class Avenue:
    """Groups that ride along an avenue, and the wave that they are given."""

    def __init__(self, drive: Drive, edges: list[str], given: Ride) -> None:
        self._drive, self._given = drive, given
        _, on_way = drive.way(edges)
        first = Random(f"{given.seed} {edges[0]}").uniform(0, given.every_s / 2)
        self._next = given.begin_s + round(first)
        self._last = given.begin_s + given.span_s - 90.0 * given.junctions
        # They form before the first junction; those that count come after it.
        self._edges, self._stops = edges, on_way
        self._goal = edges[min(given.junctions + 1, len(edges) - 1)]
        self._groups: dict[int, dict[str, bool]] = {}
        """By group: riders under way, and whether they have stopped."""
        self._over: list[int] = []
        self._due: list[tuple[float, str, int]] = []
        self._numbers = 0

    def over(self) -> list[int]:
        """Return for each group that has passed how many of its riders stopped on the way."""
        return self._over

    def step(self, now: float) -> None:
        """Let riders set out, look at them, and ask signals."""
        if now >= self._next and now <= self._last:
            number = self._numbers = self._numbers + 1
            riders = [f"rider-{self._edges[0]}-{number}-{one}" for one in range(self._given.riders)]
            self._due += [(now + 2 * place, id, number) for place, id in enumerate(riders)]
            self._groups[number] = dict.fromkeys(riders, False)
            self._next += self._given.every_s
        for _, id, _ in [one for one in self._due if one[0] <= now]:
            self._set_out(id)
            self._due = [one for one in self._due if one[1] != id]
        self._look()
        if self._given.helped:
            self._ask(now)

    def _set_out(self, id: str) -> None:
        """Let somebody ride who keeps with the others: at the same pace, in single file."""
        self._drive.street.add(id, self._edges, "bicycle", lane="0", speed="5.0")
        vehicle = self._drive.street.sumo.vehicle
        vehicle.setSpeedFactor(id, 1.0)
        vehicle.setMaxSpeed(id, PACE * random_pace(id))

    def _look(self) -> None:
        vehicle = self._drive.street.sumo.vehicle
        here = set(vehicle.getIDList())
        goal = self._edges.index(self._goal)
        for number, riders in list(self._groups.items()):
            under_way = False
            for id in riders:
                if id not in here:
                    under_way = under_way or any(one[1] == id for one in self._due)
                elif vehicle.getRouteIndex(id) < goal:
                    under_way = True
                    is_past_first = vehicle.getRouteIndex(id) > 0
                    slow = 0 <= vehicle.getSpeed(id) < STOPPED
                    riders[id] = riders[id] or (is_past_first and slow)
            if not under_way:
                self._over.append(sum(self._groups.pop(number).values()))

    def _ask(self, now: float) -> None:
        seen = self._drive.street.seen([stop.signal for stop in self._stops])
        for number, stop in enumerate(self._stops):
            for group in coming(seen[stop.signal], stop, RIDING):
                self._drive.ask(
                    wave(self._stops, number, group, now, RIDING.horizon_s, RIDING.margin_s)
                )

"""A crash in a lane of the simulated city: its traffic with the response of the city and without.

In both a responder sets out after the same time, works at the scene for the same time, and then the
lane is free again. With the response it gets a corridor, signals near the crash follow what their
detectors see instead of their plans, and connected drivers who would come by look for another way.
"""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

from madang.demo.measured import Drive
from madang.demo.missions import RESPONDER, NoWay, Queues, Responder
from madang.services.corridor.way import metres_between

CONNECTED: Final = 0.3  # share of cars that hear of it
NEAR_M: Final = 450.0  # signals that follow what they see
AGAIN_S: Final = 60  # between two looks at who would come by
BLOCKED_S: Final = 600.0  # travel time that drivers are told of the street


def made(folder: Path) -> Path:
    """Return the folder of the simulated demo city, made in a folder if it is not there yet."""
    from madang.demo.city import SEED
    from madang.demo.traffic_work import Making, make

    return make(Making(folder, SEED))


class Crash(NamedTuple):
    """A crash at a time of day."""

    folder: str
    seed: int
    at_s: float
    """[s since midnight]"""
    helped: bool
    warm_s: float = 480.0
    dispatched_s: float = 60.0
    """Until the responder sets out."""
    work_s: float = 480.0
    """At the scene, until the lane is free."""
    span_s: float = 1_800.0
    """Of traffic from the crash on."""
    scale: float = 1.0


def crash(given: Crash) -> dict[str, Any]:
    """Let a car crash; return how long help took, and how traffic went."""
    drive = Drive(Path(given.folder), given.at_s - given.warm_s, given.seed, "plan", given.scale)
    drive.until(given.at_s)
    car, edge = _crashed(drive)
    drive.street.stop_vehicle(car)
    near = _near(drive, edge)
    queues = Queues(drive, near)
    told = _Told(drive, edge) if given.helped else None
    drive.led = frozenset(near) if given.helped else frozenset()

    def each(now: float) -> None:
        queues.sample(now)
        if told is not None:
            told.step(now)

    drive.until(given.at_s + given.dispatched_s, each)
    arrived = _help(drive, edge, given, each)
    drive.until(arrived + given.work_s, each)
    if car in drive.street.sumo.vehicle.getIDList():
        drive.street.remove_vehicle(car)
    drive.led, told = frozenset(), None
    drive.until(given.at_s + given.span_s, queues.sample)
    air = drive.street.indicators()
    lost, trips = drive.close(given.at_s)
    return {
        "seed": given.seed, "helped": given.helped, "seconds": arrived - given.at_s,
        "delay_s": lost, "trips": trips, "queue": max(queues.minutes.values(), default=0.0),
        "co2_kg": round(air.co2_kg, 1), "running": air.running, "pending": air.pending,
    }  # fmt: skip


def _crashed(drive: Drive) -> tuple[str, str]:
    """Return a car in the middle of an avenue and its edge: the same in every drive of a seed."""
    roads, sumo = drive.street.roads, drive.street.sumo
    cars = []
    for edge in roads.edges.values():
        if edge.kind == "primary" and edge.length > 150:
            for lane in edge.lanes[1:2]:
                for id in sumo.lane.getLastStepVehicleIDs(lane):
                    at = sumo.vehicle.getLanePosition(id)
                    if 60 < at < edge.length - 40 and sumo.vehicle.getSpeed(id) > 5:
                        cars.append((_off(drive, edge.shape[0]), id, edge.id))
    if not cars:
        raise NoWay("nobody drives on an avenue at that time")
    return min(cars)[1:]


def _off(drive: Drive, place: tuple[float, float]) -> float:
    """Return how far a place is from the middle of the city. [m]"""
    west, south, east, north = drive.street.scenario.bounds
    return metres_between(place, ((west + east) / 2, (south + north) / 2))


def _near(drive: Drive, edge: str) -> list[str]:
    place = drive.street.roads.edges[edge].shape[-1]
    found = {one.signal for one in drive.approaches if metres_between(one.at, place) <= NEAR_M}
    return sorted(found)


def _help(drive: Drive, edge: str, given: Crash, each: Any) -> float:
    """Let the responder come; return when it is there. [s since midnight]"""
    edges = _way_to(drive, edge, given.seed)
    way, on_way = drive.way(edges)
    street = drive.street
    street.add(RESPONDER, edges, "emergency", position="base", speed="max")
    responder = Responder(drive, way, on_way, given.helped)

    def coming(now: float) -> None:
        each(now)
        responder.step(now)
        vehicle = street.sumo.vehicle
        if RESPONDER in vehicle.getIDList() and vehicle.getRoadID(RESPONDER) == edge:
            raise StopIteration

    drive.until(given.at_s + given.span_s, coming)
    if RESPONDER in street.sumo.vehicle.getIDList():
        street.remove_vehicle(RESPONDER)
    responder.end(street.now)
    return street.now


def _way_to(drive: Drive, edge: str, seed: int) -> list[str]:
    roads, sumo = drive.street.roads, drive.street.sumo
    starts = sorted(id for id, one in roads.edges.items() if one.kind == "primary")
    Random(seed).shuffle(starts)
    for start in starts:
        found = sumo.simulation.findRoute(start, edge, "emergency")
        if 1_500.0 <= found.length <= 3_000.0:
            return list(found.edges)
    raise NoWay("no way of 1.5 to 3 km leads to the crash")


class _Told:
    """Connected drivers who hear that a street is blocked."""

    def __init__(self, drive: Drive, edge: str) -> None:
        self._sumo, self._edge = drive.street.sumo, edge
        self._done: set[str] = set()

    def step(self, now: float) -> None:
        """Let those who would come by look for another way."""
        if now % AGAIN_S:
            return
        vehicle = self._sumo.vehicle
        for id in vehicle.getIDList():
            if id not in self._done and Random(id).random() < CONNECTED:
                self._done.add(id)
                ahead = vehicle.getRoute(id)[vehicle.getRouteIndex(id) + 1 :]
                if vehicle.getVehicleClass(id) == "passenger" and self._edge in ahead:
                    vehicle.setAdaptedTraveltime(id, self._edge, BLOCKED_S)
                    vehicle.rerouteTraveltime(id, False)

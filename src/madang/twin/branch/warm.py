"""Makes a warmed-up simulation like the city: as full, with known vehicles where they are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from madang.twin.branch.trips import chance
from madang.twin.branch.ways import CLASSES
from madang.twin.network.detectors import PERIOD_S

if TYPE_CHECKING:
    from madang.twin.branch.start import Count, Known
    from madang.twin.branch.ways import Ways
    from madang.twin.street.street import Street

NEAR_M: Final = 60.0
"""A count belongs to a station of the simulation that is not farther. [m]"""
LEAST: Final = 20
"""Vehicles that must have been counted to say something of the whole."""
RANGE: Final = (0.3, 3.0)
"""Of the factor by which usual traffic is made like the city's."""


def scale_of(street: Street, counts: Sequence[Count]) -> float:
    """Return by which factor more drive in the city than in the simulation. [1]"""
    stations = _stations(street)
    if not stations or not counts:
        return 1.0
    ids = list(stations)
    places = np.array([stations[id] for id in ids])
    simulated = street.counts()
    seen = told = 0.0
    for count in counts:
        wide = np.cos(np.radians(count.lat))
        metres = 111_320 * np.hypot((places[:, 0] - count.lon) * wide, places[:, 1] - count.lat)
        nearest = int(metres.argmin())
        if metres[nearest] <= NEAR_M:
            told += count.per_hour
            seen += simulated[ids[nearest]].vehicles * 3600 / PERIOD_S
    if min(seen, told) * PERIOD_S / 3600 < LEAST:
        return 1.0
    return float(np.clip(told / seen, *RANGE))


def _stations(street: Street) -> dict[str, tuple[float, float]]:
    """Return the place of each station that counts. [degree]"""
    simulation = street.sumo.simulation
    return {
        id: tuple(simulation.convert2D(one.edge, one.position, 0, True))
        for id, one in street.stations.items()
    }


def fitted(street: Street, scale: float, seed: int) -> None:
    """Take cars off the road if the city has fewer; more come with the demand."""
    vehicle = street.sumo.vehicle
    for id in vehicle.getIDList():
        if vehicle.getVehicleClass(id) != CLASSES["bus"] and chance(seed, id, "fitted") >= scale:
            vehicle.remove(id)


def placed(street: Street, ways: Ways, known: Sequence[Known]) -> int:
    """Put vehicles where the city knows vehicles to be; return how many.

    Each is the nearest of its kind that has no place yet, and drives on from there to where it was
    going. Buses keep to their timetable.
    """
    sumo = street.sumo
    kinds = {name: kind for kind, name in CLASSES.items()}
    free = {
        id: (kinds.get(sumo.vehicle.getVehicleClass(id)), sumo.vehicle.getPosition(id))
        for id in sumo.vehicle.getIDList()
    }
    count = 0
    for one in known:
        x, y = sumo.simulation.convertGeo(one.lon, one.lat, True)
        near = [(math.dist(place, (x, y)), id)
                for id, (kind, place) in free.items() if kind == one.kind]  # fmt: skip
        if not near or one.kind == "bus":
            continue
        edge, at, lane = sumo.simulation.convertRoad(one.lon, one.lat, True, CLASSES[one.kind])
        if edge not in ways.index:  # within a junction
            continue
        _, id = min(near)
        way = ways.way(one.kind, ways.index[edge], ways.index[sumo.vehicle.getRoute(id)[-1]])
        if way is None:
            continue
        del free[id]
        _replace(sumo, id, way, at, lane, one.speed)
        count += 1
    return count


def _replace(sumo: Any, id: str, way: list[str], at: float, lane: int, speed: float) -> None:
    """Take a vehicle off the road and let one like it go on elsewhere."""
    type_ = sumo.vehicle.getTypeID(id)
    sumo.vehicle.remove(id)
    sumo.route.add(f"{id}@", way)
    lanes = sumo.edge.getLaneNumber(way[0])
    length = sumo.lane.getLength(f"{way[0]}_{lane}")
    limit = sumo.lane.getMaxSpeed(f"{way[0]}_{lane}")
    sumo.vehicle.add(
        f"{id}@", f"{id}@", typeID=type_, depart="now", departLane=str(min(lane, lanes - 1)),
        departPos=f"{min(at, length):.1f}", departSpeed=f"{min(speed, limit):.1f}",
    )  # fmt: skip

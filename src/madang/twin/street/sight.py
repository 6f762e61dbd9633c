"""What the detectors of signals see: vehicles before the stop line and behind it, across edges.

Short edges are common before signals (117 of the 158 approach lanes of RESCO's ingolstadt21 have
less than 60 m), so detectors reach back over the borders of edges, as far as the next signal. A
vehicle on an edge further up is listed on the lane that it is bound for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from madang.services.signals.signal import Seen, Signal, Vehicle
from madang.twin.street.vehicles import kind_of

if TYPE_CHECKING:
    from madang.twin.network.roads import Roads

REACH_M: Final = 200.0
"""How far detectors reach. [m]"""

_Spot = tuple[float, Vehicle]  # place along a lane [m], and who is there


class _Field(NamedTuple):
    """Lanes that belong to one signal."""

    signal: Signal
    above: tuple[str, ...]
    """Within reach before its own lanes, short of any other signal."""
    below: Mapping[str, tuple[tuple[str, float], ...]]
    """By lane behind it: lanes within reach, and how far behind the signal each begins. [m]"""


class Sight:
    """Detectors of all signals of a network.

    Args:
        sumo: libsumo, with the network loaded.
        roads: the network.
    """

    def __init__(self, sumo: Any, roads: Roads) -> None:
        self._sumo = sumo
        lanes = _Lanes(roads)
        self._fields = {
            id: _Field(
                signal,
                lanes.upstream(signal.in_lanes, REACH_M),
                {lane: lanes.downstream(lane, REACH_M) for lane in signal.out_lanes},
            )
            for id, signal in roads.signals.items()
        }

    def seen(
        self, phases: Mapping[str, tuple[int, float]], kinds: dict[str, str]
    ) -> dict[str, Seen]:
        """Return what is before and behind signals now.

        Args:
            phases: by signal: the phase that shows and for how long. [s]
            kinds: classes of vehicles that are known already; added to.
        """
        spots: dict[str, list[_Spot]] = {}  # lanes lie behind one signal and before another
        return {
            id: Seen(
                *phase,
                self._before(self._fields[id], spots, kinds),
                self._behind(self._fields[id], spots, kinds),
            )
            for id, phase in phases.items()
        }

    def _before(
        self, field: _Field, spots: dict[str, list[_Spot]], kinds: dict[str, str]
    ) -> dict[str, tuple[Vehicle, ...]]:
        signal = field.signal
        found: dict[str, list[Vehicle]] = {}
        for lane in signal.in_lanes:
            length = signal.lane_length[lane]
            found[lane] = [
                vehicle._replace(distance=round(length - at, 1))
                for at, vehicle in self._on(lane, spots, kinds)
                if length - at <= REACH_M
            ]
        for lane in field.above:
            for id in self._sumo.lane.getLastStepVehicleIDs(lane):
                ahead = self._sumo.vehicle.getNextTLS(id)
                if ahead and ahead[0][0] == signal.id and ahead[0][2] <= REACH_M:
                    bound = signal.links[ahead[0][1]][0][0]
                    found[bound].append(self._vehicle(id, round(ahead[0][2], 1), kinds))
        return {lane: tuple(sorted(some, key=_distance)) for lane, some in found.items()}

    def _behind(
        self, field: _Field, spots: dict[str, list[_Spot]], kinds: dict[str, str]
    ) -> dict[str, tuple[Vehicle, ...]]:
        return {
            out: tuple(
                sorted(
                    (
                        vehicle._replace(distance=round(start + at, 1))
                        for lane, start in chain
                        for at, vehicle in self._on(lane, spots, kinds)
                        if start + at <= REACH_M
                    ),
                    key=_distance,
                )
            )
            for out, chain in field.below.items()
        }

    def _on(self, lane: str, spots: dict[str, list[_Spot]], kinds: dict[str, str]) -> list[_Spot]:
        """Return who is on a lane, and where."""
        found = spots.get(lane)
        if found is None:
            place = self._sumo.vehicle.getLanePosition
            found = spots[lane] = [
                (at := place(id), self._vehicle(id, at, kinds))
                for id in self._sumo.lane.getLastStepVehicleIDs(lane)
            ]
        return found

    def _vehicle(self, id: str, distance: float, kinds: dict[str, str]) -> Vehicle:
        vehicle = self._sumo.vehicle
        speed, wait = vehicle.getSpeed(id), vehicle.getWaitingTime(id)
        return Vehicle(distance, round(speed, 1), wait, kind_of(self._sumo, id, kinds))


def _distance(vehicle: Vehicle) -> float:
    return vehicle.distance


class _Lanes:
    """The graph of lanes."""

    def __init__(self, roads: Roads) -> None:
        self._length = {id: lane.length for id, lane in roads.lanes.items()}
        self._after = {id: [link.to for link in links] for id, links in roads.links.items()}
        self._before: dict[str, list[str]] = {}
        for id, following in self._after.items():
            for after in following:
                self._before.setdefault(after, []).append(id)
        self._ends = {id for signal in roads.signals.values() for id in signal.in_lanes}

    def upstream(self, start: Iterable[str], reach: float) -> tuple[str, ...]:
        """Return the lanes before some, within reach of their ends, short of other signals."""
        own = set(start)
        seen, left = set(own), [(id, self._length[id]) for id in own]
        while left:
            id, distance = left.pop()
            for before in self._before.get(id, ()) if distance < reach else ():
                if before not in seen and before not in self._ends:
                    seen.add(before)
                    left.append((before, distance + self._length[before]))
        return tuple(sorted(seen - own))

    def downstream(self, start: str, reach: float) -> tuple[tuple[str, float], ...]:
        """Return the lanes from one on, short of the next signal, and where each begins. [m]"""
        seen, left = {start: 0.0}, [start]
        while left:
            id = left.pop(0)
            end = seen[id] + self._length[id]
            if id not in self._ends and end < reach:
                for after in self._after.get(id, ()):
                    if after not in seen:
                        seen[after] = end
                        left.append(after)
        return tuple(seen.items())

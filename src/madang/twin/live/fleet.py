"""Vehicles that say where they are: all buses, and a sample of the others, as entities.

A bus of the street drives as one of the entities of its line. A car, lorry or bicycle of the street
drives as a connected one while it is under way; then that is parked, until a trip begins near it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from madang.twin.street.vehicles import Vehicles

BUS: Final = "bus"
Place = tuple[float, float]
Entity = dict[str, Any]


class Sort(NamedTuple):
    """Connected vehicles of a class of SUMO."""

    word: str
    """In their ids."""
    type: str
    """``vehicleType`` of the Smart Data Models, as is the category."""
    category: str
    most: int


SORTS: Final = {
    "passenger": Sort("car", "car", "private", 100),
    "truck": Sort("lorry", "lorry", "private", 30),
    "bicycle": Sort("bicycle", "bicycle", "private", 30),
    "emergency": Sort("rescue", "ambulance", "specialUsage", 5),
}


class Fleet:
    """See the module.

    Args:
        buses: ids of entities by line.
        others: ids of the entities of others, with ``{kind}`` and ``{number}``.
        sorts: of others that are followed, by class.
    """

    def __init__(
        self, buses: Mapping[str, Iterable[str]], others: str, sorts: Mapping[str, Sort] = SORTS
    ) -> None:
        self._buses = {line: list(ids) for line, ids in buses.items()}
        """Those of a line that nobody drives."""
        self._new = {
            kind: [others.format(kind=sort.word, number=f"{number:03d}")
                   for number in range(sort.most, 0, -1)]
            for kind, sort in sorts.items()
        }  # fmt: skip
        """Others that have said nothing yet, by class."""
        self._fixed = {kind: _fixed_of(sort) for kind, sort in sorts.items()}
        self._parked: dict[str, dict[str, Place]] = {kind: {} for kind in sorts}
        self._driven: dict[str, tuple[str, str, str]] = {}
        """Entity, class and line by vehicle of the street."""
        self._last: dict[str, tuple[float, float, float]] = {}
        """What an entity has said last: place and speed."""

    @property
    def under_way(self) -> tuple[str, ...]:
        """Vehicles of the street that are followed."""
        return tuple(self._driven)

    @property
    def buses(self) -> list[str]:
        """Entities of buses that are driven."""
        return sorted(id for id, kind, _ in self._driven.values() if kind == BUS)

    @property
    def driven_as_buses(self) -> list[str]:
        """Vehicles of the street that are followed and are buses."""
        return [vehicle for vehicle, (_, kind, _) in self._driven.items() if kind == BUS]

    def depart(self, vehicle: str, kind: str, line: str, place: Place) -> bool:
        """Follow a vehicle of the street from now on, if an entity is free for it.

        Args:
            vehicle: its id.
            kind: its class.
            line: of a bus.
            place: where it is.
        """
        if kind == BUS:
            free = self._buses.get(line)
            entity = free.pop(0) if free else None
        else:
            entity = self._other(kind, place) if kind in self._new else None
        if entity is None:
            return False
        self._driven[vehicle] = entity, kind, line
        return True

    def arrive(self, vehicle: str) -> None:
        """Follow a vehicle of the street no longer."""
        entity, kind, line = self._driven.pop(vehicle)
        if kind == BUS:
            self._buses[line].append(entity)
        elif entity in self._last:
            self._parked[kind][entity] = self._last[entity][:2]
        else:
            self._new[kind].append(entity)

    def _other(self, kind: str, place: Place) -> str | None:
        """Return who makes a trip: a new one, or else who is parked nearest to its beginning."""
        new, parked = self._new[kind], self._parked[kind]
        if new:
            return new.pop()
        if not parked:
            return None
        nearest = min(parked, key=lambda id: math.dist(parked[id], place))
        del parked[nearest]
        return nearest

    def told(
        self, vehicles: Vehicles, at: str, late: Mapping[str, float] | None = None
    ) -> list[Entity]:
        """Return what those under way say now; who stands still says it once.

        Args:
            vehicles: where they are.
            at: now, as a DateTime of NGSI-LD.
            late: how far buses are behind their timetable, by vehicle. [s]
        """
        found = []
        columns = zip(
            vehicles.ids,
            vehicles.lon.tolist(),
            vehicles.lat.tolist(),
            vehicles.speed.tolist(),
            vehicles.heading.tolist(),
            strict=True,
        )
        for vehicle, lon, lat, speed, heading in columns:
            entity, kind, _ = self._driven[vehicle]
            state = round(lon, 6), round(lat, 6), round(speed * 3.6, 1)
            last = self._last.get(entity)
            if last != state:
                self._last[entity] = state
                said = _moved(entity, state, round(heading) % 360, at)
                if last is None and kind != BUS:
                    said |= self._fixed[kind]
                if late is not None and vehicle in late:
                    said["delay"] = _measured(round(late[vehicle]), "SEC", at)
                found.append(said)
        return found


def _moved(entity: str, state: tuple[float, float, float], heading: int, at: str) -> Entity:
    point = {"type": "Point", "coordinates": state[:2]}
    return {
        "id": entity,
        "type": "Vehicle",
        "location": {"type": "GeoProperty", "value": point, "observedAt": at},
        "speed": _measured(state[2], "KMH", at),
        "heading": _measured(heading, "DD", at),
    }


def _measured(value: float, unit: str, at: str) -> Entity:
    return {"type": "Property", "value": value, "unitCode": unit, "observedAt": at}


def _fixed(value: Any) -> Entity:
    return {"type": "Property", "value": value}


def _fixed_of(sort: Sort) -> Entity:
    return {
        "vehicleType": _fixed(sort.type),
        "category": _fixed([sort.category]),
        "source": _fixed("generated"),
    }

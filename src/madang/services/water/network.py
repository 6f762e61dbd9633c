"""The water network as the city tells it, as nodes and pipes for hydraulics.

Types and names are those of dataModel.WaterNetworkManagement of the Smart Data Models: ``Junction``
(``elevation`` [m], ``demand`` [m3/h], ``location``), ``Pipe`` (``startsAt``, ``endsAt``, ``length``
[m], ``diameter`` [mm], ``roughness`` of Hazen and Williams), ``Valve`` (``setting``: the pressure
that it holds [m]), ``Pump``, ``Tank`` (``elevation``, ``level`` [m]), ``Reservoir`` (``head`` [m]).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import cos, radians
from typing import Any, NamedTuple

from madang.services.city import City, Thing
from madang.services.water.hydraulics import Network, resistance

NODES = ("Junction", "Tank", "Reservoir")
EARTH_M = 111_320.0  # a degree of latitude
MOST_NODES = 2_000  # beyond, the dense matrices of the hydraulics are too large


class Whole(NamedTuple):
    """A network, and what its nodes are called and where they are."""

    network: Network
    ids: list[str]
    places: list[list[float]]
    """East and north of the first node. [m]"""
    points: list[dict[str, Any] | None]
    """GeoJSON."""

    def number(self, id: str) -> int:
        """Return the node of an id, -1 if there is none."""
        return self.ids.index(id) if id in self.ids else -1


def number(value: Any, default: float = 0.0) -> float:
    """Return a value as a number; a faulty sender must not stop the service."""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e9:
        return default
    return float(value)


async def read(city: City) -> Whole:
    """Return the network of the city; one without pipes if it does not tell, or is too large."""
    things = {type: await city.find(type) for type in (*NODES, "Pipe", "Valve", "Pump")}
    if sum(len(things[type]) for type in NODES) > MOST_NODES:
        things = {type: [] for type in things}
    return whole(things)


def whole(things: Mapping[str, Sequence[Thing]]) -> Whole:
    """Return the network of things by type."""
    nodes = [one for type in NODES for one in things[type]]
    place = {one.id: row for row, one in enumerate(nodes)}
    elevations = [number(one["elevation"]) for one in nodes]
    heads = {place[one.id]: number(one["head"]) for one in things["Reservoir"]}
    heads |= {
        place[one.id]: number(one["elevation"]) + number(one["level"], 2.0)
        for one in things["Tank"]
    }
    inlets = []
    for one in (*things["Valve"], *things["Pump"]):
        start, end = place.get(str(one["startsAt"])), place.get(str(one["endsAt"]))
        if start is not None and end is not None:
            inlets.append((start, end))
            if one["setting"] is not None:
                heads[end] = elevations[end] + number(one["setting"])
            heads.setdefault(end, elevations[end] + 50.0)
    return Whole(
        Network(
            nodes=tuple(place),
            demands=tuple(number(one["demand"]) for one in nodes),
            pipes=tuple(_pipe(one, place) for one in things["Pipe"] if _is_whole(one, place)),
            heads=tuple(sorted(heads.items())),
            inlets=tuple(inlets),
        ),
        list(place),
        _metres(nodes),
        [one["location"] for one in nodes],
    )


def _is_whole(pipe: Thing, place: Mapping[str, int]) -> bool:
    ends = {str(pipe["startsAt"]), str(pipe["endsAt"])}
    sizes = (number(pipe[name]) for name in ("length", "diameter", "roughness"))
    return len(ends) == 2 and ends <= place.keys() and min(sizes) > 0


def _pipe(pipe: Thing, place: Mapping[str, int]) -> tuple[int, int, float]:
    loss = resistance(
        number(pipe["length"]), number(pipe["diameter"]) / 1000, number(pipe["roughness"])
    )
    return place[str(pipe["startsAt"])], place[str(pipe["endsAt"])], loss


def _metres(nodes: Sequence[Thing]) -> list[list[float]]:
    """Return how far east and north of the first node each one is; 0, 0 if it does not tell."""
    found: list[list[float]] = []
    first: list[float] | None = None
    for one in nodes:
        point = one["location"]
        if not isinstance(point, dict) or point.get("type") != "Point":
            found.append([0.0, 0.0])
            continue
        lon, lat = point["coordinates"][:2]
        first = first or [lon, lat]
        east = (lon - first[0]) * EARTH_M * cos(radians(first[1]))
        found.append([round(east, 1), round((lat - first[1]) * EARTH_M, 1)])
    return found

"""Where vehicles are and how they move, in columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from madang.twin.network.roads import Roads


class Vehicles(NamedTuple):
    """Vehicles at one moment, one place a vehicle in every column."""

    ids: tuple[str, ...]
    lon: NDArray[Any]
    """Of the front bumper. [degree]"""
    lat: NDArray[Any]
    speed: NDArray[Any]
    """[m/s]"""
    heading: NDArray[Any]
    """Clockwise from north. [degree]"""
    kind: tuple[str, ...]
    """SUMO vehicle class: passenger, bus, bicycle, emergency, truck …"""


def vehicles(sumo: Any, roads: Roads, ids: Sequence[str], kinds: dict[str, str]) -> Vehicles:
    """Return vehicles as they are now; those that are not on the road are left out.

    Args:
        sumo: libsumo.
        roads: tells where places of the network are on Earth.
        ids: of whom.
        kinds: classes of vehicles that are known already; added to.
    """
    import numpy as np

    vehicle = sumo.vehicle
    here = [(id, place) for id in ids if (place := vehicle.getPosition(id))[0] > _NOWHERE]
    found = tuple(id for id, _ in here)
    xy = np.array([place for _, place in here], dtype=np.float64).reshape(-1, 2)
    lon, lat = roads.lonlat(xy[:, 0], xy[:, 1])
    return Vehicles(
        found,
        lon,
        lat,
        np.fromiter((vehicle.getSpeed(id) for id in found), np.float64, len(found)),
        np.fromiter((vehicle.getAngle(id) for id in found), np.float64, len(found)),
        tuple(kind_of(sumo, id, kinds) for id in found),
    )


def kind_of(sumo: Any, id: str, kinds: dict[str, str]) -> str:
    """Return the class of a vehicle, which never changes."""
    kind = kinds.get(id)
    if kind is None:
        kind = kinds[id] = str(sumo.vehicle.getVehicleClass(id))
    return kind


_NOWHERE = -1e9  # SUMO gives about -1.07e9 for a vehicle that is off the road [m]

"""Places where residents live, work, learn, shop and spend time; from entities, or made up."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from madang.model.errors import MadangError
from madang.twin.people.figures import USES

Metres = NDArray[np.float32]

_NORTH: Final = 111_195.0  # metres in a degree of latitude
_WEIGHTS: Final[dict[str, tuple[float, float, float, float, float]]] = {
    "apartments": (1.0, 0.01, 0, 0.01, 0),
    "residential": (1.0, 0.01, 0, 0.01, 0),
    "house": (1.0, 0.02, 0, 0.02, 0.01),
    "detached": (1.0, 0.01, 0, 0.01, 0),
    "terrace": (1.0, 0.01, 0, 0.01, 0),
    "dormitory": (1.0, 0.02, 0, 0, 0),
    "office": (0, 1.0, 0, 0.02, 0.01),
    "commercial": (0, 0.6, 0, 0.4, 0.2),
    "retail": (0, 0.4, 0, 1.0, 0.15),
    "supermarket": (0, 0.3, 0, 1.0, 0),
    "industrial": (0, 0.4, 0, 0, 0),
    "warehouse": (0, 0.15, 0, 0, 0),
    "hospital": (0, 0.8, 0, 0.2, 0),
    "civic": (0, 0.5, 0, 0.1, 0.3),
    "public": (0, 0.5, 0, 0.1, 0.3),
    "hotel": (0, 0.3, 0, 0.1, 0.4),
    "school": (0, 0.1, 1.0, 0, 0),
    "kindergarten": (0, 0.1, 0.5, 0, 0),
    "university": (0, 0.3, 1.0, 0, 0),
    "college": (0, 0.3, 1.0, 0, 0),
}
"""What a square metre of floor counts for each use, by category of the Building data model."""
_UNKNOWN: Final = (0.6, 0.15, 0, 0.05, 0.02)  # a building that says nothing of itself
_PARK = 0.02  # of its ground counts as leisure
_MOST = 2_000_000


class NoPlaces(MadangError):
    """A city has nowhere to live, or nothing to go to."""


@dataclass(frozen=True, slots=True)
class Places:
    """Places of a city in columns. The last ``gates`` of them lead out of it.

    Args:
        lon: longitude. [degree]
        lat: latitude. [degree]
        district: number of the district each is in.
        weight: how much each counts for each use, (use, place).
        districts: names of the districts, in Korean and English.
        gates: how many places stand for what lies outside.
    """

    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    district: NDArray[np.int32]
    weight: NDArray[np.float64]
    districts: tuple[tuple[str, str], ...]
    gates: int

    def __len__(self) -> int:
        return len(self.lon)

    @property
    def x(self) -> Metres:
        """Metres east of the middle."""
        east = _NORTH * math.cos(math.radians(float(self.lat.mean())))
        return np.asarray((self.lon - self.lon.mean()) * east, np.float32)

    @property
    def y(self) -> Metres:
        """Metres north of the middle."""
        return np.asarray((self.lat - self.lat.mean()) * _NORTH, np.float32)


def made(residents: int, districts: int, seed: int) -> Places:
    """Make a city up: districts in a square, denser and busier towards the middle."""
    rng = np.random.default_rng([seed, 17])
    side = math.ceil(math.sqrt(districts))
    count = max(50 * districts, min(residents // 40, 60_000))
    half = 0.5 * math.sqrt(residents / 8000) * 1000  # about 8,000 residents a square kilometre
    x, y = rng.uniform(-half, half, (2, count))
    near = np.exp(-np.hypot(x, y) / half * 1.5)
    kind = rng.choice(5, count, p=(0.60, 0.18, 0.03, 0.13, 0.06))
    weight = np.zeros((len(USES), count))
    weight[kind, np.arange(count)] = rng.lognormal(0, 0.7, count)
    weight[1] *= near * 4
    for use in range(len(USES)):  # a small city may have drawn none
        if not weight[use].any():
            weight[use, rng.integers(count)] = 1.0
    column, row = (np.clip((v + half) / (2 * half) * side, 0, side - 1).astype(int) for v in (x, y))
    district = np.minimum(row * side + column, districts - 1).astype(np.int32)
    names = tuple((f"{one + 1}동", f"District {one + 1}") for one in range(districts))
    angle = np.arange(8) * math.pi / 4
    gate_x, gate_y = 1.1 * half * np.cos(angle), 1.1 * half * np.sin(angle)
    east = _NORTH * math.cos(math.radians(37.5))
    return Places(
        lon=127.0 + np.concatenate([x, gate_x]) / east,
        lat=37.5 + np.concatenate([y, gate_y]) / _NORTH,
        district=np.concatenate([district, np.full(8, -1, np.int32)]),
        weight=np.concatenate([weight, np.zeros((len(USES), 8))], axis=1),
        districts=names,
        gates=8,
    )


def of_entities(
    entities: Iterable[Mapping[str, Any]], gates: Iterable[tuple[float, float]] = ()
) -> Places:
    """Read places from NGSI-LD entities: Building, Park and District, as a scenario has them.

    Residents of a district are as many as its ``population`` says, where all districts say it.

    Raises:
        NoPlaces: there is nowhere to live, or nowhere to work or shop.
    """
    found: list[tuple[float, float, tuple[float, ...]]] = []
    areas: list[tuple[tuple[str, str], Any, float]] = []
    for one in entities:
        if one.get("type") == "Building" and (place := _building(one)) is not None:
            found.append(place)
        elif one.get("type") == "Park" and (ground := _ground(one)) is not None:
            found.append((ground[0], ground[1], (0, 0, 0, 0, ground[2] * _PARK)))
        elif one.get("type") == "District":
            areas.append(_district(one))
        if len(found) > _MOST:
            raise NoPlaces(f"there are more than {_MOST:,} buildings; take a smaller city")
    if not found:
        raise NoPlaces("there are no buildings among the entities: nowhere to live or go to")
    return _places(found, areas, list(gates))


def _places(
    found: list[tuple[float, float, tuple[float, ...]]],
    areas: list[tuple[tuple[str, str], Any, float]],
    gates: list[tuple[float, float]],
) -> Places:
    lon = np.array([one[0] for one in found] + [gate[0] for gate in gates])
    lat = np.array([one[1] for one in found] + [gate[1] for gate in gates])
    weight = np.zeros((len(USES), len(lon)))
    weight[:, : len(found)] = np.array([one[2] for one in found]).T
    for use, name in enumerate(USES):
        if not weight[use].any():
            if name in ("home", "work"):
                raise NoPlaces(f"none of {len(found)} buildings is a place of the use {name!r}")
            weight[use] = weight[1]  # people learn and shop somewhere
    district = _districts_of(lon, lat, [area for _, area, _ in areas])
    district[len(found) :] = -1
    if areas and all(people > 0 for _, _, people in areas):
        for number, (_, _, people) in enumerate(areas):
            there = district == number
            total = weight[0, there].sum()
            if total > 0:
                weight[0, there] *= people / total
        weight[0, district == -1] = 0.0
    names = tuple(name for name, _, _ in areas) or (("전체", "Whole city"),)
    return Places(lon, lat, district, weight, names, len(gates))


def _districts_of(lon: NDArray[Any], lat: NDArray[Any], areas: list[Any]) -> NDArray[np.int32]:
    """Return the district each place is in, or else the nearest."""
    import shapely

    if not areas:
        return np.zeros(len(lon), np.int32)
    nearest = shapely.STRtree(areas).nearest(shapely.points(lon, lat))
    return np.asarray(nearest, np.int32)


# --- entities -------------------------------------------------------------------------------------


def _value(entity: Mapping[str, Any], name: str) -> Any:
    found = entity.get(name)
    if isinstance(found, dict):
        return found.get("value", found.get("languageMap"))
    return found


def _building(entity: Mapping[str, Any]) -> tuple[float, float, tuple[float, ...]] | None:
    ground = _ground(entity)
    if ground is None:
        return None
    category = _value(entity, "category")
    kinds = category if isinstance(category, list) else [category]
    counts = next((_WEIGHTS[one] for one in kinds if one in _WEIGHTS), _UNKNOWN)
    floors = _value(entity, "floorsAboveGround")
    high = float(floors) if isinstance(floors, int | float) and floors > 0 else 2.0
    return ground[0], ground[1], tuple(ground[2] * high * one for one in counts)


def _ground(entity: Mapping[str, Any]) -> tuple[float, float, float] | None:
    """Return where the middle of something is, and its ground. [degree, degree, m²]"""
    shape = _value(entity, "location")
    if not isinstance(shape, dict):
        return None
    points = shape.get("coordinates")
    if shape.get("type") == "Point" and points:
        return float(points[0]), float(points[1]), 100.0
    if shape.get("type") == "MultiPolygon" and points:
        points = points[0]
    elif shape.get("type") != "Polygon" or not points:
        return None
    ring = np.asarray(points[0], float)[:, :2]
    lon, lat = ring[:-1].mean(axis=0)
    x = (ring[:, 0] - lon) * _NORTH * math.cos(math.radians(lat))
    y = (ring[:, 1] - lat) * _NORTH
    area = abs(float((x[:-1] * y[1:] - x[1:] * y[:-1]).sum())) / 2
    return float(lon), float(lat), area


def _district(entity: Mapping[str, Any]) -> tuple[tuple[str, str], Any, float]:
    import shapely

    name = _value(entity, "name")
    words = name if isinstance(name, dict) else {"ko": str(name), "en": str(name)}
    first = str(next(iter(words.values()), ""))
    people = _value(entity, "population")
    area = shapely.from_geojson(_json(_value(entity, "location")))
    return (
        (str(words.get("ko", first)), str(words.get("en", first))),
        area,
        float(people) if isinstance(people, int | float) else 0.0,
    )


def _json(value: Any) -> bytes:
    import orjson

    return orjson.dumps(value)

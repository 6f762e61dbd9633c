"""GeoJSON geometries: what is accepted as one, and the box it lies in.

Source: RFC 7946 section 3.1; ETSI GS CIM 009 clauses 4.6.3 and 4.7 (no GeometryCollection; a JSON
string that holds a geometry is one).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson

from madang.model.errors import BadRequestData

Geometry = dict[str, Any]
Bounds = tuple[float, float, float, float]
"""West, south, east, north. [degree]"""

_NUMBERS = frozenset({int, float})
_HIGHEST = float("inf")


def read(value: object, name: str) -> Geometry:
    """Return the geometry that is the value of the GeoProperty ``name``, checked.

    Raises:
        BadRequestData: it is no geometry.
    """
    geometry = _decoded(value)
    if type(geometry) is not dict:
        raise BadRequestData(
            f"{name} is a GeoProperty; its value must be a GeoJSON geometry object"
        )
    kind = geometry.get("type")
    check = _CHECKS.get(kind) if type(kind) is str else None
    if check is None:
        raise BadRequestData(
            f"{name} is no geometry of a known type; use one of {', '.join(TYPES)}"
        )
    fault = check(geometry.get("coordinates"))
    if fault:
        raise BadRequestData(f"{name} is no valid {kind}: {fault}")
    return geometry


def is_geometry(value: object) -> bool:
    """Tell whether an object looks like a GeoJSON geometry, valid or not (clause 4.5.2.3)."""
    return type(value) is dict and "coordinates" in value and value.get("type") in TYPES


def bounds(geometry: Geometry) -> Bounds:
    """Return the smallest box around a geometry.

    >>> bounds({"type": "Point", "coordinates": [2.35, 48.85]})
    (2.35, 48.85, 2.35, 48.85)
    """
    coordinates = geometry["coordinates"]
    if geometry["type"] == "Point":
        lon = coordinates[0]
        lat = coordinates[1]
        return lon, lat, lon, lat
    positions = list(_positions(coordinates))
    lons = [position[0] for position in positions]
    lats = [position[1] for position in positions]
    return min(lons), min(lats), max(lons), max(lats)


def is_position(coordinates: object) -> bool:
    """Tell whether this is a place on the earth: longitude, latitude and perhaps a height."""
    if type(coordinates) is not list:
        return False
    if len(coordinates) == 3:
        height = coordinates[2]
        if type(height) not in _NUMBERS or not -_HIGHEST < height < _HIGHEST:
            return False
        lon, lat, _ = coordinates
    elif len(coordinates) == 2:
        lon, lat = coordinates
    else:
        return False
    if type(lon) not in _NUMBERS or type(lat) not in _NUMBERS:
        return False
    return bool(-180 <= lon <= 180 and -90 <= lat <= 90)  # false for NaN, too


def _decoded(value: object) -> object:
    if type(value) is not str:
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return None


def _positions(coordinates: list[Any]) -> Iterator[list[float]]:
    if type(coordinates[0]) is list:
        for part in coordinates:
            yield from _positions(part)
    else:
        yield coordinates


def _point(coordinates: object) -> str:
    if is_position(coordinates):
        return ""
    return "a position is [longitude -180..180, latitude -90..90] and perhaps a height"


def _line(coordinates: object) -> str:
    if type(coordinates) is not list or len(coordinates) < 2:
        return "a line needs at least two positions"
    return _each(_point)(coordinates)


def _ring(coordinates: object) -> str:
    if type(coordinates) is not list or len(coordinates) < 4 or coordinates[0] != coordinates[-1]:
        return "a ring needs at least four positions, the last the same as the first"
    return _each(_point)(coordinates)


def _each(check: Callable[[object], str]) -> Callable[[object], str]:
    def every(coordinates: object) -> str:
        if type(coordinates) is not list or not coordinates:
            return "coordinates must be an array that is not empty"
        return next(filter(None, map(check, coordinates)), "")

    return every


_CHECKS: dict[str, Callable[[object], str]] = {
    "Point": _point,
    "MultiPoint": _each(_point),
    "LineString": _line,
    "MultiLineString": _each(_line),
    "Polygon": _each(_ring),
    "MultiPolygon": _each(_each(_ring)),
}
TYPES = tuple(_CHECKS)

"""The geo-query language: ``georel``, ``geometry``, ``coordinates``, ``geoproperty``.

Source: ETSI GS CIM 009 clauses 4.7 and 4.10; OGC 06-103r4 section 6.1.15 (topological relations);
RFC 7946.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from math import asin, cos, degrees, inf, pi, radians, sin
from typing import Any, Literal, cast

import orjson
import shapely

from madang.model import geometry as geojson
from madang.model.context import Names
from madang.model.errors import BadRequestData
from madang.model.names import shown
from madang.query import distance
from madang.query.tree import Geo

Test = Callable[[dict[str, Any]], bool]
Bounds = tuple[float, float, float, float]

_TOPOLOGICAL = ("within", "contains", "intersects", "equals", "disjoint", "overlaps")
_NEAR = re.compile(r"near;(max|min)Distance==(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)", re.ASCII)
_SLACK = 1.01  # a box for near is that much wider than the distance asks for
_WHOLE = (-180.0, 180.0)


def parse(
    georel: object,
    geometry: object,
    coordinates: object,
    geoproperty: object,
    names: Names,
) -> Geo | None:
    """Return the geo-query that these parameters mean; None if none of the first three is given.

    Raises:
        BadRequestData: they do not make a geo-query.
    """
    given = [value is not None for value in (georel, geometry, coordinates)]
    if not any(given) and geoproperty is None:
        return None
    if not all(given):
        raise BadRequestData("a geo-query needs all of georel, geometry and coordinates")
    relation, least, most = _relation(georel)
    attribute = "location" if geoproperty is None else _property(geoproperty, names)
    return Geo(relation, reference(geometry, coordinates), attribute, least, most)


def from_object(value: object, names: Names) -> Geo:
    """Return the geo-query of a JSON body (``geoQ``).

    Raises:
        BadRequestData: it is none.
    """
    if not isinstance(value, dict):
        raise BadRequestData("geoQ must be an object with georel, geometry and coordinates")
    members = ("georel", "geometry", "coordinates", "geoproperty")
    georel, geometry, coordinates, geoproperty = map(value.get, members)
    found = parse(georel, geometry, coordinates, geoproperty, names)
    if found is None:
        raise BadRequestData("geoQ must hold georel, geometry and coordinates")
    return found


def reference(kind: object, coordinates: object) -> str:
    """Return a checked geometry as canonical GeoJSON text.

    Raises:
        BadRequestData: it is no geometry.
    """
    if kind not in geojson.TYPES:
        raise BadRequestData(
            f"geometry must be one of {', '.join(geojson.TYPES)}, not {shown(kind)}"
        )
    if isinstance(coordinates, str):
        try:
            coordinates = orjson.loads(coordinates)
        except orjson.JSONDecodeError:
            raise BadRequestData(
                f"coordinates must be a JSON array such as [127.0,37.5], not {shown(coordinates)}"
            ) from None
    checked = geojson.read({"type": kind, "coordinates": coordinates}, "the reference geometry")
    return orjson.dumps(checked).decode()


def matches(geo: Geo, geometry: dict[str, Any]) -> bool:
    """Tell whether a GeoJSON geometry lies to the reference as the geo-query asks."""
    return matcher(geo)(geometry)


@lru_cache(maxsize=2048)
def matcher(geo: Geo) -> Test:
    """Return the test of a geo-query, made ready once."""
    origin = shape(geo.geometry)
    if geo.relation == "near":
        return _near(origin, geo.min_distance, geo.max_distance)
    shapely.prepare(origin)
    return _topological(geo.relation, origin)


def bounds(geo: Geo) -> Bounds | None:
    """Return the box (west, south, east, north) outside which nothing matches; None: no such box.

    The box is never too small: near the poles and the antimeridian it goes all the way round.
    """
    if geo.relation == "disjoint":
        return None
    box = cast(Bounds, tuple(map(float, shape(geo.geometry).bounds)))
    if geo.relation != "near":
        return box
    return None if geo.max_distance is None else _enlarged(box, geo.max_distance)


def distance_to(reference_text: str, geometry: dict[str, Any]) -> float:
    """Return the geodesic distance between a reference geometry and another. [m]"""
    return distance.nearest(shape(reference_text), _shape_of(geometry))


@lru_cache(maxsize=2048)
def shape(text: str) -> Any:
    """Return the shapely geometry of a GeoJSON text."""
    return shapely.force_2d(shapely.from_geojson(text))


def _shape_of(geometry: dict[str, Any]) -> Any:
    coordinates = geometry["coordinates"]
    if geometry["type"] == "Point":
        return shapely.Point(coordinates[0], coordinates[1])
    return shapely.force_2d(shapely.from_geojson(orjson.dumps(geometry)))


def _relation(
    georel: object,
) -> tuple[
    Literal["near", "within", "contains", "intersects", "equals", "disjoint", "overlaps"],
    float | None,
    float | None,
]:
    if georel in _TOPOLOGICAL:
        return cast(Any, georel), None, None
    found = _NEAR.fullmatch(georel) if isinstance(georel, str) else None
    metres = float(found[2]) if found is not None else 0.0
    if found is None or not 0.0 < metres < inf:
        raise BadRequestData(
            "georel must be near;maxDistance==metres or near;minDistance==metres with more than"
            f" 0 metres, or one of {', '.join(_TOPOLOGICAL)}, not {shown(georel)}"
        )
    return ("near", None, metres) if found[1] == "max" else ("near", metres, None)


def _property(geoproperty: object, names: Names) -> str:
    if not isinstance(geoproperty, str):
        raise BadRequestData(f"geoproperty must be a name, not {shown(geoproperty)}")
    return names.expand(geoproperty)


def _near(origin: Any, least: float | None, most: float | None) -> Test:
    limit = cast(float, most if least is None else least)
    if origin.geom_type == "Point":
        return _near_point(origin, limit, most is not None)
    if most is not None:
        return lambda geometry: distance.nearest(origin, _shape_of(geometry)) <= limit
    return lambda geometry: distance.nearest(origin, _shape_of(geometry)) >= limit


def _near_point(origin: Any, limit: float, within: bool) -> Test:
    is_near = distance.within_of(origin.x, origin.y, limit)

    def nearer(geometry: dict[str, Any]) -> bool:
        if geometry["type"] == "Point":
            coordinates = geometry["coordinates"]
            return is_near(coordinates[0], coordinates[1])
        return distance.nearest(origin, _shape_of(geometry)) <= limit

    def farther(geometry: dict[str, Any]) -> bool:
        return distance.nearest(origin, _shape_of(geometry)) >= limit

    return nearer if within else farther


def _topological(relation: str, origin: Any) -> Test:
    """Return the test of the geometry of an entity against a prepared reference geometry."""
    whole = _WHOLES[relation]
    of_point = _OF_POINT.get(relation)

    def test(geometry: dict[str, Any]) -> bool:
        if of_point is not None and geometry["type"] == "Point":
            coordinates = geometry["coordinates"]
            return of_point(origin, coordinates[0], coordinates[1])
        own = _shape_of(geometry)
        try:
            return whole(origin, own)
        except shapely.errors.GEOSException:  # lines that cross themselves, on either side
            return whole(shapely.make_valid(origin), shapely.make_valid(own))

    return test


_WHOLES: dict[str, Callable[[Any, Any], bool]] = {
    "within": lambda origin, own: bool(shapely.contains(origin, own)),
    "contains": lambda origin, own: bool(shapely.within(origin, own)),
    "intersects": lambda origin, own: bool(shapely.intersects(origin, own)),
    "equals": lambda origin, own: bool(shapely.equals(origin, own)),
    "disjoint": lambda origin, own: bool(shapely.disjoint(origin, own)),
    "overlaps": lambda origin, own: bool(shapely.overlaps(origin, own)),
}
_OF_POINT: dict[str, Callable[[Any, float, float], bool]] = {
    "within": lambda origin, lon, lat: bool(shapely.contains_xy(origin, lon, lat)),
    "intersects": lambda origin, lon, lat: bool(shapely.intersects_xy(origin, lon, lat)),
    "disjoint": lambda origin, lon, lat: not shapely.intersects_xy(origin, lon, lat),
}


def _enlarged(box: Bounds, metres: float) -> Bounds:
    west, south, east, north = box
    band = _SLACK * metres / distance.METRES_PER_DEGREE
    low, high = max(-90.0, south - band), min(90.0, north + band)
    if low == -90.0 or high == 90.0:
        return _WHOLE[0], low, _WHOLE[1], high
    # On a sphere a circle of this angle spans asin(sin(angle) / cos(latitude)) of longitude.
    angle = radians(band)
    widest = cos(radians(max(abs(south), abs(north))))
    ratio = sin(angle) / widest if angle < pi / 2 and widest > 0 else 1.0
    if ratio >= 1.0:
        return _WHOLE[0], low, _WHOLE[1], high
    turn = _SLACK * degrees(asin(ratio))
    if west - turn < _WHOLE[0] or east + turn > _WHOLE[1]:
        return _WHOLE[0], low, _WHOLE[1], high
    return west - turn, low, east + turn, high

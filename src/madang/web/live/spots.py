"""Where and how an entity is drawn: one position of its location, the value of an attribute."""

from __future__ import annotations

from math import isfinite, nan
from typing import Any, Final

import orjson
import shapely

from madang.model.entity import Document, Entity
from madang.model.geojson import geometry_of
from madang.model.geometry import Geometry
from madang.model.view import View
from madang.web.live.grid import SCALE
from madang.web.live.held import Spot

LOCATION: Final = "location"
_LONGEST_WORD: Final = 64  # [characters]
_GREATEST: Final = 3.4e38  # of the numbers that four bytes hold
_AS_IT_IS: Final = View()
_LINES: Final = ("LineString", "MultiLineString")


def spot_of(entity: Entity, attribute: str) -> Spot | None:
    """Return how an entity is drawn; None if it has no location.

    Args:
        entity: what is drawn.
        attribute: whose value is told; none if empty.
    """
    document = entity.document
    location = document.get(LOCATION)
    if location is None:
        return None
    if type(location) is dict:
        geometry = location["value"]
    else:
        geometry = geometry_of(entity, _AS_IT_IS)
        if geometry is None:
            return None
    if geometry["type"] == "Point":
        longitude, latitude = geometry["coordinates"][:2]
    else:
        longitude, latitude = _representative(geometry)
    value, word = _value(document, attribute)
    return Spot(round(longitude * SCALE), round(latitude * SCALE), value, word)


def _representative(geometry: Geometry) -> tuple[float, float]:
    """Return a point on a geometry: the middle of a line, a point inside an area."""
    shape = shapely.force_2d(shapely.from_geojson(orjson.dumps(geometry)))
    if geometry["type"] in _LINES:
        longest = max(shapely.get_parts(shape), key=shapely.length)
        point = shapely.line_interpolate_point(longest, 0.5, normalized=True)
    else:
        point = shapely.point_on_surface(shape)
    return (point.x, point.y) if not point.is_empty else _first(geometry["coordinates"])


def _first(coordinates: list[Any]) -> tuple[float, float]:
    while type(coordinates[0]) is list:
        coordinates = coordinates[0]
    return coordinates[0], coordinates[1]


def _value(document: Document, attribute: str) -> tuple[float, str]:
    """Return the number of an attribute, or its word where it holds words."""
    found = document.get(attribute) if attribute else None
    if found is None:
        return nan, ""
    if type(found) is list:
        found = next((one for one in found if "datasetId" not in one), found[0])
    elif type(found) is not dict:  # id, type and scope are no attributes
        return nan, ""
    value = found.get("value", found.get("vocab"))
    if type(value) is float or type(value) is int:
        number = float(value)
        return (number if isfinite(number) and abs(number) < _GREATEST else nan), ""
    if type(value) is bool:
        return nan, "true" if value else "false"
    return nan, value[:_LONGEST_WORD] if type(value) is str else ""

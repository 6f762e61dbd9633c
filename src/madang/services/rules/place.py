"""Whether an entity is where a rule applies: in an area, near a point, inside another entity."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import shapely

from madang.query import geo
from madang.query.tree import Geo
from madang.services.rules.rule import Rule

Test = Callable[[Any], bool]
"""Takes a GeoJSON geometry; None is nowhere."""


def matcher(rule: Rule, region: Any = None) -> Test:
    """Return the test of the place of a rule.

    Args:
        rule: it has a place.
        region: GeoJSON geometry of the entity that it names in ``inside``; None is unknown.
    """
    if rule.near is not None:
        point = orjson.dumps({"type": "Point", "coordinates": rule.near.point}).decode()
        return _known(geo.matcher(Geo("near", point, max_distance=rule.near.metres)))
    area = rule.area if rule.area is not None else region
    if area is None:
        return lambda _geometry: False
    return _known(geo.matcher(Geo("intersects", orjson.dumps(area).decode())))


def _known(test: Callable[[dict[str, Any]], bool]) -> Test:
    def is_there(geometry: Any) -> bool:
        try:
            return isinstance(geometry, dict) and test(geometry)
        except (KeyError, TypeError, IndexError, shapely.errors.ShapelyError):
            return False

    return is_there

"""Where a thing is, for services that need one point of it."""

from __future__ import annotations

import orjson
import shapely

from madang.services.city import Thing


def middle(thing: Thing) -> list[float] | None:
    """Return longitude and latitude of the middle of a thing's location, if it has one. [degree]"""
    if thing["location"] is None:
        return None
    found = shapely.from_geojson(orjson.dumps(thing["location"])).centroid
    return [round(found.x, 6), round(found.y, 6)]

"""Where a thing is, for services that need one point of it."""

from __future__ import annotations

import orjson
import shapely

from madang.services.city import Thing


def middle(thing: Thing) -> list[float] | None:
    """Return longitude and latitude of the middle of a thing's location. [degree]

    Returns:
        None if it has no location, or one that is no GeoProperty and may be anything.
    """
    whole = thing.attribute("location")
    if whole.get("type") != "GeoProperty":
        return None
    found = shapely.from_geojson(orjson.dumps(whole["value"])).centroid
    return None if found.is_empty else [round(found.x, 6), round(found.y, 6)]

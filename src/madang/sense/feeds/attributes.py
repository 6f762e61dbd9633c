"""Attributes and ids in NGSI-LD, as the kinds of feeds make them of what publishers tell."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from madang.sense.files import cells

_SAFE = "-._~@!$&'()*+,;="
_UTC = ZoneInfo("UTC")


def urn(kind: str, *parts: object) -> str:
    """Return an id; letters of every script stay, the rest is escaped.

    >>> urn("Vehicle", "oslo", "a b/1")
    'urn:ngsi-ld:Vehicle:oslo:a%20b%2F1'
    """
    return ":".join(["urn:ngsi-ld", kind, *(_escaped(str(part)) for part in parts)])


def _escaped(text: str) -> str:
    return "".join(
        mark if mark.isalnum() or mark in _SAFE else quote(mark, safe="", errors="replace")
        for mark in text
    )


def prop(value: Any, observed: str | None = None, unit: str | None = None) -> dict[str, Any]:
    """Return a Property; ``unit`` is a code of UN/CEFACT Recommendation 20."""
    made = {"type": "Property", "value": value}
    if unit is not None:
        made["unitCode"] = unit
    if observed is not None:
        made["observedAt"] = observed
    return made


def relationship(target: str, observed: str | None = None) -> dict[str, Any]:
    """Return a Relationship."""
    made = {"type": "Relationship", "object": target}
    if observed is not None:
        made["observedAt"] = observed
    return made


def place(geometry: Mapping[str, Any], observed: str | None = None) -> dict[str, Any]:
    """Return a GeoProperty."""
    made: dict[str, Any] = {"type": "GeoProperty", "value": dict(geometry)}
    if observed is not None:
        made["observedAt"] = observed
    return made


def point(longitude: Any, latitude: Any, observed: str | None = None) -> dict[str, Any]:
    """Return a GeoProperty at a position in WGS 84.

    Raises:
        ValueError: it is none. 0, 0 is what publishers write who do not know.
    """
    east, north = number(longitude, "longitude"), number(latitude, "latitude")
    if abs(east) > 180 or abs(north) > 90:
        raise ValueError(f"longitude {east:g} and latitude {north:g} are no position")
    if east == 0 and north == 0:
        raise ValueError("longitude and latitude are both 0, so the place is unknown")
    return place({"type": "Point", "coordinates": [east, north]}, observed)


def number(value: Any, name: str) -> float:
    """Return a finite number that a publisher gives, perhaps as text, or raise ValueError."""
    if not isinstance(value, bool):
        try:
            found = float(value)
        except (TypeError, ValueError):
            pass
        else:
            if math.isfinite(found):
                return found
    raise ValueError(f"{name} is {str(value)[:60]!r}, expected a number")


def count(value: Any, name: str) -> int:
    """Return a whole number that is not negative, or raise ValueError."""
    found = number(value, name)
    if found < 0 or found != int(found):
        raise ValueError(f"{name} is {str(value)[:60]!r}, expected a count")
    return int(found)


def instant(value: Any, zone: str = "UTC", form: str = "") -> str:
    """Return a time of a publisher as a DateTime: text, or seconds or milliseconds since 1970.

    Raises:
        ValueError: it is none.
    """
    return cells.instant(value, form, _UTC if zone == "UTC" else cells.zone(zone))

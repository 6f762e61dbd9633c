"""A CAP alert as Alert of Smart Data Models. Pure."""

from __future__ import annotations

import math
from typing import Any

from madang.sense.feeds.attributes import instant, number, place, prop, urn
from madang.sense.feeds.cap.document import Alert, Area, Info

Record = dict[str, Any]

SEVERITIES = {
    "Extreme": "critical",
    "Severe": "high",
    "Moderate": "medium",
    "Minor": "low",
    "Unknown": "informational",
}
# The model has fewer categories; that of CAP is kept as ``capCategory``.
CATEGORIES = {
    "Geo": "naturalDisaster",
    "Met": "weather",
    "Safety": "security",
    "Security": "security",
    "Rescue": "security",
    "Fire": "naturalDisaster",
    "Health": "health",
    "Env": "environment",
    "Transport": "traffic",
    "Infra": "security",
    "CBRNE": "environment",
    "Other": "environment",
}
_TEXTS = {
    "headline": "name",
    "event": "subCategory",
    "description": "description",
    "instruction": "instruction",
    "senderName": "senderName",
    "web": "web",
    "contact": "contactPoint",
}
_LOWER = ("urgency", "certainty")
_CIRCLE_POINTS = 36
_KM_PER_DEGREE = 111.195
_MOST_POSITIONS = 20_000


def entities(alert: Alert, language: str) -> list[Record]:
    """Return an entity for each info in the language wanted, or else in the alert's first.

    Raises:
        ValueError: something in it is not what CAP says it is.
    """
    if alert.kind in ("Ack", "Error") or not alert.infos:
        return []
    spoken = {info.language for info in alert.infos}
    chosen = language if language in spoken else alert.infos[0].language
    infos = [info for info in alert.infos if info.language == chosen]
    return [
        _entity(alert, info, id_of(alert.identifier, number))
        for number, info in enumerate(infos, start=1)
    ]


def ended(by: Alert, identifier: str, parts: int) -> list[Record]:
    """Return what ends the entities of an alert that another updates or cancels."""
    at = instant(by.sent)
    word = "cancelled" if by.kind == "Cancel" else "updated"
    return [
        {
            "id": id_of(identifier, number),
            "type": "Alert",
            "validTo": prop(at, at),
            "alertStatus": prop(word, at),
        }
        for number in range(1, parts + 1)
    ]


def id_of(identifier: str, number: int) -> str:
    """Return the id of the entity of an info; the first has that of the alert alone."""
    return urn("Alert", "cap", identifier, *([number] if number > 1 else []))


def _entity(alert: Alert, info: Info, id: str) -> Record:
    told, at = info.members, instant(alert.sent)
    begin = told.get("onset") or told.get("effective") or alert.sent
    category = info.categories[0] if info.categories else "Other"
    entity: Record = {
        "id": id,
        "type": "Alert",
        "alertSource": prop(alert.sender),
        "dateIssued": prop(at),
        "validFrom": prop(instant(begin), at),
        "category": prop(CATEGORIES.get(category, "environment"), at),
        "capCategory": prop(info.categories or ["Other"], at),
        "severity": prop(SEVERITIES.get(told.get("severity", ""), "informational"), at),
        "alertStatus": prop("active", at),
        "language": prop(info.language, at),
    }
    if "expires" in told:
        entity["validTo"] = prop(instant(told["expires"]), at)
    for member, name in _TEXTS.items():
        if member in told:
            entity[name] = prop(told[member], at)
    for member in _LOWER:
        if member in told:
            entity[member] = prop(told[member].lower(), at)
    if info.responses:
        entity["responseType"] = prop(info.responses, at)
    return entity | _where(info.areas, at)


def _where(areas: list[Area], at: str) -> Record:
    found: Record = {}
    if named := [area.description for area in areas if area.description]:
        found["areaServed"] = prop("; ".join(named), at)
    codes: dict[str, list[str]] = {}
    for area in areas:
        for name, value in area.geocodes:
            codes.setdefault(name, []).append(value)
    if codes:
        found["geocode"] = prop(codes, at)
    rings = [ring_of(one) for area in areas for one in area.polygons]
    rings += [circle_of(one) for area in areas for one in area.circles]
    if sum(map(len, rings)) > _MOST_POSITIONS:
        raise ValueError(f"its areas have more than {_MOST_POSITIONS:,} positions")
    if len(rings) == 1:
        found["location"] = place({"type": "Polygon", "coordinates": rings}, at)
    elif rings:
        polygons = [[ring] for ring in rings]
        found["location"] = place({"type": "MultiPolygon", "coordinates": polygons}, at)
    return found


def ring_of(written: str) -> list[list[float]]:
    """Return a polygon of CAP (latitude,longitude pairs) as a closed ring of GeoJSON.

    >>> ring_of("38.47,-120.14 38.34,-119.95 38.52,-119.74 38.47,-120.14")[0]
    [-120.14, 38.47]
    """
    ring = [_position(pair) for pair in written.split()]
    if ring and ring[0] != ring[-1]:
        ring.append(ring[0])
    if len(ring) < 4:
        raise ValueError(f"polygon {written[:60]!r} has fewer than three corners")
    return ring


def circle_of(written: str) -> list[list[float]]:
    """Return a circle of CAP (``latitude,longitude radius`` in km) as a ring of GeoJSON.

    A radius of 0 is a point; it becomes a circle of 100 m.
    """
    centre, _, radius = written.strip().partition(" ")
    east, north = _position(centre)
    reach = max(number(radius or "0", "the radius of a circle"), 0.1) / _KM_PER_DEGREE
    wide = reach / max(math.cos(math.radians(north)), 0.01)
    ring = []
    for step in range(_CIRCLE_POINTS):
        angle = math.tau * step / _CIRCLE_POINTS
        x, y = east + wide * math.cos(angle), north + reach * math.sin(angle)
        ring.append([round(min(max(x, -180.0), 180.0), 6), round(min(max(y, -90.0), 90.0), 6)])
    return [*ring, ring[0]]


def _position(pair: str) -> list[float]:
    north, _, east = pair.partition(",")
    latitude, longitude = number(north, "a latitude"), number(east, "a longitude")
    if abs(latitude) > 90 or abs(longitude) > 180:
        raise ValueError(f"{pair[:40]!r} is no latitude,longitude")
    return [longitude, latitude]

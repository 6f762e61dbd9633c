"""Alerts as incidents see them, and which of them belong together. Pure.

Alerts are of the Smart Data Models (dataModel.Alert), whoever wrote them: services of this city,
warnings in CAP, sensors of other platforms. They differ in how they tell that they are over.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from math import cos, radians, sin
from typing import Any, NamedTuple

import orjson
import shapely

from madang.act.incidents.incident import MOST_ABOUT, PREFIX, SEVERITIES, Incident, Words
from madang.model import time
from madang.model.geometry import Bounds, bounds
from madang.model.names import is_uri
from madang.query.distance import METRES_PER_DEGREE, A
from madang.query.geo import matches
from madang.query.tree import Geo
from madang.services.city import Thing
from madang.services.records import Severity

MOST_POSITIONS = 300  # of the place of an incident; larger areas are made simpler
_SURE = 0.99  # the earth is a little flat
_LONGEST_KIND = 100  # characters
_LONGEST = 2_000  # characters of a text
_OVER = frozenset(("closed", "cancelled", "updated", "resolved", "expired"))
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Report(NamedTuple):
    """What an alert says."""

    alert: str
    category: str
    kind: str
    severity: Severity
    title: Words
    text: Words | None
    location: dict[str, Any] | None
    area: Words | str
    about: tuple[str, ...]
    source: str
    until: str
    """When it is over, as a DateTime; empty: it goes on."""


def report(alert: Thing, at: str, is_gone: bool = False) -> Report:
    """Return what an alert says.

    Args:
        alert: the entity.
        at: now.
        is_gone: it was deleted.
    """
    category = _plain(alert["category"]) or "other"
    kind = _plain(alert["subCategory"]) or category
    given = alert["severity"]
    severity: Severity = given if given in SEVERITIES else "informational"
    title = _words(alert["title"]) or _words(alert["name"]) or {"en": kind, "ko": kind}
    about = alert["refersTo"] or alert["alertSource"]
    named = about if isinstance(about, list) else [about]
    return Report(
        alert.id,
        category,
        kind,
        severity,
        title,
        _words(alert["description"]),
        _location(alert),
        _area(alert["areaServed"]),
        tuple(one for one in named if _is_entity(one))[:MOST_ABOUT],
        _plain(alert["alertSource"]),
        at if is_gone else _until(alert, at),
    )


def belongs(incident: Incident, told: Report, at: str, within_s: float, metres: float) -> bool:
    """Tell whether an alert tells of an incident that is known already.

    Args:
        incident: that is not closed.
        told: what the alert says.
        at: now.
        within_s: after which a new alert of the kind is another incident. [s]
        metres: how far apart two alerts of one incident may be.
    """
    if told.alert in incident["alerts"]:
        return True
    if told.kind != incident["kind"]:
        return False
    if time.parse(at) - time.parse(incident["reported"]) > within_s * 1_000_000:
        return False
    if not set(told.about).isdisjoint(incident["about"]):
        return True
    one, other = told.location, incident["location"]
    if one is not None and other is not None:
        if is_far(bounds(one), bounds(other), metres):
            return False
        return matches(Geo("near", orjson.dumps(other).decode(), max_distance=metres), one)
    return one is other and not told.about and not incident["about"]


def is_far(one: Bounds, other: Bounds, metres: float) -> bool:
    """Tell whether two boxes are surely farther apart than so; it costs no geodesic.

    >>> is_far((127.0, 37.5, 127.0, 37.5), (127.1, 37.5, 127.1, 37.5), 8_000)
    True
    """
    limit = metres + 1.0  # what is nearer than a metre is left to the geodesic
    up = max(one[1] - other[3], other[1] - one[3], 0.0)
    if up * METRES_PER_DEGREE > limit:
        return True
    across = max(one[0] - other[2], other[0] - one[2], 0.0)
    across = min(across, 360.0 - across)
    highest = min(max(abs(edge) for edge in (one[1], one[3], other[1], other[3])), 90.0)
    # The straight way between two meridians, at the latitude where they are nearest, is shorter
    # than any way along the earth.
    return 2 * A * sin(radians(across / 2)) * cos(radians(highest)) * _SURE > limit


def id_of(told: Report, at: str) -> str:
    """Return the id of the incident that begins with an alert: the same if it is asked again."""
    seed = f"{told.alert} {at}".encode()
    letters = base64.b32encode(hashlib.sha256(seed).digest()).decode().lower()[:6]
    return f"{PREFIX}{at[:10].replace('-', '')}-{letters}"


def _until(alert: Thing, at: str) -> str:
    over = {str(alert["status"]).lower(), str(alert["alertStatus"]).lower()}
    end, issued = _moment(alert["validTo"]), _moment(alert["dateIssued"])
    if end and issued and time.parse(end) < time.parse(issued):
        end = ""  # it was over, and has been raised anew
    if not over.isdisjoint(_OVER):
        return end if end and time.parse(end) < time.parse(at) else at
    return end


def _moment(value: Any) -> str:
    """Return a time that others wrote as a DateTime; empty if it is none."""
    text = value.get("@value") if isinstance(value, dict) else value
    try:
        found = datetime.fromisoformat(str(text))
        found = found.replace(tzinfo=UTC) if found.tzinfo is None else found
        return time.render((found - _EPOCH) // _MICROSECOND)
    except (ValueError, OverflowError):
        return ""


def _plain(value: Any) -> str:
    return value[:_LONGEST_KIND] if isinstance(value, str) else ""


def _area(value: Any) -> Words | str:
    """Return what a place is called; empty if the alert does not say it in words."""
    return value[:_LONGEST] if isinstance(value, str) else _words(value) or ""


def _words(value: Any) -> Words | None:
    """Return a text in both languages; one that is in neither is taken for both."""
    if isinstance(value, str) and value:
        return {"en": value[:_LONGEST], "ko": value[:_LONGEST]}
    if not isinstance(value, dict):
        return None
    said = {key: one[:_LONGEST] for key, one in value.items() if isinstance(one, str) and one}
    if not said:
        return None
    first = next(iter(said.values()))
    return {"en": said.get("en", first), "ko": said.get("ko", said.get("en", first))}


def _is_entity(id: Any) -> bool:
    return isinstance(id, str) and id.startswith("urn:") and is_uri(id)


def _location(alert: Thing) -> dict[str, Any] | None:
    if alert.attribute("location").get("type") != "GeoProperty":
        return None
    return simpler(alert["location"])


def simpler(geometry: dict[str, Any]) -> dict[str, Any]:
    """Return a place, made simpler if it has very many corners."""
    shape = shapely.from_geojson(orjson.dumps(geometry))
    if shapely.get_num_coordinates(shape) <= MOST_POSITIONS:
        return geometry
    simple = shapely.convex_hull(shape)
    if shapely.get_num_coordinates(simple) > MOST_POSITIONS:
        simple = shapely.envelope(simple)
    found: dict[str, Any] = orjson.loads(shapely.to_geojson(simple))
    return found

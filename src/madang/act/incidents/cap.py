"""An incident as an alert of the Common Alerting Protocol 1.2 (OASIS, CAP-v1.2-os). Pure.

Each change that others should know of is a message of its own: the first an ``Alert``, later ones
an ``Update`` that names those before, the last a ``Cancel``. They are made of the timeline, so the
same incident always gives the same messages.
"""

from __future__ import annotations

from typing import Any, Final, Literal
from xml.etree.ElementTree import Element, SubElement, tostring

import orjson
import shapely

from madang.act.incidents.incident import Incident, Words, datetime_of, number, said

NAMESPACE: Final = "urn:oasis:names:tc:emergency:cap:1.2"
MEDIA_TYPE: Final = "application/cap+xml"
_TOLD: Final = frozenset((
    "opened", "severity", "title", "published", "unpublished", "resolved", "reopened", "closed",
    "mergedInto",
))  # fmt: skip
_SEVERITY: Final = {
    "informational": "Unknown", "low": "Minor", "medium": "Moderate", "high": "Severe",
    "critical": "Extreme",
}  # fmt: skip
_CATEGORY: Final = {
    "naturalDisaster": "Geo", "weather": "Met", "security": "Security", "health": "Health",
    "environment": "Env", "traffic": "Transport", "waterLeak": "Infra", "fire": "Fire",
    "flood": "Met", "streetLight": "Infra", "crossing": "Transport", "careCall": "Health",
}  # fmt: skip
_URGENCY: Final = {"open": "Immediate", "acknowledged": "Immediate"}
_TAGS: Final = {"en": "en-US", "ko": "ko-KR"}
_MOST_REFERENCES: Final = 20
POINT_KM: Final = 0.1
"""Radius around an incident of which only a point is known."""


def cap_of(
    incident: Incident, sender: str, status: Literal["Actual", "Exercise"] = "Actual"
) -> bytes:
    """Return an incident as XML, as it is now.

    Args:
        incident: with its timeline.
        sender: who tells it, without blanks, commas, ``<`` and ``&``.
        status: an exercise is told apart.
    """
    messages = [one["at"] for one in incident["timeline"] if one["what"] in _TOLD]
    messages = messages or [incident["started"]]
    last = len(messages)
    root = Element("alert", {"xmlns": NAMESPACE})
    _add(root, "identifier", _identifier(incident, last))
    _add(root, "sender", sender)
    _add(root, "sent", _moment(messages[-1]))
    _add(root, "status", status)
    _add(root, "msgType", _kind(incident, last))
    if incident["public"]:
        _add(root, "scope", "Public")
    else:
        _add(root, "scope", "Restricted")
        _add(root, "restriction", "For emergency services and those who work with them")
    before = list(enumerate(messages[:-1], start=1))[-_MOST_REFERENCES:]
    if before:
        named = (f"{sender},{_identifier(incident, n)},{_moment(at)}" for n, at in before)
        _add(root, "references", " ".join(named))
    for language in ("ko", "en"):
        _info(root, incident, language, sender)
    body: bytes = tostring(root, "utf-8", xml_declaration=True)
    return body


def sender_of(url: str) -> str:
    """Return how a hub calls itself in CAP, from its address.

    >>> sender_of("https://hub.city.example:8443/madang")
    'hub.city.example'
    """
    host = url.partition("://")[2].partition("/")[0]
    return host.partition(":")[0] if not host.startswith("[") else host.partition("]")[0][1:]


def _identifier(incident: Incident, message: int) -> str:
    return f"{incident['id']}:{message}"


def _kind(incident: Incident, message: int) -> str:
    if incident["status"] in ("resolved", "closed") and message > 1:
        return "Cancel"
    return "Alert" if message == 1 else "Update"


def _info(root: Element, incident: Incident, language: str, sender: str) -> None:
    info = SubElement(root, "info")
    words, text = incident["title"], incident["text"]
    if incident["public"]:  # what alerts say may name somebody
        words, text = incident["public_title"] or words, _last_public(incident)
    _add(info, "language", _TAGS[language])
    _add(info, "category", _CATEGORY.get(incident["category"], "Other"))
    _add(info, "event", incident["kind"])
    _add(info, "urgency", _URGENCY.get(incident["status"], "Past"))
    _add(info, "severity", _SEVERITY[incident["severity"]])
    _add(info, "certainty", "Observed")
    _add(info, "onset", _moment(incident["started"]))
    _add(info, "senderName", sender)
    _add(info, "headline", said(words, language)[:160])
    if text is not None:
        _add(info, "description", said(text, language))
    _add(_parameter(info, "status"), "value", incident["status"])
    _add(_parameter(info, "reports"), "value", str(incident["reports"]))
    area = SubElement(info, "area")
    _add(area, "areaDesc", said(incident["area"], language) or _described(incident))
    for name, value in _shapes(incident["location"]):
        _add(area, name, value)


def _last_public(incident: Incident) -> Words | None:
    """Return the last note that is for everybody."""
    notes = (one["text"] for one in reversed(incident["timeline"]) if one.get("public"))
    return next(notes, None)


def _parameter(info: Element, name: str) -> Element:
    found = SubElement(info, "parameter")
    _add(found, "valueName", f"madang.{name}")
    return found


def _described(incident: Incident) -> str:
    if incident["location"] is None:
        return number(incident["id"])  # CAP wants some description, and nothing is known
    middle = shapely.from_geojson(orjson.dumps(incident["location"])).centroid
    return f"{middle.y:.5f}, {middle.x:.5f}"


def _shapes(geometry: dict[str, Any] | None) -> list[tuple[str, str]]:
    """Return a geometry as polygons and circles of CAP: latitude first, rings closed."""
    if geometry is None:
        return []
    shape = shapely.from_geojson(orjson.dumps(geometry))
    parts = [part for one in shapely.get_parts([shape]) for part in shapely.get_parts(one)]
    found: list[tuple[str, str]] = []
    for part in parts:
        if part.geom_type == "Polygon":
            found.append(("polygon", _ring(part)))
        elif part.geom_type == "Point":
            found.append(("circle", f"{part.y:.6f},{part.x:.6f} {POINT_KM:g}"))
        else:
            hull = shapely.convex_hull(shapely.buffer(part, POINT_KM / 111.195))
            found.append(("polygon", _ring(hull)))
    return found


def _ring(polygon: Any) -> str:
    return " ".join(f"{place[1]:.6f},{place[0]:.6f}" for place in polygon.exterior.coords)


def _moment(at: str) -> str:
    """Return a DateTime as CAP writes it: with seconds and an offset, never ``Z``.

    >>> _moment("2026-11-21T14:02:00Z")
    '2026-11-21T14:02:00-00:00'
    """
    return f"{datetime_of(at):%Y-%m-%dT%H:%M:%S}-00:00"


def _add(parent: Element, name: str, text: str) -> None:
    SubElement(parent, name).text = _clean(text)


def _clean(text: str) -> str:
    """Leave out what XML 1.0 cannot hold."""
    return "".join(char for char in text if char in "\t\n\r" or " " <= char < "\ufffe")

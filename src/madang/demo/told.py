"""Entities of the demo as NGSI-LD: every one says that it is generated."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

Entity = dict[str, Any]


def stamp(at: datetime) -> str:
    """Return a DateTime of NGSI-LD, to the millisecond."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def value(content: Any, unit: str | None = None, at: datetime | None = None) -> Entity:
    """Return a Property."""
    found: Entity = {"type": "Property", "value": content}
    if unit is not None:
        found["unitCode"] = unit
    if at is not None:
        found["observedAt"] = stamp(at)
    return found


def words(korean: str, english: str) -> Entity:
    """Return a LanguageProperty."""
    return {"type": "LanguageProperty", "languageMap": {"ko": korean, "en": english}}


def where(geometry: dict[str, Any], at: datetime | None = None) -> Entity:
    """Return a GeoProperty."""
    found: Entity = {"type": "GeoProperty", "value": geometry}
    return found if at is None else found | {"observedAt": stamp(at)}


def link(target: str) -> Entity:
    """Return a Relationship."""
    return {"type": "Relationship", "object": target}


def id_of(type_: str, key: object) -> str:
    """Return the id of an entity of the demo."""
    return f"urn:ngsi-ld:{type_}:demo:{key}"


def entity(type_: str, key: object, /, **attributes: Any) -> Entity:
    """Return an entity; what is no attribute yet becomes a Property."""
    found: Entity = {"id": id_of(type_, key), "type": type_}
    for attribute, content in attributes.items():
        is_whole = isinstance(content, dict) and "type" in content
        found[attribute] = content if is_whole else value(content)
    return found | {"source": value("generated")}

"""The past of an entity as clients send it: attribute instances, as many of one name as there were.

An instance whose value is NGSI-LD Null says that the attribute was deleted then.
Source: ETSI GS CIM 009 clauses 4.5.6, 4.5.7 (temporal representation), 4.18 (scope), 5.5.4 (where
NGSI-LD Null may stand), 5.6.11, 5.6.12, 5.6.14.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from madang.model.attributes import (
    NULL,
    SPATIAL,
    SYSTEM_MEMBERS,
    TYPE_OF_MEMBER,
    VALUE_MEMBER,
    VALUE_MEMBERS,
)
from madang.model.context import CORE, Context
from madang.model.entity import Attribute
from madang.model.errors import BadRequestData
from madang.model.evolution import SCOPE
from madang.model.instance import Json, Reader, is_instance
from madang.model.names import shown
from madang.model.normalize import entity
from madang.model.time import checked, parse


class Given(NamedTuple):
    """One attribute instance that a client tells of."""

    attribute: str
    kind: str
    """Type of attribute, or :data:`madang.model.evolution.SCOPE`."""
    instance: Attribute
    """In document form; without its value member where ``deleted``."""
    deleted: bool


class Evolution(NamedTuple):
    """What a client tells of the past of an entity."""

    id: str | None
    """None in a fragment that does not say."""
    types: tuple[str, ...]
    given: list[Given]


def evolution(
    raw: object, names: Context, *, entity_id: str | None = None, fragment: bool = False
) -> Evolution:
    """Return the temporal representation of an entity, checked.

    Args:
        raw: the entity as JSON gives it.
        names: the @context of the request.
        entity_id: the id that the request is about; the entity's own one must agree.
        fragment: ``id`` and ``type`` may be missing.

    Raises:
        BadRequestData: it breaks the data model, or tells nothing.
    """
    if type(raw) is not dict:
        raise BadRequestData(f"an entity must be a JSON object, not {shown(raw)}")
    head = {member: raw[member] for member in _HEAD if member in raw}
    document = entity(head, names, entity_id=entity_id, fragment=fragment).document
    reader = Reader(names, {})
    given: list[Given] = []
    seen: set[str] = set()
    for member, value in raw.items():
        if member in _HEAD or member == "@context":
            continue
        name = reader.term(member)
        if name in seen:
            raise BadRequestData(f"{name} is given twice, under two names that mean the same")
        seen.add(name)
        given += _scopes(value) if name == "scope" else _attribute(reader, name, value)
    if not given:
        raise BadRequestData(
            "the body tells of no attribute; give at least one instance, such as "
            '"speed": [{"type": "Property", "value": 50, "observedAt": "2026-01-31T12:00:00Z"}]'
        )
    types = document.get("type", ())
    return Evolution(
        document.get("id"), (types,) if type(types) is str else tuple(types), _each_once(given)
    )


def part(raw: object, name: str, names: Context) -> Attribute:
    """Return the members that are to change of one attribute instance (clause 5.6.14).

    Args:
        raw: the fragment as JSON gives it.
        name: canonical name of the attribute.
        names: the @context of the request.

    Raises:
        BadRequestData: it breaks the data model, or changes nothing.
    """
    if type(raw) is not dict:
        raise BadRequestData(f"the attribute instance must be a JSON object, not {shown(raw)}")
    fragment = {member: value for member, value in raw.items() if member != "@context"}
    if name == "scope":
        return _scope(fragment).instance
    found = Reader(names, {}).part(name, fragment) if fragment else {}
    if not found.keys() - {"type", "datasetId"}:
        raise BadRequestData(f"the fragment of {name} changes nothing; give it a value, say")
    return found


def _each_once(given: list[Given]) -> list[Given]:
    """Of instances of one attribute and datasetId with the same time, leave the last (5.6.11)."""
    found: dict[object, Given] = {}
    for place, one in enumerate(given):
        at = one.instance.get("observedAt")
        same = (one.attribute, one.instance.get("datasetId"), None if at is None else parse(at))
        found[place if at is None else same] = one
    return list(found.values())


def _attribute(reader: Reader, name: str, raw: Any) -> list[Given]:
    if type(raw) is not list:
        return [_one(reader, name, raw)]
    if any(map(is_instance, raw)):
        if not all(map(is_instance, raw)):
            raise BadRequestData(f"{name} mixes attribute instances with other values")
        return [_one(reader, name, item) for item in raw]
    # An empty array is how an answer says that it has no instance.
    return [_one(reader, name, raw)] if raw else []


def _one(reader: Reader, name: str, raw: Any) -> Given:
    gone = _deletion(name, raw) if type(raw) is dict else None
    found = reader.attribute(name, raw) if gone is None else reader.part(name, gone)
    assert type(found) is dict  # a list makes several, and is taken apart before
    kind = found["type"]
    if name in SPATIAL and kind != "GeoProperty":
        raise BadRequestData(f"{name} must be a GeoProperty (clause 4.7.1)")
    return Given(name, kind, found, gone is not None)


def _deletion(name: str, raw: Json) -> Json | None:
    """Return an instance without its value, if that is NGSI-LD Null."""
    member = next((member for member in raw if member in VALUE_MEMBERS), None)
    if member is None or not _is_null(raw[member]):
        return None
    kind = raw.get("type", raw.get("@type", TYPE_OF_MEMBER[member]))
    if type(kind) is str and VALUE_MEMBER.get(kind, member) != member:
        raise BadRequestData(f"{name} is a {kind}; it cannot have the member {member}")
    rest = {other: value for other, value in raw.items() if other not in (member, "@type")}
    return {**rest, "type": kind}


def _is_null(value: object) -> bool:
    if type(value) is dict:
        return len(value) == 1 and value.get("@none") == NULL
    return value == NULL


def _scopes(raw: Any) -> list[Given]:
    """Return the scopes of a temporal representation: paths, or Property instances of them."""
    items = raw if type(raw) is list else [raw]
    if items and any(type(item) is dict for item in items):
        return [_scope(item) for item in items]
    return [_scope({"type": "Property", "value": raw})]


def _scope(raw: Any) -> Given:
    if type(raw) is not dict or raw.get("type", "Property") != "Property" or "value" not in raw:
        raise BadRequestData(
            "scope must be paths such as /Madrid/Centro, or Property instances whose values are, "
            f"not {shown(raw)}"
        )
    unknown = raw.keys() - {"type", "value", "observedAt"} - SYSTEM_MEMBERS
    if unknown:
        raise BadRequestData(f"an instance of scope has no member {shown(min(unknown))}")
    instance: Attribute = {}
    if "observedAt" in raw:
        instance["observedAt"] = checked(raw["observedAt"], "scope.observedAt")
    if raw["value"] == [] or raw["value"] == NULL:
        return Given("scope", SCOPE, instance, True)
    instance["value"] = entity({"scope": raw["value"]}, CORE, fragment=True).document["scope"]
    return Given("scope", SCOPE, instance, False)


_HEAD = (
    "id", "type", "@id", "@type", "expiresAt", "createdAt", "modifiedAt", "deletedAt",
)  # fmt: skip

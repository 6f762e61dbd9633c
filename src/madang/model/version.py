"""Older versions of NGSI-LD: what a reader of one is served instead of what it cannot know. Pure.

Source: ETSI GS CIM 009 clause 4.3.6.8 (fallbacks), 6.3.6 (Prefer).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from madang.model.attributes import MEMBERS, VALUE_MEMBER
from madang.model.representation import Body

Version = tuple[int, int]

OWN: Final[Version] = (1, 9)

_TYPE_SINCE: Final[dict[str, Version]] = {
    "LanguageProperty": (1, 4),
    "VocabProperty": (1, 8),
    "JsonProperty": (1, 8),
    "ListProperty": (1, 8),
    "ListRelationship": (1, 8),
}
_MEMBER_SINCE: Final[dict[str, Version]] = {
    "datasetId": (1, 3),
    "observedAt": (1, 3),
    "unitCode": (1, 3),
    "objectType": (1, 8),
    "valueType": (1, 9),
    "expiresAt": (1, 9),
}
_ENTITY_MEMBER_SINCE: Final[dict[str, Version]] = {"scope": (1, 4), "expiresAt": (1, 9)}
_MANY_SINCE: Final[Version] = (1, 3)
"""When several types of an entity and several instances of an attribute came in."""
_ENTITY_OWN: Final = frozenset(
    {"id", "type", "scope", "@context", "createdAt", "modifiedAt", "deletedAt", "expiresAt"}
)


def downgrade(body: Body, version: Version) -> Body:
    """Return a normalized entity as that version knows it; the same object if it already is."""
    if version >= OWN:
        return body
    gone = {name for name, since in _ENTITY_MEMBER_SINCE.items() if version < since}
    return _each(body, lambda name, value: _member(name, value, version, gone))


_DROP: Final = object()


def _each(body: dict[str, Any], change: Callable[[str, Any], Any]) -> dict[str, Any]:
    """Return the members as changed, without those that are dropped; the same object if none is."""
    new = {name: change(name, value) for name, value in body.items()}
    if all(new[name] is body[name] for name in body):
        return body
    return {name: value for name, value in new.items() if value is not _DROP}


def _member(name: str, value: Any, version: Version, gone: set[str]) -> Any:
    if name in gone:
        return _DROP
    if name in _ENTITY_OWN:
        single = name == "type" and type(value) is list and version < _MANY_SINCE
        return value[0] if single else value
    return _attribute(value, version)


def _attribute(value: Any, version: Version) -> Any:
    if type(value) is dict:
        return _instance(value, version)
    if type(value) is not list:
        return value
    if version < _MANY_SINCE:
        default = next((one for one in value if "datasetId" not in one), value[0])
        return _instance(default, version)
    new = [_instance(one, version) for one in value]
    return value if all(a is b for a, b in zip(new, value, strict=True)) else new


def _instance(instance: Any, version: Version) -> Any:
    if type(instance) is not dict:
        return instance
    kind = instance.get("type", "")
    if version < _TYPE_SINCE.get(kind, version):
        plain, member = ("Relationship", "object") if "Rel" in kind else ("Property", "value")
        own = VALUE_MEMBER[kind]
        instance = {
            (member if name == own else name): (plain if name == "type" else value)
            for name, value in instance.items()
        }
        if kind == "ListRelationship":
            instance[member] = [one["object"] for one in instance[member]]
    return _each(instance, lambda name, value: _part(name, value, version))


def _part(name: str, value: Any, version: Version) -> Any:
    if version < _MEMBER_SINCE.get(name, version):
        return _DROP
    if name == "entity":
        return downgrade(value, version)
    if name == "entityList":
        new = [downgrade(one, version) for one in value]
        return value if all(a is b for a, b in zip(new, value, strict=True)) else new
    return value if name in MEMBERS else _attribute(value, version)

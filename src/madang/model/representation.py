"""Entities as clients see them: normalized, concise or simplified, in the words of their @context.

What is returned shares its unchanged parts with the document, so it is for reading only; its top
level is always a new ``dict``.
Source: ETSI GS CIM 009 clauses 4.5.1 to 4.5.5, 4.5.17 to 4.5.24, 4.21, 4.22, 5.2.4.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from madang.model import time
from madang.model.attributes import ENTITY_MEMBERS, LINKS, MEMBERS, VALUE_MEMBER
from madang.model.context import Context
from madang.model.entity import Attribute, Entity, Stamp, path_of
from madang.model.geometry import is_geometry
from madang.model.language import in_language
from madang.model.view import PLAIN, View

Body = dict[str, Any]

Follow = Callable[[str, str], Body | None]
"""Returns what a relationship (by canonical name) links to, or None to leave the URI as it is."""

_SYSTEM_TIMES = ("createdAt", "modifiedAt", "expiresAt")
_TERM_MEMBERS = frozenset({"vocab", "objectType", "entityTypeSealed"})
_UNCHANGED = MEMBERS - _TERM_MEMBERS
"""An instance with no other members than these reads the same in every @context."""
_FLAT = frozenset({"Property", "GeoProperty", "Relationship", "ListProperty"})


def is_identity(view: View, names: Context) -> bool:
    """Tell whether rendering changes nothing, so that stored bytes can be served as they are."""
    return names.is_core_only and (view is PLAIN or view == PLAIN)


def render(entity: Entity, view: View, names: Context) -> Body | None:
    """Return an entity as a client sees it; None if the view leaves nothing of it."""
    return renderer(view, names).entity(entity)


@lru_cache(maxsize=512)  # not more: each entry keeps an @context in memory
def renderer(view: View, names: Context) -> Renderer:
    """Return the compiled form of a view; get it once for all entities of an answer."""
    return Renderer(view, names)


class Renderer:
    """A view made ready for use with one @context."""

    __slots__ = (
        "_compact",
        "_compact_value",
        "_datasets",
        "_direct",
        "_keeps",
        "_lang",
        "_shape",
        "_sys",
        "_view",
    )

    def __init__(self, view: View, names: Context) -> None:
        self._view = view
        self._compact = names.compact
        self._compact_value = names.compact_value
        self._datasets = view.datasets
        self._lang = view.lang
        self._sys = view.sys_attrs
        self._direct = view.format == "normalized" and not view.sys_attrs and view.lang is None
        whole = not view.attrs and view.pick is None and view.omit is None
        self._keeps: Callable[[str], bool] | None = None if whole else _member_filter(view)
        self._shape: Callable[..., Any] = {
            "normalized": self._normalized_attribute,
            "concise": self._concise_attribute,
            "simplified": self._simplified_attribute,
        }[view.format]

    def entity(self, entity: Entity, follow: Follow | None = None) -> Body | None:
        """Return the body for one entity; ``follow`` puts linked entities into it."""
        document = entity.document
        if self._view.attrs and self._view.attrs.isdisjoint(document):
            return None
        keeps, compact, shape, datasets = self._keeps, self._compact, self._shape, self._datasets
        direct = self._direct and follow is None
        body: Body = {}
        for name, value in document.items():
            if keeps is not None and not keeps(name):
                continue
            if name in ENTITY_MEMBERS:
                body[name] = _terms(value, compact) if name == "type" else value
                if name == "type" and self._sys:
                    self._add_times(body, entity)
                continue
            if datasets:
                value = self._selected(value)
                if value is None:
                    continue
            if direct and type(value) is dict and value.keys() <= _UNCHANGED:
                body[compact(name)] = value
            else:
                body[compact(name)] = shape(name, value, entity, "", None, follow)
        if self._sys and "type" not in body:
            self._add_times(body, entity)
        return body or None

    def _selected(self, value: Attribute | list[Attribute]) -> Attribute | list[Attribute] | None:
        instances = value if type(value) is list else [value]
        kept = [one for one in instances if one.get("datasetId", "@none") in self._datasets]  # type: ignore[union-attr]
        if not kept:
            return None
        return kept[0] if len(kept) == 1 else kept  # type: ignore[return-value]

    def _add_times(self, body: Body, entity: Entity) -> None:
        instants = (entity.created, entity.modified, entity.expires)
        for member, instant in zip(_SYSTEM_TIMES, instants, strict=True):
            if instant is not None and (self._keeps is None or self._keeps(member)):
                body[member] = time.render(instant)

    # --- normalized ---------------------------------------------------------------------------

    def _normalized_attribute(
        self,
        name: str,
        value: Attribute | list[Attribute],
        entity: Entity,
        parent: str,
        stamp: Stamp | None,
        follow: Follow | None,
    ) -> Any:
        if type(value) is list:
            return [self._instance(name, one, entity, parent, stamp, follow) for one in value]
        return self._instance(name, value, entity, parent, stamp, follow)  # type: ignore[arg-type]

    def _instance(
        self,
        name: str,
        instance: Attribute,
        entity: Entity,
        parent: str,
        parent_stamp: Stamp | None,
        follow: Follow | None,
    ) -> Attribute:
        kind = instance["type"]
        if self._lang is not None and kind == "LanguageProperty":
            instance = _translated(instance, self._lang)
        path, stamp = "", None
        if self._sys:
            path = path_of(name, instance, parent)
            stamp = entity.stamp(path, parent_stamp)
        if not instance.keys() <= MEMBERS:
            instance = self._with_subs(instance, entity, path, stamp)
        if not _TERM_MEMBERS.isdisjoint(instance):
            instance = self._with_terms(instance)
        if stamp is not None:
            instance = {**instance, **_times(stamp)}
        if follow is not None and kind in LINKS:
            instance = _joined(name, instance, follow)
        return instance

    def _with_subs(
        self, instance: Attribute, entity: Entity, path: str, stamp: Stamp | None
    ) -> Attribute:
        compact, shape = self._compact, self._shape
        return {
            member if member in MEMBERS else compact(member): (
                value if member in MEMBERS else shape(member, value, entity, path, stamp, None)
            )
            for member, value in instance.items()
        }

    def _with_terms(self, instance: Attribute) -> Attribute:
        new = dict(instance)
        for member in _TERM_MEMBERS & instance.keys():
            new[member] = _terms(
                instance[member], self._compact_value if member == "vocab" else self._compact
            )
        return new

    # --- concise ------------------------------------------------------------------------------

    def _concise_attribute(
        self,
        name: str,
        value: Attribute | list[Attribute],
        entity: Entity,
        parent: str,
        stamp: Stamp | None,
        follow: Follow | None,
    ) -> Any:
        if type(value) is list:
            return [
                _brief(self._instance(name, one, entity, parent, stamp, follow), alone=False)
                for one in value
            ]
        whole = self._instance(name, value, entity, parent, stamp, follow)  # type: ignore[arg-type]
        return _brief(whole, alone=True)

    # --- simplified ---------------------------------------------------------------------------

    def _simplified_attribute(
        self,
        name: str,
        value: Attribute | list[Attribute],
        entity: Entity,
        parent: str,
        stamp: Stamp | None,
        follow: Follow | None,
    ) -> Any:
        if type(value) is not list:
            return self._simple(name, value, follow)  # type: ignore[arg-type]
        return {
            "dataset": {
                one.get("datasetId", "@none"): self._simple(name, one, follow) for one in value
            }
        }

    def _simple(self, name: str, instance: Attribute, follow: Follow | None) -> Any:
        kind = instance["type"]
        value = instance[VALUE_MEMBER[kind]]
        if kind in LINKS:
            plain = value if kind == "Relationship" else _uris(value)
            return plain if follow is None else _replaced(name, plain, follow)
        if kind in _FLAT:
            return value
        if kind == "VocabProperty":
            return {"vocab": _terms(value, self._compact_value)}
        if kind == "LanguageProperty" and self._lang is not None:
            return in_language(value, self._lang)[1]
        return {VALUE_MEMBER[kind]: value}


def _terms(value: Any, compact: Callable[[str], str]) -> Any:
    """Return one term, or a list of them, in the words of an @context."""
    if type(value) is str:
        return compact(value)
    return [_terms(one, compact) for one in value] if type(value) is list else value


def _member_filter(view: View) -> Callable[[str], bool]:
    """Return a test for the members of an entity, its own as well as attributes."""
    attrs = view.attrs and view.attrs | ENTITY_MEMBERS | set(_SYSTEM_TIMES)
    pick = None if view.pick is None else view.pick.members
    omit = frozenset() if view.omit is None else view.omit.leaves
    if attrs:
        return attrs.__contains__
    if pick is None:
        return lambda name: name not in omit
    return (pick - omit).__contains__


def _times(stamp: Stamp) -> dict[str, str]:
    times = {"createdAt": time.render(stamp.created), "modifiedAt": time.render(stamp.modified)}
    if stamp.expires is not None:
        times["expiresAt"] = time.render(stamp.expires)
    return times


def _translated(instance: Attribute, wanted: str) -> Attribute:
    """Turn a LanguageProperty into the Property that a language filter makes of it."""
    tag, text = in_language(instance["languageMap"], wanted)
    rest = {
        member: value
        for member, value in instance.items()
        if member not in ("type", "languageMap", "valueType")
    }
    return {"type": "Property", "value": text, "lang": tag, **rest}


def _brief(instance: Attribute, alone: bool) -> Any:
    """Leave out of an instance what a reader can infer (clause 4.5.3, concise)."""
    kind = instance["type"]
    if kind in ("Property", "GeoProperty"):
        value = instance["value"]
        geometry = is_geometry(value)
        if geometry != (kind == "GeoProperty"):
            return instance
        if alone and len(instance) == 2 and (geometry or not _is_composite(value)):
            return value
    return {member: value for member, value in instance.items() if member != "type"}


def _is_composite(value: Any) -> bool:
    """Tell whether a bare value would read like an attribute, or like several instances of one."""
    return type(value) is dict or (type(value) is list and any(type(one) is dict for one in value))


def _uris(targets: Any) -> Any:
    """Return the URIs of an ``objectList``, whose items may be ``{"object": URI}``."""
    if type(targets) is not list:
        return targets
    return [one["object"] if type(one) is dict else one for one in targets]


def _replaced(name: str, targets: Any, follow: Follow) -> Any:
    if type(targets) is list:
        return [_replaced(name, one, follow) for one in targets]
    linked = follow(name, targets)
    return targets if linked is None else linked


def _joined(name: str, instance: Attribute, follow: Follow) -> Attribute:
    """Add what a relationship links to (clause 4.5.23.2, inline)."""
    targets = links(instance)
    linked = [body for target in targets if (body := follow(name, target)) is not None]
    if not linked:
        return instance
    if type(instance.get("object")) is str:
        return {**instance, "entity": linked[0]}
    return {**instance, "entityList": linked}


def links(instance: Attribute) -> list[str]:
    """Return the URIs that a Relationship or ListRelationship instance points at."""
    value = instance[VALUE_MEMBER[instance["type"]]]
    if type(value) is str:
        return [value]
    return [target for target in _uris(value) if type(target) is str]

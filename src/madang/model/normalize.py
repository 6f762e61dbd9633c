"""Client JSON to documents: what is sent, checked and brought into the one form Madang keeps.

Sensors send the same thing over and over, so the work is cut to what can differ: the layout of an
entity (its member names) is worked out once, an attribute whose members are the usual ones is
checked in place, and everything else takes the general way in :mod:`madang.model.instance`.
Source: ETSI GS CIM 009 clauses 4.5.1 to 4.5.5, 4.18, 4.22, 5.5.4.
"""

from __future__ import annotations

import re
from itertools import combinations, permutations, product
from typing import Any, NamedTuple

from madang.model import time, values
from madang.model.attributes import NULL, PROOF, RESERVED, SPATIAL, UNTYPED, VALUE_MEMBER
from madang.model.context import Context
from madang.model.entity import Attribute, Document
from madang.model.errors import BadRequestData
from madang.model.geometry import is_position
from madang.model.instance import Expires, Json, Reader
from madang.model.names import is_uri, shown
from madang.model.shape import Shape, geometries_of

MOST_MEMBERS = 10_000
"""Of an entity in one request: reading more would hold up all others."""


class Normalized(NamedTuple):
    """A client's entity, or a fragment of one, in the form described in :mod:`madang.model`.

    In a fragment ``id`` and ``type`` may be absent. Where NGSI-LD Null deletes something, an
    instance has the ``type`` NULL (and its ``datasetId``), a member or ``scope`` the value NULL.
    An instance of a merge or of a partial update may lack its ``type`` and its value member.
    """

    document: Document
    expires: Expires
    """``expiresAt`` by path (see :mod:`madang.model.entity`), '' for the entity itself."""
    shape: Shape
    geometries: tuple[str, ...]
    """Names of the attributes that are GeoProperties."""
    names: tuple[str, ...]
    """Names of all attributes."""


class Mode(NamedTuple):
    """How a request's input is to be read; see :func:`entity`."""

    fragment: bool = False
    nulls: bool = False
    merge: bool = False
    simplified: bool = False


def entity(
    raw: object,
    names: Context,
    *,
    entity_id: str | None = None,
    fragment: bool = False,
    nulls: bool = False,
    merge: bool = False,
    simplified: bool = False,
) -> Normalized:
    """Return an entity in document form. The caller gives ``raw`` away: it becomes the document.

    Args:
        raw: the entity as JSON gives it.
        names: the @context of the request.
        entity_id: the id that the request is about; the entity's own one must agree.
        fragment: ``id`` and ``type`` may be missing (updates).
        nulls: NGSI-LD Null may delete attributes and scope (Update Attributes).
        merge: it may delete within values too, and instances may be incomplete (Merge Entity);
            implies the two above.
        simplified: values stand alone, without their types (clause 4.5.4).

    Raises:
        BadRequestData: it breaks the data model.
    """
    if type(raw) is not dict:
        raise BadRequestData(f"an entity must be a JSON object, not {shown(raw)}")
    layout = _LAYOUTS.get((id(names), *raw))
    if layout is None:
        layout = _layout(raw, names)
    mode = _MODES[fragment, nulls, merge, simplified]
    if layout.extras:
        return _with_extras(raw, names, entity_id, mode)
    if not layout.whole and not mode.fragment:
        layout = _completed(raw, names, entity_id)
    if "id" in raw:
        uri = raw["id"]
        if type(uri) is not str or uri == NULL or not is_uri(uri):
            raise BadRequestData(f"id must be a URI such as urn:ngsi-ld:Sensor:1, not {shown(uri)}")
        if entity_id is not None and uri != entity_id:
            raise BadRequestData(f"id is {shown(uri)}, but the request is about {entity_id}")
    return _read(raw, names, layout, mode)


def attribute(raw: object, name: str, names: Context, *, partial: bool = False) -> Normalized:
    """Return the body of a request about one attribute; its document holds just that attribute.

    Args:
        raw: the attribute as JSON gives it, given away by the caller.
        name: the attribute's canonical name.
        names: the @context of the request.
        partial: only the given members change, and NGSI-LD Null deletes (Partial Attribute Update);
            otherwise it is a whole attribute instance (Replace Attribute).

    Raises:
        BadRequestData: it breaks the data model, or is about a member that is no attribute.
    """
    if name == "scope" or name in RESERVED:
        raise BadRequestData(f"{name} is no attribute; it cannot be updated as one")
    if type(raw) is not dict:
        raise BadRequestData(f"the attribute {name} must be a JSON object, not {shown(raw)}")
    raw.pop("@context", None)
    if not raw:
        raise BadRequestData(f"the fragment of {name} is empty; it must have members to change")
    expires: Expires = {}
    reader = Reader(names, expires, nulls=partial)
    instance = reader.part(name, raw) if partial else reader.attribute(name, raw)
    kind = _kind(instance)
    _check_spatial(name, (kind,))
    shape: Shape = ((), ((name, kind or UNTYPED),))
    return Normalized({name: instance}, expires, shape, geometries_of(shape), (name,))


class _Layout:
    """What the member names of an entity mean under one @context."""

    __slots__ = ("attributes", "canonical", "extras", "members", "owner", "plans", "whole")

    def __init__(self, raw: Json, names: Context) -> None:
        self.owner = names  # kept, so that its id() in the key stays its own
        self.extras = not _EXTRAS.isdisjoint(raw)
        self.whole = "id" in raw and "type" in raw
        self.members: list[str | None] = []
        if not self.extras:
            self.members = [None if term in _HEAD else _term(term, names) for term in raw]
        self.attributes = tuple(name for name in self.members if name is not None)
        if len(set(self.attributes)) < len(self.attributes):
            raise BadRequestData("an attribute is given twice, under two names that mean the same")
        self.canonical = (
            all(name is None or name == term for name, term in zip(self.members, raw, strict=True))
            if self.members
            else not self.extras
        )
        self.plans = {} if PROOF in self.attributes else _PLANS


class _Kinds(NamedTuple):
    """What the types of an entity and of its attributes come to."""

    type: Any
    shape: Shape
    geometries: tuple[str, ...]


def _read(raw: Json, names: Context, layout: _Layout, mode: Mode) -> Normalized:
    """Check every attribute, in place where it is of the usual kind.

    Every line of the loop runs 300,000 times a second under full load; hence its length and form.
    """
    canonical = layout.canonical
    document = raw if canonical else {name: raw[name] for name in _HEAD if name in raw}
    usual = _NO_PLANS if mode.simplified else layout.plans
    expires: Expires = {}
    kinds: list[Any] = [layout, raw.get("type", _ABSENT)]
    reader = None
    seen = None  # the last observedAt found good: the attributes of one message often share it
    for name, instance in zip(layout.members, raw.values()):  # noqa: B905 - of one length
        if name is None:
            continue
        plan = 0
        if type(instance) is dict:
            plans = usual.get(tuple(instance))
            if plans is not None:
                kind = instance["type"]
                if type(kind) is str:
                    plan = plans.get(kind, 0)
            if plan & _PROPERTY:
                value = instance["value"]
                what = type(value)
                if what is str:
                    if value == NULL:
                        plan = 0
                elif what is float:
                    if value - value != 0.0:
                        plan = 0
                elif what is not int and what is not bool:
                    values.check(value, name, mode.merge)
            elif plan & _RELATIONSHIP:
                value = instance["object"]
                if type(value) is not str or value == NULL or not is_uri(value):
                    plan = 0
            elif plan:
                value = instance["value"]
                if (
                    type(value) is not dict
                    or len(value) != 2
                    or value.get("type") != "Point"
                    or not is_position(value.get("coordinates"))
                ):
                    plan = 0
            if plan & _OBSERVED and instance["observedAt"] != seen:
                seen = instance["observedAt"]
                if seen == NULL:
                    plan = 0
                else:
                    time.checked(seen, f"{name}.observedAt")
            if plan & _UNIT:
                value = instance["unitCode"]
                if type(value) is not str or value == NULL:
                    plan = 0
        if not plan:
            if reader is None:
                reader = Reader(names, expires, mode.nulls, mode.merge, mode.simplified)
            instance = reader.attribute(name, instance)
            kind = _kind(instance)
            if canonical:
                document[name] = instance  # no new key, so the loop may go on
        if not canonical:
            document[name] = instance
        kinds.append(kind)
    try:
        found = _KINDS.get(tuple(kinds))
    except TypeError:  # several types, in a list
        found = None
    if found is None:
        found = _kinds(layout, names, kinds)
    if found.type is not None:
        document["type"] = found.type
    # Its own __new__ would cost more than the checks of an attribute.
    made = (document, expires, found.shape, found.geometries, layout.attributes)
    return tuple.__new__(Normalized, made)


def _kind(instance: Attribute | list[Attribute]) -> Any:
    """Return the type of an attribute: of a list, the types of its instances."""
    if type(instance) is list:
        return tuple([one.get("type") for one in instance])
    return instance.get("type")  # type: ignore[union-attr]


def _completed(raw: Json, names: Context, entity_id: str | None) -> _Layout:
    """Give a whole entity the id of its request, if it has none; it must have a type."""
    if "type" not in raw:
        raise BadRequestData("an entity needs the member type, a name or an array of names")
    if "id" not in raw:
        if entity_id is None:
            raise BadRequestData("an entity needs the member id, a URI")
        raw["id"] = entity_id
    return _layout(raw, names)


def _with_extras(raw: Json, names: Context, entity_id: str | None, mode: Mode) -> Normalized:
    """Read an entity that has members beside ``id``, ``type`` and attributes."""
    for term in _IGNORED:
        raw.pop(term, None)
    for alias in ("@id", "@type"):
        if alias in raw:
            if alias[1:] in raw:
                raise BadRequestData(f"an entity cannot have both {alias[1:]} and {alias}")
            raw[alias[1:]] = raw.pop(alias)
    scope = _scope(raw.pop("scope"), mode.nulls) if "scope" in raw else None
    expires = _entity_expiry(raw.pop("expiresAt"), mode.nulls) if "expiresAt" in raw else ()
    found = entity(raw, names, entity_id=entity_id, **mode._asdict())
    if scope is not None:
        found.document["scope"] = scope
    if expires:
        found.expires[""] = expires[0]
    return found


def _scope(value: object, nulls: bool) -> str | list[str]:
    """Return a scope, checked (clause 4.18)."""
    if value == NULL and nulls:
        return NULL
    scopes = value if type(value) is list else [value]
    for scope in scopes:
        if type(scope) is not str or not _SCOPE.fullmatch(scope):
            raise BadRequestData(
                "scope must be a path such as /Madrid/Centro (every level a letter, then letters, "
                f"digits and _) or an array of them, not {shown(scope)}"
            )
    if not scopes:
        raise BadRequestData("scope is an empty array; leave it out, or give at least one path")
    return value  # type: ignore[return-value]


def _entity_expiry(value: object, nulls: bool) -> tuple[int | None]:
    if value == NULL and nulls:
        return (None,)
    return (time.parse(time.checked(value, "expiresAt")),)


def _layout(raw: Json, names: Context) -> _Layout:
    key = (id(names), *raw)
    layout = _LAYOUTS.get(key)
    if layout is None:
        if len(raw) > MOST_MEMBERS:
            raise BadRequestData(f"an entity may have {MOST_MEMBERS:,} attributes at most")
        layout = _Layout(raw, names)
        if len(raw) <= 64 and sum(map(len, raw)) <= 4096:  # strangers cannot make it hold much
            if len(_LAYOUTS) >= _MOST_LAYOUTS:
                _LAYOUTS.clear()
                _KINDS.clear()
            _LAYOUTS[key] = layout
    return layout


def _term(term: str, names: Context) -> str:
    """Return the canonical name of an attribute of an entity."""
    name = names.expand(term)
    if name in RESERVED or name == "scope":
        raise BadRequestData(f"{shown(term)} is a word of NGSI-LD and cannot name an attribute")
    return name


def _kinds(layout: _Layout, names: Context, kinds: list[Any]) -> _Kinds:
    given = kinds[1]
    types = () if given is _ABSENT else _types(given, names)
    entries = []
    for name, kind in zip(layout.attributes, kinds[2:], strict=True):
        several = kind if type(kind) is tuple else (kind,)
        _check_spatial(name, several)
        entries.append((name, *sorted({one for one in several if one in VALUE_MEMBER})))
    shape = (types, tuple(sorted(entries)))
    kind = None if not types else types[0] if len(types) == 1 else list(types)
    found = _Kinds(kind, shape, geometries_of(shape))
    short = given is _ABSENT or (type(given) is str and len(given) <= 256)
    if short and len(layout.attributes) <= 64:
        if len(_KINDS) >= _MOST_LAYOUTS:
            _KINDS.clear()
        _KINDS[tuple(kinds)] = found
    return found


def _check_spatial(name: str, kinds: tuple[Any, ...]) -> None:
    if name in SPATIAL and not all(kind in _SPATIAL_KINDS for kind in kinds):
        raise BadRequestData(f"{name} must be a GeoProperty (clause 4.7.1)")


def _types(given: object, names: Context) -> tuple[str, ...]:
    """Return canonical entity types in their order, each once."""
    found: dict[str, None] = {}
    for term in given if type(given) is list else [given]:
        if type(term) is not str or term == NULL:
            raise BadRequestData(f"type must be a name or an array of names, not {shown(given)}")
        name = names.expand(term)
        if name in RESERVED:
            raise BadRequestData(f"{shown(term)} is a word of NGSI-LD and cannot name a type")
        found[name] = None
    if not found:
        raise BadRequestData("type is an empty array; an entity has at least one type")
    return tuple(found)


_MODES = {
    (fragment, nulls, merge, simplified): Mode(fragment or merge, nulls or merge, merge, simplified)
    for fragment, nulls, merge, simplified in product((False, True), repeat=4)
}
_ABSENT = object()
_HEAD = ("id", "type")
_IGNORED = ("@context", "createdAt", "modifiedAt", "deletedAt")
_EXTRAS = frozenset({*_IGNORED, "@id", "@type", "scope", "expiresAt"})
_SCOPE = re.compile(r"/?[^\W\d_]\w*(?:/[^\W\d_]\w*)*")
_SPATIAL_KINDS = frozenset({"GeoProperty", NULL, UNTYPED, None})

_MOST_LAYOUTS = 1024
_LAYOUTS: dict[tuple[Any, ...], _Layout] = {}
_KINDS: dict[tuple[Any, ...], _Kinds] = {}

_PROPERTY, _GEO_PROPERTY, _RELATIONSHIP, _OBSERVED, _UNIT = 1, 2, 4, 8, 16


def _plans() -> dict[tuple[str, ...], dict[str, int]]:
    """Return what to check of an attribute, by its members in their order and by its type."""
    usual = {
        "Property": (_PROPERTY, {"observedAt": _OBSERVED, "unitCode": _UNIT}),
        "GeoProperty": (_GEO_PROPERTY, {"observedAt": _OBSERVED}),
        "Relationship": (_RELATIONSHIP, {"observedAt": _OBSERVED}),
    }
    found: dict[tuple[str, ...], dict[str, int]] = {}
    for kind, (flag, optional) in usual.items():
        for size in range(len(optional) + 1):
            for chosen in combinations(optional, size):
                plan = flag + sum(optional[member] for member in chosen)
                for members in permutations(("type", VALUE_MEMBER[kind], *chosen)):
                    found.setdefault(members, {})[kind] = plan
    return found


_PLANS = _plans()
_NO_PLANS: dict[tuple[str, ...], dict[str, int]] = {}

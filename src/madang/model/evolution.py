"""The past of an entity as clients see it: instance by instance, as pairs, or aggregated. Pure.

What is shown is what history keeps (:class:`madang.lake.questions.Past` and its like), in the words
of the client's @context. A deleted instance has NGSI-LD Null for a value.
Source: ETSI GS CIM 009 clauses 4.5.0 (NGSI-LD Null), 4.5.6 to 4.5.9 (temporal representation, and
simplified), 4.5.19 (aggregated), 4.8 (system times), 4.15 (language), 4.18 (scope), 4.21
(projection).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

from madang.model import time
from madang.model.attributes import NULL, VALUE_MEMBER
from madang.model.context import Context
from madang.model.entity import Attribute, Document, Entity
from madang.model.language import in_language
from madang.model.representation import Body, renderer
from madang.model.view import View

TimeProperty = Literal["observedAt", "createdAt", "modifiedAt", "deletedAt"]

SCOPE = "Scope"
"""The kind of an instance that is the entity's scope; it is shown as a Property (4.5.6)."""

PLURAL = {
    "value": "values",
    "object": "objects",
    "languageMap": "languageMaps",
    "vocab": "vocabs",
    "json": "jsons",
    "valueList": "valueLists",
    "objectList": "objectLists",
}
"""The member that holds the pairs of value and time, by the member that holds one value."""


class Series(Protocol):
    """What instances with the same name, datasetId and type have in common."""

    @property
    def attribute(self) -> str: ...
    @property
    def dataset(self) -> str | None: ...
    @property
    def kind(self) -> str: ...


class Moment(Series, Protocol):
    """One attribute instance; see :class:`madang.lake.questions.Instance`."""

    @property
    def time(self) -> int: ...
    @property
    def observed(self) -> bool: ...
    @property
    def value(self) -> Any: ...
    @property
    def unit(self) -> str | None: ...
    @property
    def more(self) -> Attribute | None: ...
    @property
    def deleted(self) -> bool: ...
    @property
    def created(self) -> int: ...
    @property
    def modified(self) -> int | None: ...
    @property
    def id(self) -> str: ...


class Past(Protocol):
    """What happened to one entity; see :class:`madang.lake.questions.Past`."""

    @property
    def id(self) -> str: ...
    @property
    def types(self) -> tuple[str, ...]: ...
    @property
    def instances(self) -> Sequence[Moment]: ...
    @property
    def created(self) -> int | None: ...
    @property
    def modified(self) -> int | None: ...
    @property
    def deleted(self) -> int | None: ...


class Aggregate(Series, Protocol):
    """What the instances of a period come to; see :class:`madang.lake.questions.Aggregate`."""

    @property
    def entity(self) -> str: ...
    @property
    def types(self) -> tuple[str, ...]: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def values(self) -> Mapping[Any, float | int | str | None]: ...


def normalized(
    past: Past, view: View, names: Context, outline: Iterable[Series] = ()
) -> Body | None:
    """Return an entity with an array of instances for each attribute (clause 4.5.7).

    Args:
        past: what is shown.
        view: members, language and system times; its format is not used.
        names: the @context of the answer.
        outline: what to list even if ``past`` has no instance of it.

    Returns:
        The body, or None if the projection leaves nothing of it.
    """
    document: Document = {}
    for one in outline:
        if view.keeps(one.attribute):
            document[one.attribute] = []
    for moment in past.instances:
        if view.keeps(moment.attribute):
            instance = _instance(moment, view.sys_attrs)
            document.setdefault(moment.attribute, []).append(instance)
    shown = renderer(View(lang=view.lang), names).entity(Entity(document, 0, 0, 0)) or {}
    return {**_head(past.id, past.types, view, names), **_times(past, view), **shown} or None


def simplified(
    past: Past,
    view: View,
    names: Context,
    by: TimeProperty,
    outline: Iterable[Series] = (),
) -> Body | None:
    """Return an entity with pairs of value and time for each attribute (clause 4.5.9).

    Args:
        past: what is shown.
        view: members, language and system times; its format is not used.
        names: the @context of the answer.
        by: which time stands beside a value.
        outline: what to list even if ``past`` has no instance of it.

    Returns:
        The body, or None if the projection leaves nothing of it.
    """
    found = _Attributes(names)
    for one in outline:
        if view.keeps(one.attribute):
            kind, plural = _naming(one.kind, view.lang)
            found.of(one, kind).setdefault(plural, [])
    for moment in past.instances:
        if view.keeps(moment.attribute):
            kind, plural = _naming(moment.kind, view.lang)
            pair = [_plain(moment, view.lang, names), time.render(_at(moment, by))]
            found.of(moment, kind).setdefault(plural, []).append(pair)
    head = {**_head(past.id, past.types, view, names), **_times(past, view)}
    return {**head, **found.shown()} or None


def aggregated(rows: Sequence[Aggregate], view: View, names: Context) -> Body | None:
    """Return one entity with its aggregates, for each method and period (clause 4.5.19).

    Args:
        rows: one or more, all of the same entity, in the order of time.
        view: which members; all else of it is not used.
        names: the @context of the answer.

    Returns:
        The body, or None if the projection leaves nothing of it. What a method cannot be applied to
        is left out, and so is the scope.
    """
    found = _Attributes(names)
    for row in rows:
        if row.kind == SCOPE or not view.keeps(row.attribute):
            continue
        period = time.render(row.start), time.render(row.end)
        for method, value in row.values.items():
            if value is not None:
                found.of(row, row.kind).setdefault(method, []).append([value, *period])
    return {**_head(rows[0].entity, rows[0].types, view, names), **found.shown()} or None


class _Attributes:
    """The attributes of a simplified or aggregated entity, one object a kind and datasetId."""

    def __init__(self, names: Context) -> None:
        self._compact = names.compact
        self._found: dict[str, dict[tuple[str, str | None], Body]] = {}

    def of(self, item: Series, kind: str) -> Body:
        """Return the object that a series is shown as."""
        objects = self._found.setdefault(item.attribute, {})
        key = kind, item.dataset
        found = objects.get(key)
        if found is None:
            found = objects[key] = {"type": kind}
            if item.dataset is not None:
                found["datasetId"] = item.dataset
        return found

    def shown(self) -> Body:
        """Return the attributes in the words of the @context."""
        return {
            self._compact(name): next(iter(objects.values()))
            if len(objects) == 1
            else list(objects.values())
            for name, objects in self._found.items()
        }


def _head(id: str, types: tuple[str, ...], view: View, names: Context) -> Body:
    head: Body = {}
    if _shows(view, "id"):
        head["id"] = id
    if _shows(view, "type"):
        short = [names.compact(name) for name in types]
        head["type"] = short[0] if len(short) == 1 else short
    return head


def _times(past: Past, view: View) -> Body:
    """Return the system times of an entity; that it is gone is told in any case."""
    instants = {"createdAt": past.created, "modifiedAt": past.modified} if view.sys_attrs else {}
    return {
        member: time.render(instant)
        for member, instant in {**instants, "deletedAt": past.deleted}.items()
        if instant is not None and _shows(view, member)
    }


def _shows(view: View, member: str) -> bool:
    """Tell whether a member of the entity itself is shown; ``attrs`` is about attributes only."""
    if view.pick is not None and member not in view.pick.members:
        return False
    return view.omit is None or member not in view.omit.leaves


def _instance(moment: Moment, sys_attrs: bool) -> Attribute:
    kind = "Property" if moment.kind == SCOPE else moment.kind
    instance: Attribute = {"type": kind, VALUE_MEMBER[kind]: _value(moment)}
    if moment.unit is not None:
        instance["unitCode"] = moment.unit
    if moment.dataset is not None:
        instance["datasetId"] = moment.dataset
    if moment.more is not None:
        instance |= moment.more
    instance["instanceId"] = moment.id
    # A scope was there from when it was set, whoever set it (clause 4.5.6).
    if moment.observed or (moment.kind == SCOPE and not moment.deleted):
        instance["observedAt"] = time.render(moment.time)
    if sys_attrs:
        instance["createdAt"] = time.render(moment.created)
        instance["modifiedAt"] = time.render(_modified(moment))
    if moment.deleted:
        instance["deletedAt"] = time.render(moment.created)
    return instance


def _value(moment: Moment) -> Any:
    if not moment.deleted:
        return moment.value
    if moment.kind == SCOPE:
        return []
    return {"@none": NULL} if moment.kind == "LanguageProperty" else NULL


def _naming(kind: str, lang: str | None) -> tuple[str, str]:
    """Return the type under which a series is shown, and the member for its pairs."""
    if kind == SCOPE or (kind == "LanguageProperty" and lang is not None):
        kind = "Property"
    return kind, PLURAL[VALUE_MEMBER[kind]]


def _plain(moment: Moment, lang: str | None, names: Context) -> Any:
    """Return a value as it stands in a pair."""
    value = _value(moment)
    kind = moment.kind
    if kind == "VocabProperty":
        short = names.compact_value
        return {"vocab": [short(v) for v in value] if type(value) is list else short(value)}
    if kind == "LanguageProperty":
        return {"languageMap": value} if lang is None else in_language(value, lang)[1]
    if kind == "JsonProperty":
        return {"json": value}
    if kind == "ListRelationship" and not moment.deleted:
        return [one["object"] if type(one) is dict else one for one in value]
    return value


def _at(moment: Moment, by: TimeProperty) -> int:
    if by == "observedAt":
        return moment.time
    return _modified(moment) if by == "modifiedAt" else moment.created


def _modified(moment: Moment) -> int:
    return moment.created if moment.modified is None else moment.modified

"""Evaluating conditions and queries in memory, over entities.

A condition is compiled once into a function; subscriptions call it for every change.
Source: ETSI GS CIM 009 clauses 4.7, 4.9, 4.10, 4.17, 4.19. An entity matches if any instance of a
multi-attribute (clause 4.5.5) does; a LanguageProperty without ``[language]`` has no value to
compare; an entity without the GeoProperty asked for matches no geo-query, ``disjoint`` included.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Any

from madang.model.attributes import COMMON_MEMBERS, ENTITY_MEMBERS, VALUE_MEMBER, VALUE_MEMBERS
from madang.model.entity import Attribute, Entity, Stamp, path_of
from madang.model.without import modified_without
from madang.query import geo, pattern, scope, values
from madang.query.tree import (
    And,
    Compare,
    Condition,
    Exists,
    Geo,
    HasId,
    HasType,
    InScope,
    Link,
    Not,
    Or,
    Path,
    Query,
    Selector,
)
from madang.query.values import Matcher, always, never

Linked = Callable[[str], Entity | None]
"""Finds the entity that a relationship points to."""
Test = Callable[[Entity, Linked | None], bool]

RAW_MEMBERS = (COMMON_MEMBERS | {"type"}) - {"expiresAt"}
"""Members of an attribute that are no sub-attributes and can be compared as they are."""
TIMES = frozenset({"createdAt", "modifiedAt"})
_LINK_MEMBERS = {"Relationship": "object", "ListRelationship": "objectList"}
_ABSENT = object()


def matches(condition: Condition, entity: Entity, *, linked: Linked | None = None) -> bool:
    """Tell whether an entity meets a condition."""
    return compile(condition)(entity, linked)


def selected(selectors: tuple[Selector, ...], entity: Entity) -> bool:
    """Tell whether one of the selectors selects an entity; without selectors, it is selected."""
    return not selectors or any(_selector(selector)(entity) for selector in selectors)


def accepts(query: Query, entity: Entity, *, linked: Linked | None = None) -> bool:
    """Tell whether an entity is what a query asks for, apart from order and page."""
    if query.selectors and not selected(query.selectors, entity):
        return False
    document = entity.document
    if query.attributes and not any(name in document for name in query.attributes):
        return False
    conditions = (query.reach, query.scope, query.q, query.geo)
    return all(
        compile(condition)(entity, linked) for condition in conditions if condition is not None
    )


@lru_cache(maxsize=4096)
def compile(condition: Condition) -> Test:
    """Return a function that tells whether an entity meets the condition."""
    match condition:
        case Compare():
            return _compare(condition)
        case Exists(path):
            return _exists(path)
        case Not(item):
            inner = compile(item)
            return lambda entity, linked: not inner(entity, linked)
        case And(items):
            return _all(tuple(map(compile, items)))
        case Or(items):
            return _any(items)
        case HasType(name):
            return lambda entity, _linked: name in entity.types
        case HasId(ids):
            wanted = frozenset(ids)
            return lambda entity, _linked: entity.id in wanted
        case InScope():
            return _in_scope(condition)
        case Geo():
            return _geo(condition)


def leads_nowhere(path: Path) -> bool:
    """Tell whether a path goes on where nothing has sub-attributes, so that nothing is there."""
    subs = path.subs
    return bool(subs) and (
        path.attribute in ENTITY_MEMBERS
        or not VALUE_MEMBERS.isdisjoint(subs)
        or not RAW_MEMBERS.isdisjoint(subs[:-1])
    )


def _nowhere(_entity: Entity, _linked: Linked | None) -> bool:
    return False


def _all(tests: tuple[Test, ...]) -> Test:
    if len(tests) == 2:
        first, second = tests
        return lambda entity, linked: first(entity, linked) and second(entity, linked)
    return lambda entity, linked: all(test(entity, linked) for test in tests)


def _any(items: tuple[Condition, ...]) -> Test:
    """Return the test of an alternative; types together are one look, however many there are."""
    types = frozenset(item.name for item in items if isinstance(item, HasType))
    tests = [compile(item) for item in items if not isinstance(item, HasType)]
    if types:
        tests.insert(0, lambda entity, _linked: not types.isdisjoint(entity.types))
    if len(tests) == 1:
        return tests[0]
    return lambda entity, linked: any(test(entity, linked) for test in tests)


@lru_cache(maxsize=4096)
def _selector(selector: Selector) -> Callable[[Entity], bool]:
    of_type = None if selector.types is None else compile(selector.types)
    ids = frozenset(selector.ids)
    search = None if selector.id_pattern is None else pattern.compiled(selector.id_pattern).search

    def test(entity: Entity) -> bool:
        if of_type is not None and not of_type(entity, None):
            return False
        if ids and entity.id not in ids:
            return False
        return search is None or search(entity.id, 0, pattern.TEXT) is not None

    return test


def _in_scope(wanted: InScope) -> Test:
    test = scope.matcher(wanted)

    def has(entity: Entity, _linked: Linked | None) -> bool:
        scopes = entity.document.get("scope", ())
        return any(map(test, (scopes,) if isinstance(scopes, str) else scopes))

    return has


def _geo(wanted: Geo) -> Test:
    name, test = wanted.attribute, geo.matcher(wanted)
    if name in ENTITY_MEMBERS:
        return _nowhere

    def lies(entity: Entity, _linked: Linked | None) -> bool:
        return any(
            instance["type"] == "GeoProperty" and test(instance["value"])
            for instance in _instances(entity.document.get(name))
        )

    return lies


def _compare(wanted: Compare) -> Test:
    path = wanted.path
    if path.links:
        return _over_link(path, lambda rest: compile(replace(wanted, path=rest)))
    if leads_nowhere(path):
        return _nowhere
    if not path.subs and path.attribute in TIMES:
        return _entity_time(path, values.system_time(wanted))
    if not path.subs and path.attribute in ENTITY_MEMBERS:
        return _member(path, values.plain(wanted))
    if path.subs and path.subs[-1] in TIMES:
        return _attribute_time(path, values.system_time(wanted))
    return _attribute(path, _matchers(wanted))


def _exists(path: Path) -> Test:
    if path.links:
        return _over_link(path, lambda rest: compile(Exists(rest)))
    if leads_nowhere(path):
        return _nowhere
    if not path.subs and path.attribute in TIMES:
        return _entity_time(path, always)
    if not path.subs and (path.attribute in ENTITY_MEMBERS or not path.members):
        return _member(path, always)
    if path.subs and path.subs[-1] in TIMES:
        return _attribute_time(path, always)
    held = _inside(path.members, always)
    matchers = dict.fromkeys(VALUE_MEMBER, held)
    if path.members:
        matchers |= dict.fromkeys(("Relationship", "ListRelationship", "VocabProperty"), never)
        matchers["LanguageProperty"] = _speaks(path.members)
    return _attribute(path, matchers)


def _speaks(members: tuple[str, ...]) -> Matcher:
    """Return the test whether a languageMap has the language, or any for ``*``."""
    if len(members) > 1:
        return never
    tag = members[0]
    return bool if tag == "*" else lambda languages: tag in languages


def _matchers(wanted: Compare) -> dict[str, Matcher]:
    """Return the matcher of the value for each type of attribute."""
    members = wanted.path.members
    inside = _inside(members, values.plain(wanted))
    matchers = dict.fromkeys(VALUE_MEMBER, inside)
    if members:
        matchers |= dict.fromkeys(("Relationship", "ListRelationship", "VocabProperty"), never)
    else:
        matchers |= dict.fromkeys(("JsonProperty", "ListProperty"), values.array(wanted))
        matchers |= dict.fromkeys(_LINK_MEMBERS, values.relationship(wanted))
        matchers["VocabProperty"] = values.vocabulary(wanted)
    matchers["LanguageProperty"] = (
        values.language(wanted, members[0]) if len(members) == 1 else never
    )
    return matchers


def _inside(members: tuple[str, ...], matcher: Matcher) -> Matcher:
    """Return the matcher of what the members lead to; where they lead nowhere, nothing matches."""
    if not members:
        return matcher

    def test(value: Any) -> bool:
        for member in members:
            if value.__class__ is not dict:
                return False
            value = value.get(member, _ABSENT)
        return value is not _ABSENT and matcher(value)

    return test


def _member(path: Path, matcher: Matcher) -> Test:
    """Return the test of a member of the document itself."""
    name = path.attribute
    if path.members and name in ENTITY_MEMBERS:
        return _nowhere

    def test(entity: Entity, _linked: Linked | None) -> bool:
        found = entity.document.get(name)
        return found is not None and matcher(found)

    return test


def _entity_time(path: Path, matcher: Matcher) -> Test:
    if path.members:
        return _nowhere
    if path.attribute == "createdAt":
        return lambda entity, _linked: matcher(entity.created)
    if path.without:
        return lambda entity, _linked: matcher(modified(entity, path))
    return lambda entity, _linked: matcher(entity.modified)


def modified(entity: Entity, path: Path) -> int:
    """Return the ``modifiedAt`` of an entity as a path looks at it. [us since 1970]"""
    document, types = entity.document, frozenset(entity.types)
    names = [
        name
        for name, only in path.without
        if name in document and (not only or not types.isdisjoint(only))
    ]
    return modified_without(entity, names) if names else entity.modified


def _attribute(path: Path, matchers: dict[str, Matcher]) -> Test:
    """Return the test of attribute instances with the matcher for the type of each."""
    if path.subs and path.subs[-1] in RAW_MEMBERS:
        return _raw(path, matchers["Property"])
    table = {kind: (VALUE_MEMBER[kind], matcher) for kind, matcher in matchers.items()}
    if path.subs:
        return _sub_attribute(path, table)
    name = path.attribute

    def test(entity: Entity, _linked: Linked | None) -> bool:
        found = entity.document.get(name)
        if found.__class__ is dict:
            member, matcher = table[found["type"]]
            return matcher(found[member])
        return found is not None and any(_meets(table, instance) for instance in found)

    return test


def _sub_attribute(path: Path, table: dict[str, tuple[str, Matcher]]) -> Test:
    name, subs = path.attribute, path.subs
    return lambda entity, _linked: any(
        _meets(table, instance) for instance in _reach(entity.document.get(name), subs)
    )


def _meets(table: dict[str, tuple[str, Matcher]], instance: Attribute) -> bool:
    member, matcher = table[instance["type"]]
    return matcher(instance[member])


def _raw(path: Path, matcher: Matcher) -> Test:
    """Return the test of a member such as observedAt, a text or a list of texts."""
    name, subs, member = path.attribute, path.subs[:-1], path.subs[-1]
    if path.members:
        return _nowhere
    return lambda entity, _linked: any(
        member in instance and matcher(instance[member])
        for instance in _reach(entity.document.get(name), subs)
    )


def _instances(found: Any) -> Iterable[Attribute]:
    """Return the instances of an attribute; none of what is none."""
    if found.__class__ is dict:
        return (found,)
    return found if found.__class__ is list else ()


def _reach(found: Any, subs: tuple[str, ...]) -> Iterator[Attribute]:
    """Yield the instances of the sub-attribute that the names lead to."""
    for instance in _instances(found):
        if subs:
            yield from _reach(instance.get(subs[0]), subs[1:])
        else:
            yield instance


def _attribute_time(path: Path, matcher: Matcher) -> Test:
    """Return the test of a system time of attribute instances."""
    names = (path.attribute, *path.subs[:-1])
    which = 0 if path.subs[-1] == "createdAt" else 1
    if path.members:
        return _nowhere

    def test(entity: Entity, _linked: Linked | None) -> bool:
        return any(matcher(stamp[which]) for stamp in _stamps(entity, names, entity.document))

    return test


def _stamps(
    entity: Entity,
    names: tuple[str, ...],
    holder: Any = None,
    at: str = "",
    by: Stamp | None = None,
) -> Iterator[Stamp]:
    """Yield the stamps of the instances that the names lead to."""
    holder = entity.document if holder is None else holder
    for instance in _instances(holder.get(names[0])):
        path = path_of(names[0], instance, at)
        stamp = entity.stamp(path, by)
        if len(names) == 1:
            yield stamp
        else:
            yield from _stamps(entity, names[1:], instance, path, stamp)


def _over_link(path: Path, compiled: Callable[[Path], Test]) -> Test:
    """Return the test of the entities that the first relationship of a path leads to."""
    link = path.links[0]
    if link.relationship in ENTITY_MEMBERS:
        return _nowhere
    test = compiled(replace(path, links=path.links[1:]))
    types = frozenset(link.types)
    seen = None if link.seen is None else compile(link.seen)

    def over(entity: Entity, linked: Linked | None) -> bool:
        if linked is None:
            return False
        for uri in _targets(entity, link):
            found = linked(uri)
            if found is None or (types and types.isdisjoint(found.types)):
                continue
            if (seen is None or seen(found, linked)) and test(found, linked):
                return True
        return False

    return over


def _targets(entity: Entity, link: Link) -> Iterator[str]:
    for instance in _instances(entity.document.get(link.relationship)):
        member = _LINK_MEMBERS.get(instance["type"])
        if member is not None:
            target = instance[member]
            for one in target if target.__class__ is list else (target,):
                yield one["object"] if one.__class__ is dict else one

"""Conditions as SQL for SQLite, over ``entity e`` (schema.py); every value is bound.

What only types and attribute names decide is left to shapes (:func:`shape_condition`);
:func:`where` is the rest, exact for entities of a shape that fits. The meaning is that of
:mod:`madang.query.evaluate`; a property test holds that both agree.
Source: ETSI GS CIM 009 clauses 4.9, 4.10, 4.17, 4.19; SQLite's JSON functions (3.51 or newer).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

import apsw
import orjson

from madang.query import geo, pattern, scope
from madang.query.q import SYSTEM
from madang.query.tree import (
    And,
    Compare,
    Condition,
    Exists,
    Geo,
    HasType,
    InScope,
    Not,
    Or,
    Path,
    Query,
    Selector,
)
from madang.store.sql_terms import Terms, has_type
from madang.store.sql_text import TRUE, Sql, joined, listed, path, sql

Fits = Callable[[tuple[str, ...], frozenset[str]], bool]
"""Tells whether entities of these types, with these attributes, can match."""


def shape_condition(query: Query) -> Fits | None:
    """Return which shapes can match a query at all; None if all can.

    Selectors' types, ``attributes``, and terms of q that only ask whether an attribute is there
    are decided by this alone.
    """
    parts = [part for part in _shape_parts(query) if part is not None]
    if not parts:
        return None
    if len(parts) == 1:
        return parts[0]
    return lambda types, names: all(part(types, names) for part in parts)


def where(query: Query) -> tuple[str, list[Any]]:
    """Return the expression for what shapes do not decide, and its values; empty if nothing."""
    text, values = _where(query.selectors, query.q, query.geo, query.scope)
    return text, list(values)


def register(connection: apsw.Connection) -> None:
    """Give a connection the functions that the expressions call."""
    for name, function in _FUNCTIONS.items():
        connection.create_scalar_function(name, function, 2, deterministic=True)


@lru_cache(maxsize=2048)
def _where(
    selectors: tuple[Selector, ...],
    q: Condition | None,
    place: Geo | None,
    scopes: Condition | None,
) -> Sql:
    conditions = [] if q is None else list(q.items) if isinstance(q, And) else [q]
    rest = [item for item in conditions if not _is_of_shape(item)]
    parts = [_selected(selectors), *map(_condition, rest)]
    parts += [_condition(condition) for condition in (scopes, place) if condition is not None]
    needed = [part for part in parts if part != TRUE]
    return joined(needed, "AND") if needed else Sql("")


def _shape_parts(query: Query) -> Iterable[Fits | None]:
    if query.selectors and all(selector.types is not None for selector in query.selectors):
        types = tuple(selector.types for selector in query.selectors if selector.types)
        yield lambda own, _names: any(_can_match(item, own, frozenset()) for item in types)
    if query.attributes:
        wanted = frozenset(query.attributes)
        yield lambda _types, names: not wanted.isdisjoint(names)
    for condition in (query.q, query.geo):
        if condition is not None:
            yield _can(condition)


def _can(condition: Condition) -> Fits:
    return lambda types, names: _can_match(condition, types, names)


def _can_match(condition: Condition, types: tuple[str, ...], names: frozenset[str]) -> bool:
    """Tell whether entities of a shape can match: exactly, if the shape decides it."""
    match condition:
        case And(items):
            return all(_can_match(item, types, names) for item in items)
        case Or(items):
            return any(_can_match(item, types, names) for item in items)
        case Not(item):
            return not _is_of_shape(item) or not _can_match(item, types, names)
        case HasType(name):
            return name in types
        case Geo():
            return condition.attribute in names
        case Compare(at) | Exists(at):
            first = at.links[0].relationship if at.links else at.attribute
            return first in names or first in SYSTEM
        case InScope():
            return True


def _is_of_shape(condition: Condition) -> bool:
    """Tell whether the shape of an entity alone decides a condition."""
    match condition:
        case And(items) | Or(items):
            return all(map(_is_of_shape, items))
        case Not(item):
            return _is_of_shape(item)
        case HasType():
            return True
        case Exists(at):
            return at == Path(at.attribute) and at.attribute not in SYSTEM
        case _:
            return False


def _condition(condition: Condition) -> Sql:
    match condition:
        case Compare():
            return Terms().compare(condition)
        case Exists(at):
            return Terms().exists(at)
        case Not(item):
            return sql("({}) IS NOT TRUE", _condition(item))
        case And(items):
            return joined(map(_condition, items), "AND")
        case Or(items):
            return joined(map(_condition, items), "OR")
        case HasType(name):
            return has_type("e", name)
        case InScope():
            return _in_scope(condition)
        case Geo():
            return _geo(condition)


def _selected(selectors: tuple[Selector, ...]) -> Sql:
    """Return the test of ids and patterns, with types only where each has types of its own."""
    if not any(selector.ids or selector.id_pattern is not None for selector in selectors):
        return TRUE
    same_types = len({selector.types for selector in selectors}) == 1
    return joined((_one_selected(selector, not same_types) for selector in selectors), "OR")


def _one_selected(selector: Selector, with_types: bool) -> Sql:
    parts = []
    if selector.types is not None and with_types:
        parts.append(_condition(selector.types))
    if selector.ids:
        parts.append(sql("e.id IN {}", listed(selector.ids)))
    if selector.id_pattern is not None:
        parts.append(sql("madang_search({}, e.id)", selector.id_pattern))
    return joined(parts, "AND") if parts else TRUE


def _in_scope(wanted: InScope) -> Sql:
    at = path("scope")
    key = orjson.dumps((wanted.levels, wanted.below)).decode()
    return sql(
        "CASE json_type(e.doc, {}) WHEN 'text' THEN {}"
        " WHEN 'array' THEN EXISTS (SELECT 1 FROM json_each(e.doc, {}) a WHERE {}) ELSE 0 END",
        at,
        _one_scope(wanted, key, sql("json_extract(e.doc, {})", at)),
        at,
        _one_scope(wanted, key, Sql("a.value")),
    )


def _one_scope(wanted: InScope, key: str, found: Sql) -> Sql:
    exact = "/".join(wanted.levels)
    if "+" in wanted.levels:
        return sql("madang_scope({}, {})", key, found)
    if not wanted.below:
        return sql("ltrim({}, '/') = {}", found, exact)
    start = f"{exact}/" if exact else ""
    return sql(f"substr(ltrim({{}}, '/') || '/', 1, {len(start)}) = {{}}", found, start)


def _geo(wanted: Geo) -> Sql:
    key = orjson.dumps(
        (wanted.relation, wanted.geometry, wanted.min_distance, wanted.max_distance)
    ).decode()
    at = path(wanted.attribute)
    lies = (  # CASE, for SQLite may evaluate the sides of AND in any order
        "CASE json_extract({}, {}) WHEN 'GeoProperty'"
        " THEN madang_geo(json_extract({}, {}), {}) ELSE 0 END"
    )
    document = Sql("e.doc")

    def test(base: Sql, *prefix: str) -> Sql:
        return sql(lies, base, path(*prefix, "type"), base, path(*prefix, "value"), key)

    return sql(
        "CASE json_type(e.doc, {}) WHEN 'object' THEN {} WHEN 'array' THEN {} ELSE 0 END",
        at,
        test(document, wanted.attribute),
        Terms().several(wanted.attribute, test),
    )


def _lies(geometry: str, key: str) -> bool:
    return _matcher(key)(orjson.loads(geometry))


def _is_in_scope(key: str, text: str) -> bool:
    return _scope_matcher(key)(text)


@lru_cache(maxsize=2048)
def _matcher(key: str) -> geo.Test:
    relation, geometry, least, most = orjson.loads(key)
    return geo.matcher(Geo(relation, geometry, "", least, most))


@lru_cache(maxsize=2048)
def _scope_matcher(key: str) -> Callable[[str], bool]:
    levels, below = orjson.loads(key)
    return scope.matcher(InScope(tuple(levels), below))


_FUNCTIONS: dict[str, Callable[..., bool]] = {
    "madang_geo": _lies,
    "madang_search": pattern.found,
    "madang_scope": _is_in_scope,
}

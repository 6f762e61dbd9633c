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

from madang.model.attributes import ENTITY_MEMBERS
from madang.model.entity import Entity
from madang.query import geo, pattern, scope
from madang.query.decide import decided, is_of_shape
from madang.query.evaluate import modified
from madang.query.tree import (
    And,
    Compare,
    Condition,
    Exists,
    Geo,
    HasId,
    HasType,
    InScope,
    Not,
    Or,
    Path,
    Query,
    Selector,
)
from madang.store.rows import read_times
from madang.store.shapes import Fits
from madang.store.sql_terms import Terms, has_type
from madang.store.sql_text import FALSE, TRUE, Sql, joined, listed, path, sql

MOST_LISTED = 100  # ids that are values of their own


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
    text, values = _where(query.selectors, query.q, query.geo, query.scope, query.reach)
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
    reach: Condition | None,
) -> Sql:
    rest = [item for item in (*_demands(q), *_demands(reach)) if not is_of_shape(item)]
    parts = [_selected(selectors), *map(_condition, rest)]
    parts += [_condition(condition) for condition in (scopes, place) if condition is not None]
    needed = [part for part in parts if part != TRUE]
    return joined(needed, "AND") if needed else Sql("")


def _demands(condition: Condition | None) -> tuple[Condition, ...]:
    """Return conditions that must all hold for this one to hold."""
    if condition is None:
        return ()
    return condition.items if isinstance(condition, And) else (condition,)


def _shape_parts(query: Query) -> Iterable[Fits | None]:
    if query.selectors and all(selector.types is not None for selector in query.selectors):
        types = tuple(selector.types for selector in query.selectors if selector.types)
        yield lambda own, _names: any(_can_meet(item, own, frozenset()) for item in types)
    if query.attributes:
        wanted = frozenset(query.attributes)
        yield lambda _types, names: not wanted.isdisjoint(names)
    for condition in (query.q, query.geo, query.reach):
        if condition is not None:
            yield _can(condition)


def _can(condition: Condition) -> Fits:
    return lambda types, names: _can_meet(condition, types, names)


def _can_meet(condition: Condition, types: tuple[str, ...], names: frozenset[str]) -> bool:
    """Tell whether entities of a shape can meet a condition: exactly, if the shape decides it."""
    return decided(condition, types, names) is not False


def _condition(condition: Condition, terms: Terms | None = None) -> Sql:
    """Return a condition on the entity that the terms are about, ``e`` without terms."""
    if terms is None:
        terms = Terms(_condition)
    match condition:
        case Compare():
            return terms.compare(condition)
        case Exists(at):
            return terms.exists(at)
        case Not(item):
            return sql("({}) IS NOT TRUE", _condition(item, terms))
        case And(items):
            return joined((_condition(item, terms) for item in items), "AND") if items else TRUE
        case Or(items):
            return _any(items, terms)
        case HasType(name):
            return has_type(terms.alias, name)
        case HasId(ids):
            return _has_id(ids, terms)
        case InScope():
            return _in_scope(condition, terms)
        case Geo():
            return _geo(condition, terms)


def _has_id(ids: tuple[str, ...], terms: Terms) -> Sql:
    """Return the test of ids; many of them are one value, for SQLite limits how many it takes."""
    if len(ids) <= MOST_LISTED:
        return sql(f"{terms.alias}.id IN {{}}", listed(ids))
    whole = orjson.dumps(sorted(ids)).decode()
    return sql(f"{terms.alias}.id IN (SELECT value FROM json_each({{}}))", whole)


def _any(items: tuple[Condition, ...], terms: Terms) -> Sql:
    """Return an alternative; types together are one look at the shapes, however many there are."""
    types = [item.name for item in items if isinstance(item, HasType)]
    parts = [_condition(item, terms) for item in items if not isinstance(item, HasType)]
    if types:
        parts.insert(0, has_type(terms.alias, *types))
    return joined(parts, "OR") if parts else FALSE


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


def _in_scope(wanted: InScope, terms: Terms) -> Sql:
    document, at, each = Sql(f"{terms.alias}.doc"), path("scope"), terms.new("a")
    key = orjson.dumps((wanted.levels, wanted.below)).decode()
    return sql(
        "CASE json_type({}, {}) WHEN 'text' THEN {} WHEN 'array'"
        f" THEN EXISTS (SELECT 1 FROM json_each({{}}, {{}}) {each} WHERE {{}}) ELSE 0 END",
        document,
        at,
        _one_scope(wanted, key, sql("json_extract({}, {})", document, at)),
        document,
        at,
        _one_scope(wanted, key, Sql(f"{each}.value")),
    )


def _one_scope(wanted: InScope, key: str, found: Sql) -> Sql:
    exact = "/".join(wanted.levels)
    if "+" in wanted.levels:
        return sql("madang_scope({}, {})", key, found)
    if not wanted.below:
        return sql("ltrim({}, '/') = {}", found, exact)
    start = f"{exact}/" if exact else ""
    return sql(f"substr(ltrim({{}}, '/') || '/', 1, {len(start)}) = {{}}", found, start)


def _geo(wanted: Geo, terms: Terms) -> Sql:
    if wanted.attribute in ENTITY_MEMBERS:
        return FALSE
    key = orjson.dumps(
        (wanted.relation, wanted.geometry, wanted.min_distance, wanted.max_distance)
    ).decode()
    at = path(wanted.attribute)
    lies = (  # CASE, for SQLite may evaluate the sides of AND in any order
        "CASE json_extract({}, {}) WHEN 'GeoProperty'"
        " THEN madang_geo(json_extract({}, {}), {}) ELSE 0 END"
    )
    document = Sql(f"{terms.alias}.doc")

    def test(base: Sql, *prefix: str) -> Sql:
        return sql(lies, base, path(*prefix, "type"), base, path(*prefix, "value"), key)

    return sql(
        "CASE json_type({}, {}) WHEN 'object' THEN {} WHEN 'array' THEN {} ELSE 0 END",
        document,
        at,
        test(document, wanted.attribute),
        terms.several(wanted.attribute, test),
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


def _modified(without: str, columns: str) -> int:
    created, changed, written, times, document = orjson.loads(columns)
    entity = Entity(orjson.loads(document), created, changed, written)
    if times is not None:
        read_times(entity, times)
    return modified(entity, _path_without(without))


@lru_cache(maxsize=2048)
def _path_without(text: str) -> Path:
    return Path("modifiedAt", without=tuple((n, tuple(types)) for n, types in orjson.loads(text)))


_FUNCTIONS: dict[str, Callable[..., bool | int]] = {
    "madang_geo": _lies,
    "madang_search": pattern.found,
    "madang_scope": _is_in_scope,
    "madang_modified": _modified,
}

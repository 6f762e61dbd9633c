"""Conditions as SQL for PostgreSQL, over ``entity e`` (schema.py).

The meaning is that of :mod:`madang.query.evaluate`. What SQL cannot say exactly it says generously:
no entity that matches is left out, and :attr:`Sql.exact` is false, so that the rows are looked at
in memory. A property test holds that both agree. What types and attribute names decide is left to
shapes, as in :mod:`madang.store.sql`.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from madang.model.attributes import ENTITY_MEMBERS
from madang.query import geo
from madang.query.decide import is_of_shape
from madang.query.evaluate import RAW_MEMBERS, TIMES, leads_nowhere
from madang.query.tree import (
    And,
    Compare,
    Condition,
    DateTime,
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
from madang.store.postgres import paths


class Sql(NamedTuple):
    """An expression with its values."""

    text: str
    values: tuple[Any, ...] = ()
    exact: bool = True
    """Otherwise it only lets nothing be missed."""
    indexed: bool = False
    """An index finds its rows, so that not all of a shape have to be read."""


TRUE = Sql("true")
FALSE = Sql("false")
UNSURE = Sql("true", exact=False)


def where(query: Query) -> Sql:
    """Return the expression for what shapes do not decide; ``TRUE`` if nothing is left."""
    return _where(query.selectors, query.q, query.geo, query.scope, query.reach)


@lru_cache(maxsize=2048)
def _where(
    selectors: tuple[Selector, ...],
    q: Condition | None,
    place: Geo | None,
    scopes: Condition | None,
    reach: Condition | None,
) -> Sql:
    rest = [item for one in (q, reach) for item in _demands(one) if not is_of_shape(item)]
    parts = [_selected(selectors), *map(condition, rest)]
    parts += [condition(one) for one in (scopes, place) if one is not None]
    return _all(parts)


def _demands(wanted: Condition | None) -> tuple[Condition, ...]:
    if wanted is None:
        return ()
    return wanted.items if isinstance(wanted, And) else (wanted,)


def _all(parts: Iterable[Sql]) -> Sql:
    found = list(parts)
    exact = all(part.exact for part in found)
    needed = [part for part in found if part.text != TRUE.text]
    if not needed:
        return TRUE._replace(exact=exact)
    return _joined(needed, "AND", exact, any(part.indexed for part in needed))


def _any(parts: Iterable[Sql]) -> Sql:
    found = [part for part in parts if part != FALSE]
    if not found:
        return FALSE
    exact = all(part.exact for part in found)
    if any(part.text == TRUE.text for part in found):
        return TRUE._replace(exact=exact or TRUE in found)
    return _joined(found, "OR", exact, all(part.indexed for part in found))


def _joined(parts: list[Sql], word: str, exact: bool, indexed: bool) -> Sql:
    text = f" {word} ".join(f"({part.text})" for part in parts)
    return Sql(text, tuple(value for part in parts for value in part.values), exact, indexed)


def condition(wanted: Condition) -> Sql:
    """Return a condition on the entity ``e``."""
    match wanted:
        case Compare():
            return _compare(wanted)
        case Exists(path):
            return _exists(path)
        case Not(item):
            inner = condition(item)
            return Sql(f"({inner.text}) IS NOT TRUE", inner.values) if inner.exact else UNSURE
        case And(items):
            return _all(map(condition, items))
        case Or(items):
            return _any(map(condition, items))
        case HasType(name):
            return _matched(f"$.type ? (@ == {paths.quoted(name)})", name)
        case HasId(ids):
            return _has_id([id for id in ids if "\0" not in id])
        case InScope():
            return _in_scope(wanted)
        case Geo():
            return _geo(wanted)


def _has_id(ids: list[str]) -> Sql:
    return Sql("e.id = ANY(%s)", (ids,)) if ids else FALSE


def _matched(path: str, *texts: str, exact: bool = True) -> Sql:
    """Return the test whether a path finds anything; no texts of it may be odd ones."""
    if not all(map(paths.is_plain, texts)):
        return UNSURE
    return Sql("e.body @? %s::jsonpath", (path,), exact)


def _selected(selectors: tuple[Selector, ...]) -> Sql:
    """Return the test of ids and patterns, with types only where each has types of its own."""
    if not any(selector.ids or selector.id_pattern is not None for selector in selectors):
        return TRUE
    same_types = len({selector.types for selector in selectors}) == 1
    return _any(_one_selected(selector, not same_types) for selector in selectors)


def _one_selected(selector: Selector, with_types: bool) -> Sql:
    parts = []
    if selector.types is not None and with_types:
        parts.append(condition(selector.types))
    if selector.ids:
        parts.append(condition(HasId(selector.ids)))
    if selector.id_pattern is not None:
        parts.append(UNSURE)
    return _all(parts)


def _compare(wanted: Compare) -> Sql:
    at = wanted.path
    if at.links:
        return UNSURE
    if leads_nowhere(at):
        return FALSE
    if not at.subs and at.attribute in TIMES:
        return FALSE if at.members else _entity_time(wanted)
    if not at.subs and at.attribute in ENTITY_MEMBERS:
        return FALSE if at.members else _of_member(at.attribute, wanted)
    if at.subs and at.subs[-1] in TIMES:
        return _attribute(at, at.subs[:-1], paths.Test("", exact=False))
    if at.subs and at.subs[-1] in RAW_MEMBERS:
        test = paths.plain(f"@{paths.steps(at.subs[-1:])}", wanted)
        return FALSE if at.members else _attribute(at, at.subs[:-1], test)
    found = _attribute(at, at.subs, paths.instance(wanted))
    return found if at.subs or at.members or found == FALSE else _all([*_leads_to(wanted), found])


def _leads_to(wanted: Compare) -> list[Sql]:
    """Return what an index says of the instances that are or lead to an IRI."""
    path = paths.iris(wanted)
    return [] if path is None else [Sql("e.iris @? %s::jsonpath", (path,), indexed=True)]


def _of_member(name: str, wanted: Compare) -> Sql:
    test = paths.plain(f"@{paths.steps((name,))}", wanted)
    return FALSE if test == paths.FALSE else _matched(f"$ ? ({test.text})", exact=test.exact)


def _attribute(at: Path, subs: tuple[str, ...], test: paths.Test) -> Sql:
    """Return whether any instance that the names lead to passes a test; without one, is there."""
    if test == paths.FALSE:
        return FALSE
    names = (at.attribute, *subs)
    rest = f" ? ({test.text})" if test.text else ""
    texts = (*names, *at.members)
    return _matched(f"${paths.steps(names)}{rest}", *texts, exact=test.exact)


def _exists(at: Path) -> Sql:
    if at.links:
        return UNSURE
    if leads_nowhere(at):
        return FALSE
    last = at.subs[-1] if at.subs else at.attribute
    if not at.subs and (last in TIMES or last in ENTITY_MEMBERS):
        if at.members:
            return FALSE
        return _matched("$.scope") if last == "scope" else TRUE
    if at.subs and (last in TIMES or last in RAW_MEMBERS):
        if at.members:
            return FALSE
        subs = at.subs[:-1] if last in TIMES else at.subs
        return _attribute(at, subs, paths.Test(""))
    return _attribute(at, at.subs, paths.Test("", exact=not at.members))


def _entity_time(wanted: Compare) -> Sql:
    at, value, sign = wanted.path, wanted.value, wanted.operator
    if at.without and at.attribute == "modifiedAt":
        return UNSURE
    if not isinstance(value, DateTime) or sign in ("~=", "!~="):
        return UNSURE
    column = "e.created" if at.attribute == "createdAt" else "e.modified"
    operator = {"==": "=", "!=": "<>"}.get(sign, sign)
    return Sql(f"{column} {operator} %s", (value.instant,))


def _in_scope(wanted: InScope) -> Sql:
    if "+" in wanted.levels:
        return _matched("$.scope", exact=False)
    exact = "/".join(wanted.levels)
    if not exact:
        return _matched("$.scope", exact=wanted.below)
    same = [f"@ == {paths.quoted(text)}" for text in (exact, f"/{exact}")]
    if wanted.below:
        same += [f"@ starts with {paths.quoted(text)}" for text in (f"{exact}/", f"/{exact}/")]
    return _matched(f"$.scope ? ({' || '.join(same)})", exact)


def _geo(wanted: Geo) -> Sql:
    if wanted.attribute in ENTITY_MEMBERS:
        return FALSE
    box = geo.bounds(wanted)
    if box is None:
        return UNSURE
    text = "e.place && ST_MakeEnvelope(%s, %s, %s, %s, 4326)"
    return Sql(text, box, exact=False, indexed=True)

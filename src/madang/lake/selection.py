"""Which entities a question is about: those that meet its query somewhere in its window.

Candidates are found by type and id alone, in the order of their ids. They are then looked at a
batch at a time, until the page is full. ``q`` and the geo-query are evaluated in memory, by the
same code that subscriptions use: all instances of an attribute that lie in the window stand in one
document, and any of them may match (clause 4.5.5).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from madang.lake import window
from madang.lake.kinds import Kinds
from madang.lake.questions import SCOPE, TYPE, Instance, Wanted
from madang.lake.values import COLUMNS, instance_of
from madang.model import time
from madang.model.attributes import VALUE_MEMBER
from madang.model.entity import Attribute, Document, Entity
from madang.query import evaluate, pattern
from madang.query.tree import And, Compare, Condition, Exists, Not, Or, Query, Selector

if TYPE_CHECKING:
    import duckdb

FIRST_BATCH = 64
LARGEST_BATCH = 4096


@dataclass(frozen=True, slots=True)
class Page:
    ids: list[str]
    count: int | None
    more: bool


def all_shown(query: Query, ids: Sequence[str]) -> bool:
    """Tell whether the page has all candidates of which there is a wanted instance."""
    conditions = (query.q, query.geo, query.scope)
    unconditional = not query.attributes and all(one is None for one in conditions)
    return unconditional and query.offset == 0 and 0 < len(ids) <= query.limit


def select(cursor: duckdb.DuckDBPyConnection, wanted: Wanted, ids: Sequence[str]) -> Page:
    """Return the page of entities that a question is about, out of the candidates."""
    query = wanted.query
    end = query.offset + query.limit
    found: list[str] = []
    for batch in _batches(ids):
        found += matching(cursor, wanted, batch)
        if len(found) > end and not query.count:
            break
    count = len(found) if query.count else None
    return Page(found[query.offset : end], count, len(found) > end)


def shown(
    cursor: duckdb.DuckDBPyConnection, wanted: Wanted, ids: Sequence[str], found: Collection[str]
) -> Page:
    """Return the page of candidates that all belong on it, if there is a wanted instance of them.

    Args:
        found: those of which one is known.
    """
    others = [id for id in ids if id not in found]
    there = {*found, *(matching(cursor, wanted, others) if others else ())}
    count = len(there) if wanted.query.count else None
    return Page([id for id in ids if id in there], count, False)


def everyone(cursor: duckdb.DuckDBPyConnection, kinds: Kinds, wanted: Wanted) -> list[str]:
    """Return all entities that a question is about, without pages."""
    ids = candidates(cursor, kinds, wanted.query)
    return [id for batch in _batches(ids) for id in matching(cursor, wanted, batch)]


def _batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    start, size = 0, FIRST_BATCH
    while start < len(ids):
        yield ids[start : start + size]
        start += size
        size = min(4 * size, LARGEST_BATCH)


def candidates(cursor: duckdb.DuckDBPyConnection, kinds: Kinds, query: Query) -> list[str]:
    """Return the ids of all entities that have ever been what the selectors ask for, in order."""
    selectors = query.selectors
    if selectors and all(one.ids and one.types is None for one in selectors):
        found = list({id for selector in selectors for id in selector.ids})
    else:
        rows = cursor.execute(
            f"SELECT DISTINCT entity FROM about WHERE attribute = '{TYPE}'"
            f" AND {selected(kinds, query)}"
        ).fetchall()
        found = [str(row[0]) for row in rows]
    found.sort(reverse=_falls(query))
    patterns = [selector.id_pattern for selector in selectors]
    if None in patterns or not patterns:
        return found
    tests = [pattern.compiled(one).search for one in patterns if one is not None]
    return [id for id in found if any(test(id, 0, pattern.TEXT) for test in tests)]


def _falls(query: Query) -> bool:
    """Tell whether the ids are wanted in falling order; there is no other order in history."""
    return any(order.descending for order in query.order)


def selected(kinds: Kinds, query: Query) -> str:
    """Return the condition that a row's entity is what the selectors ask for, patterns aside."""
    terms = [_selected(kinds, selector) for selector in query.selectors] or ["true"]
    return f"({' OR '.join(terms)})"


def _selected(kinds: Kinds, selector: Selector) -> str:
    terms = ["true"]
    if selector.types is not None:
        terms.append(window.among("type", kinds.types(selector.types)))
    if selector.ids:
        terms.append(window.among("entity", selector.ids))
    return f"({' AND '.join(terms)})"


def matching(cursor: duckdb.DuckDBPyConnection, wanted: Wanted, ids: Sequence[str]) -> list[str]:
    """Return those of the entities that have an instance in the window and meet the query."""
    query = wanted.query
    of_these = window.among("entity", ids)
    terms = [of_these, window.rows(wanted)]
    if query.attributes:
        terms.append(window.among("attribute", query.attributes))
    rows = cursor.execute(
        f"SELECT DISTINCT entity FROM windowed WHERE {' AND '.join(terms)}"
    ).fetchall()
    there = {str(row[0]) for row in rows}
    present = [id for id in ids if id in there]
    if not present or (query.q is None and query.geo is None and query.scope is None):
        return present
    documents = _documents(cursor, wanted, present)
    return [id for id in present if _accepted(query, documents[id])]


def _accepted(query: Query, entity: Entity) -> bool:
    conditions = (query.scope, query.q, query.geo)
    return all(evaluate.matches(one, entity) for one in conditions if one is not None)


def _documents(
    cursor: duckdb.DuckDBPyConnection, wanted: Wanted, ids: Sequence[str]
) -> dict[str, Entity]:
    """Return what the conditions look at, as entities whose attributes have many instances."""
    query = wanted.query
    documents: dict[str, Document] = {id: {"id": id, "type": []} for id in ids}
    created: dict[str, int] = {}
    of_these = window.among("entity", ids)
    if query.q is not None:
        names = mentioned(query.q)
        sql = f"{of_these} AND NOT deleted AND {window.inside(wanted.temporal)}"
        if names is not None:
            sql += f" AND {window.among('attribute', names)}"
        for row in _distinct(cursor, sql):
            instance = instance_of(row)
            created.setdefault(instance.entity, instance.created)
            _put(documents[instance.entity], instance)
    if query.geo is not None:
        for instance in _places(wanted, in_force(cursor, wanted, ids, query.geo.attribute)):
            _put(documents[instance.entity], instance)
    if query.scope is not None:
        for instance in in_force(cursor, wanted, ids, SCOPE):
            document = documents[instance.entity]
            document[SCOPE] = [*document.get(SCOPE, ()), *as_list(instance.value)]
    return {id: Entity(document, created.get(id, 0), 0, 0) for id, document in documents.items()}


def _distinct(cursor: duckdb.DuckDBPyConnection, condition: str) -> Iterator[Any]:
    yield from cursor.execute(f"SELECT {COLUMNS} FROM windowed WHERE {condition}").fetchall()


def mentioned(condition: Condition) -> set[str] | None:
    """Return the attributes that a condition looks at; None if it may look at any."""
    match condition:
        case Compare(path) | Exists(path):
            name = path.attribute
            return None if path.links or name in ("createdAt", "modifiedAt") else {name}
        case Not(item):
            return mentioned(item)
        case And(items) | Or(items):
            names = [mentioned(item) for item in items]
            found = [one for one in names if one is not None]
            return set().union(*found) if len(found) == len(names) else None
        case _:
            return None


def in_force(
    cursor: duckdb.DuckDBPyConnection, wanted: Wanted, ids: Sequence[str], attribute: str
) -> list[Instance]:
    """Return the instances of an attribute that were in force at any time within the window.

    One is in force from its time until the next of its dataset, a deletion among them.
    """
    start, end = window.bounds(wanted.temporal)
    rows = cursor.execute(
        f"SELECT {COLUMNS}, epoch_us(lead(time) OVER (PARTITION BY entity, dataset"
        f" ORDER BY time, seq)) FROM history WHERE {window.among('entity', ids)}"
        f" AND attribute = {window.text(attribute)}"
        + (f" AND time < {window.instant(end)}" if end is not None else "")
        + " ORDER BY entity, time, seq"
    ).fetchall()
    return [
        instance_of(row[:-1])
        for row in rows
        if not row[12] and (start is None or row[-1] is None or row[-1] > start)
    ]


def _places(wanted: Wanted, found: Sequence[Instance]) -> Iterator[Instance]:
    """Yield the places that lie in the window; of what has none there, the one it had before."""
    start, _ = window.bounds(wanted.temporal)
    inside = {one.entity for one in found if start is None or one.time >= start}
    for one in found:
        if one.entity not in inside or start is None or one.time >= start:
            yield one


def _put(document: Document, instance: Instance) -> None:
    if instance.kind in VALUE_MEMBER:
        document.setdefault(instance.attribute, []).append(attribute_of(instance))


def attribute_of(instance: Instance) -> Attribute:
    """Return an instance as it stands in a document."""
    attribute: Attribute = {"type": instance.kind, VALUE_MEMBER[instance.kind]: instance.value}
    if instance.observed:
        attribute["observedAt"] = time.render(instance.time)
    if instance.unit is not None:
        attribute["unitCode"] = instance.unit
    if instance.dataset is not None:
        attribute["datasetId"] = instance.dataset
    if instance.more is not None:
        attribute |= instance.more
    return attribute


def as_list(value: Any) -> list[Any]:
    """Return a value that may be one or several as several."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def grouped(instances: Sequence[Instance]) -> dict[str, list[Instance]]:
    """Return instances by entity."""
    found: dict[str, list[Instance]] = defaultdict(list)
    for instance in instances:
        found[instance.entity].append(instance)
    return found

"""The city at an instant, and what differs between two.

The state at an instant is what had been observed by then: of each attribute and dataset the
instance with the latest ``time``. A value that arrived late, or was loaded from a file years
afterwards, belongs to the time at which it was observed. What was deleted by then is not there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from madang.lake import window
from madang.lake.kinds import Kinds
from madang.lake.questions import SCOPE, TYPE, Difference, Instance
from madang.lake.selection import attribute_of, candidates, grouped
from madang.lake.values import COLUMNS, instance_of
from madang.model.attributes import VALUE_MEMBER
from madang.model.entity import Document, Entity, Stamp, Times, path_of
from madang.query import evaluate
from madang.query.tree import Query

if TYPE_CHECKING:
    import duckdb

BATCH = 1000  # entities put together at once


def state(cursor: duckdb.DuckDBPyConnection, id: str, at: int) -> Entity | None:
    """Answer :meth:`madang.lake.protocol.Lake.state`."""
    return _states(cursor, [id], at).get(id)


def states(
    cursor: duckdb.DuckDBPyConnection, kinds: Kinds, query: Query, at: int
) -> tuple[list[Entity], int | None, bool]:
    """Answer :meth:`madang.lake.protocol.Lake.states`."""
    end = query.offset + query.limit
    found: list[Entity] = []
    for batch in _batches(candidates(cursor, kinds, query)):
        states = _states(cursor, batch, at)
        found += [states[id] for id in batch if id in states and _accepts(query, states[id])]
        if len(found) > end and not query.count:
            break
    return found[query.offset : end], len(found) if query.count else None, len(found) > end


def _accepts(query: Query, entity: Entity) -> bool:
    return evaluate.accepts(query, entity)


def differences(
    cursor: duckdb.DuckDBPyConnection, kinds: Kinds, query: Query, since: int, until: int
) -> Iterator[Difference]:
    """Answer :meth:`madang.lake.protocol.Lake.differences`."""
    for batch in _batches(candidates(cursor, kinds, query)):
        rows = cursor.execute(
            f"SELECT DISTINCT entity FROM history WHERE {window.among('entity', batch)}"
            f" AND time > {window.instant(since)} AND time <= {window.instant(until)}"
            " ORDER BY entity"
        ).fetchall()
        ids = [str(row[0]) for row in rows]
        if not ids:
            continue
        before, after = _states(cursor, ids, since), _states(cursor, ids, until)
        for id in ids:
            old, new = before.get(id), after.get(id)
            if _document(old) == _document(new):
                continue
            if any(one is not None and _accepts(query, one) for one in (old, new)):
                yield Difference(id, old, new)


def _document(entity: Entity | None) -> Document | None:
    return None if entity is None else entity.document


def _batches(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]


def _states(cursor: duckdb.DuckDBPyConnection, ids: Sequence[str], at: int) -> dict[str, Entity]:
    """Return those of the entities that existed, as they were."""
    rows = cursor.execute(
        f"""
        SELECT {COLUMNS} FROM history
        WHERE {window.among("entity", ids)} AND time <= {window.instant(at)}
        QUALIFY row_number() OVER (PARTITION BY entity, attribute, dataset
                                   ORDER BY time DESC, created DESC, abs(seq) DESC) = 1
        ORDER BY entity, created, attribute, dataset NULLS FIRST
        """
    ).fetchall()
    found = {
        id: entity_at(instances)
        for id, instances in grouped([instance_of(r) for r in rows]).items()
    }
    return {id: entity for id, entity in found.items() if entity is not None}


def entity_at(latest: Sequence[Instance]) -> Entity | None:
    """Return the entity that the latest instances of its attributes make; None if it was deleted.

    What came before the entity was created anew belongs to the one that was deleted.
    """
    about = next((one for one in latest if one.attribute == TYPE), None)
    if about is not None and about.deleted:
        return None
    rest = [one for one in latest if one.attribute != TYPE]
    if about is not None and about.kind == "Created":
        rest = [one for one in rest if one.created >= about.created or one.seq < 0]
    if about is None and not rest:
        return None
    newest = max((*rest, *([about] if about else [])), key=lambda one: one.created)
    types = newest.type.split(" ")
    document: Document = {"id": newest.entity, "type": types if len(types) > 1 else types[0]}
    times: Times = {}
    for one in rest:
        _put(document, times, one)
    created = about.created if about else min(one.created for one in rest)
    return Entity(document, created, newest.created, newest.created, times)


def _put(document: Document, times: Times, one: Instance) -> None:
    if one.deleted:
        return
    if one.attribute == SCOPE:
        document[SCOPE] = one.value
        return
    if one.kind not in VALUE_MEMBER:
        return
    attribute = attribute_of(one)
    present: Any = document.get(one.attribute)
    if present is None:
        document[one.attribute] = attribute
    elif isinstance(present, list):
        present.append(attribute)
    else:
        document[one.attribute] = [present, attribute]
    times[path_of(one.attribute, attribute)] = Stamp(one.created, one.modified or one.created)

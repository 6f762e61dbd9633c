"""The histories of a page of entities, instance by instance."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from madang.lake import window
from madang.lake.kinds import Kinds
from madang.lake.questions import SCOPE, TYPE, Instance, Past, Pasts, Wanted
from madang.lake.selection import (
    all_shown,
    as_list,
    candidates,
    grouped,
    in_force,
    select,
    shown,
)
from madang.lake.values import COLUMNS, instance_of, types_of
from madang.model.entity import Entity
from madang.query import evaluate
from madang.query.tree import Condition

if TYPE_CHECKING:
    import duckdb

FEW_NEWEST = 10_000
"""Of each attribute; for more, all are sorted."""

Span = tuple[Instance, int | None]
"""A scope, from its time on, until before another instant if there is one."""


def read(cursor: duckdb.DuckDBPyConnection, kinds: Kinds, wanted: Wanted) -> Pasts:
    """Answer :meth:`madang.lake.protocol.Lake.pasts`."""
    ids = candidates(cursor, kinds, wanted.query)
    # What the instances themselves tell is not asked beforehand.
    page = None if all_shown(wanted.query, ids) else select(cursor, wanted, ids)
    asked = ids if page is None else page.ids
    if page is not None and not page.ids:
        return Pasts([], page.count, page.more)
    condition = f"{window.among('entity', asked)} AND {window.rows(wanted)}"
    cut = _cut(cursor, wanted, condition)
    found = grouped(_instances(cursor, wanted, condition, cut))
    page = page or shown(cursor, wanted, ids, found)
    if wanted.query.scope is not None:
        found = _while_in_scope(cursor, wanted, wanted.query.scope, found)
    facts = _facts(cursor, page.ids)
    pasts = [_past(id, facts.get(id), found.get(id, [])) for id in page.ids]
    return Pasts(pasts, page.count, page.more, _covered(wanted, found, cut))


def _order(wanted: Wanted) -> str:
    """Return the order in time; what was recorded at once comes as it was observed, and told."""
    falling = " DESC" if wanted.last_n else ""
    terms = dict.fromkeys((window.time_of(wanted.temporal), "time", "abs(seq)"))
    return ", ".join(term + falling for term in terms)


def _numbered(wanted: Wanted) -> str:
    return f"row_number() OVER (PARTITION BY entity, attribute ORDER BY {_order(wanted)})"


def _cut(cursor: duckdb.DuckDBPyConnection, wanted: Wanted, condition: str) -> int | None:
    """Return the time at which the answer must end, if it would be too long."""
    most = wanted.most
    if most is None or (wanted.last_n is not None and wanted.last_n <= most):
        return None
    row = cursor.execute(
        f"""
        SELECT epoch_us({"max" if wanted.last_n else "min"}(edge))
        FROM ({_edges(wanted, condition, most)}) WHERE size > {most}
        """
    ).fetchone()
    return None if row is None else row[0]


def _edges(wanted: Wanted, condition: str, number: int) -> str:
    """Return the SQL of the time of the so-manieth instance of each attribute of each entity."""
    column = window.time_of(wanted.temporal)
    first = f"{'max' if wanted.last_n else 'min'}({column}, {number})"
    return (
        f"SELECT entity, attribute, list_last({first}) AS edge, count(*) AS size"
        f" FROM windowed WHERE {condition} GROUP BY entity, attribute"
    )


def _instances(
    cursor: duckdb.DuckDBPyConnection, wanted: Wanted, condition: str, cut: int | None
) -> list[Instance]:
    column = window.time_of(wanted.temporal)
    if cut is not None:
        condition += f" AND {column} {'>=' if wanted.last_n else '<='} {window.instant(cut)}"
    source, qualified = "windowed", ""
    if wanted.last_n:
        qualified = f"QUALIFY {_numbered(wanted)} <= {wanted.last_n}"
        if wanted.last_n <= FEW_NEWEST:  # whole rows are sorted only from these times on
            edges = _edges(wanted, condition, wanted.last_n)
            source = f"windowed JOIN ({edges}) USING (entity, attribute)"
            condition += f" AND {column} >= edge"
    rows = cursor.execute(
        f"SELECT {COLUMNS} FROM {source} WHERE {condition} {qualified}"
        f" ORDER BY entity, attribute, dataset NULLS FIRST, {_order(wanted)}"
    ).fetchall()
    return [instance_of(row) for row in rows]


def _covered(
    wanted: Wanted, found: dict[str, list[Instance]], cut: int | None
) -> tuple[int, int] | None:
    times = [moment(wanted, one) for instances in found.values() for one in instances]
    if cut is None or not times:
        return None
    return (max(times), min(times)) if wanted.last_n else (min(times), max(times))


def moment(wanted: Wanted, instance: Instance) -> int:
    """Return the time of an instance that the window is about."""
    match wanted.temporal.property if wanted.temporal is not None else "observedAt":
        case "observedAt":
            return instance.time
        case "modifiedAt":
            return instance.modified or instance.created
        case _:
            return instance.created


def _past(id: str, fact: _Fact | None, instances: list[Instance]) -> Past:
    recorded = [one.modified or one.created for one in instances]
    if fact is None:  # whoever asks may not see what is told of the entity itself
        types = instances[-1].type if instances else ""
        return Past(id, types_of(types), instances, min(recorded, default=None), None, None)
    ended = fact.deleted is not None and (fact.begun is None or fact.begun <= fact.deleted)
    latest = max([fact.modified, *recorded])
    deleted = fact.deleted if ended else None
    return Past(id, types_of(fact.types), instances, fact.created, latest, deleted)


class _Fact(NamedTuple):
    """What the rows about an entity itself tell; all of an entity's rows would be too many."""

    types: str
    created: int
    modified: int
    deleted: int | None
    begun: int | None


def _facts(cursor: duckdb.DuckDBPyConnection, ids: list[str]) -> dict[str, _Fact]:
    rows = cursor.execute(
        f"""
        SELECT entity, arg_max(type, created), epoch_us(min(created)), epoch_us(max(created)),
               epoch_us(max(time) FILTER (deleted)), epoch_us(max(time) FILTER (NOT deleted))
        FROM about WHERE attribute = '{TYPE}' AND {window.among("entity", ids)} GROUP BY entity
        """
    ).fetchall()
    return {id: _Fact(*rest) for id, *rest in rows}


def _while_in_scope(
    cursor: duckdb.DuckDBPyConnection,
    wanted: Wanted,
    condition: Condition,
    found: dict[str, list[Instance]],
) -> dict[str, list[Instance]]:
    """Keep the instances of the times at which the entity was in a scope that was asked for."""
    test = evaluate.compile(condition)
    spans: dict[str, list[Span]] = {}
    scopes = grouped(in_force(cursor, wanted, list(found), SCOPE))
    for id, changes in scopes.items():
        ends = [*(one.time for one in changes[1:]), None]
        for change, end in zip(changes, ends, strict=True):
            document = {"id": id, "type": [], "scope": as_list(change.value)}
            if test(Entity(document, 0, 0, 0), None):
                spans.setdefault(id, []).append((change, end))
    return {
        id: [
            *(_set_before(wanted, instances, spans[id])),
            *(one for one in instances if any(_lies(one, span) for span in spans[id])),
        ]
        for id, instances in found.items()
        if id in spans
    }


def _set_before(wanted: Wanted, instances: list[Instance], spans: list[Span]) -> list[Instance]:
    """Return the scopes that were asked for and set before the window, to be shown with it."""
    if (wanted.attributes and SCOPE not in wanted.attributes) or SCOPE in wanted.omitted:
        return []
    shown = {one.id for one in instances if one.attribute == SCOPE}
    return [scope for scope, _ in spans if scope.id not in shown]


def _lies(instance: Instance, span: Span) -> bool:
    scope, end = span
    # What a device observed just before its entity was made belongs to that entity's scope.
    times = (instance.time,) if scope.observed else (instance.time, instance.created)
    return any(scope.time <= one and (end is None or one < end) for one in times)

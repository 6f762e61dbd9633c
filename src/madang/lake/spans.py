"""When entities were where a geo-query asks for, and in which scopes.

A place or a scope is in force from its time until the next one of its kind; the first one also
before it, for what was observed before anybody said where the sensor is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from madang.lake import window
from madang.lake.kinds import Kinds
from madang.lake.questions import SCOPE
from madang.lake.selection import as_list, selected
from madang.model.entity import Entity
from madang.query import evaluate
from madang.query.tree import Condition, Geo, Query

if TYPE_CHECKING:
    import duckdb

BEGINNING, END = -(2**55), 2**55  # [us]; eleven centuries before and after 1970
VALUES = 100_000  # different places or scopes of which the answer is remembered


class Spans(NamedTuple):
    """Entities and the times between which something held for them: columns of equal length."""

    entities: list[str]
    since: list[int]
    until: list[int]


def create(cursor: duckdb.DuckDBPyConnection, name: str, spans: Spans) -> None:
    """Make a temporary table of spans: ``who``, ``since``, ``until``."""
    # As one text: of each value in a list, DuckDB would ask whether NumPy or pandas made it.
    rows = orjson.dumps(list(zip(*spans, strict=True))).decode()
    cursor.execute(
        f"CREATE OR REPLACE TEMP TABLE {name} AS"
        " SELECT x->>0 AS who, make_timestamp(CAST(x->>1 AS BIGINT)) AS since,"
        " make_timestamp(CAST(x->>2 AS BIGINT)) AS until"
        """ FROM (SELECT unnest(from_json($1, '["JSON"]')) AS x)""",
        [rows],
    )


def of_place(cursor: duckdb.DuckDBPyConnection, kinds: Kinds, query: Query, geo: Geo) -> Spans:
    """Return when entities that the selectors ask for lay as the geo-query says."""
    test = evaluate.compile(geo)

    def lies(json: str) -> bool:
        place = {"type": "GeoProperty", "value": orjson.loads(json)}
        return test(Entity({"id": "", "type": [], geo.attribute: place}, 0, 0, 0), None)

    return _spans(_changes(cursor, kinds, query, geo.attribute), lies)


def of_scope(
    cursor: duckdb.DuckDBPyConnection, kinds: Kinds, query: Query, scope: Condition
) -> Spans:
    """Return when entities that the selectors ask for were in a scope."""
    test = evaluate.compile(scope)

    def holds(json: str) -> bool:
        document = {"id": "", "type": [], SCOPE: as_list(orjson.loads(json))}
        return test(Entity(document, 0, 0, 0), None)

    return _spans(_changes(cursor, kinds, query, SCOPE), holds)


def _changes(
    cursor: duckdb.DuckDBPyConnection, kinds: Kinds, query: Query, attribute: str
) -> list[Any]:
    return cursor.execute(
        f"""
        SELECT entity, coalesce(json, to_json(text)), epoch_us(time),
               epoch_us(lead(time) OVER series), row_number() OVER series, deleted
        FROM history WHERE attribute = {window.text(attribute)} AND {selected(kinds, query)}
        WINDOW series AS (PARTITION BY entity, dataset ORDER BY time, created, abs(seq))
        """
    ).fetchall()


def _spans(changes: Iterable[Any], test: Callable[[str], bool]) -> Spans:
    known = lru_cache(VALUES)(test)
    spans = Spans([], [], [])
    for entity, json, start, end, number, deleted in changes:
        if not deleted and json is not None and known(json):
            spans.entities.append(entity)
            spans.since.append(BEGINNING if number == 1 else start)
            spans.until.append(END if end is None else end)
    return spans

"""Reading the SQLite engine: a plan for each query, run at once if cheap, else in a thread."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import apsw

from madang.model.errors import TooComplexQuery
from madang.query import geo, order
from madang.query.decide import ALWAYS, decided, rest_of
from madang.query.tree import Condition, Query
from madang.store import sql
from madang.store.protocol import Documents, Page, Row
from madang.store.rows import entity_of
from madang.store.shapes import Known, Shapes

MERGED_SHAPES = 24  # up to so many shapes are read side by side, in order, each from its index
PLANS = 1_000  # plans kept

_COLUMNS = "e.id, e.doc, e.created, e.modified, e.written, e.expires, e.times"
_ALIVE = """(e.expires IS NULL OR coalesce(json_extract(e.times, '$.""[2]'), 9e18) > ?)"""
_GET = f"SELECT {_COLUMNS} FROM entity e WHERE e.id=?"


@dataclass(frozen=True, slots=True)
class Plan:
    """How a query is read: the statement for its page, and how to count all matches."""

    query: Query
    generation: int
    """Of the shapes it was made for."""
    statement: str
    """Without LIMIT and OFFSET."""
    texts: str
    """The same of documents alone."""
    page: str
    """LIMIT and OFFSET."""
    values: tuple[Any, ...]
    counting: str
    """The statement that counts all matches; of the shapes' counts alone, if they decide."""
    counted: tuple[Any, ...]
    """Its values."""
    in_memory: bool
    """Ordering needs all matches looked at in Python; no LIMIT in the statement."""


def row_of(values: Any) -> Row:
    id, doc, created, modified, written, expires, times = values
    stamps = None if times is None else times.encode()
    return Row(id, doc.encode(), created, modified, written, expires, stamps)


def plan(query: Query, shapes: Shapes, now: int | None = None) -> Plan:
    """Choose how to read: by id, by place, or in the order of rows through the index of shapes.

    Args:
        query: what is asked.
        shapes: of the store.
        now: leave out entities that expired until then; None if none has. [us since 1970]
    """
    fitting = shapes.where(sql.shape_condition(query))
    where, values = _rest(query, fitting, now)
    in_memory = bool(query.order)
    source, bound = _source(query, fitting, shapes, where, tuple(values))
    counting, counted = f"SELECT count(*) FROM ({source('e.rowid')})", bound
    if not where:
        ids = ",".join(str(shape.id) for shape in fitting)
        counting, counted = f"SELECT coalesce(sum(count), 0) FROM shape WHERE id IN ({ids})", ()
    statement, texts = source(_COLUMNS), source("e.doc")
    page = "" if in_memory else f" LIMIT {query.limit + 1} OFFSET {query.offset}"
    return Plan(
        query, shapes.generation, statement, texts, page, bound, counting, counted, in_memory
    )


def _rest(query: Query, fitting: list[Known], now: int | None) -> tuple[str, list[Any]]:
    """Return what the shapes that fit do not decide, and its values."""
    reach = query.reach
    if reach is not None and len(fitting) <= MERGED_SHAPES:
        query = replace(query, reach=rest_of(reach, lambda part: _same_for(part, fitting)))
    where, values = sql.where(query)
    if now is not None:
        where = f"({where}) AND {_ALIVE}" if where else _ALIVE
        values = [*values, now]
    return where, values


def _same_for(condition: Condition, shapes: list[Known]) -> bool | None:
    """Return what a condition comes to for entities of these shapes; None if not the same."""
    found = {decided(condition, shape.types, shape.names) for shape in shapes}
    return found.pop() if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class Tally:
    """How entities that match are counted by shape."""

    sure: list[Known]
    """All entities of these match."""
    statement: str
    """Counts those of the other shapes: rows of the shape and how many."""
    values: tuple[Any, ...]


def tally(query: Query, shapes: Shapes, now: int | None = None) -> Tally:
    """Choose how to count the entities that match, by shape. See :func:`plan`."""
    fitting = shapes.where(sql.shape_condition(query))
    open_to_all = not sql.where(replace(query, reach=None))[0] and now is None
    sure = [one for one in fitting if open_to_all and _same_for(query.reach or ALWAYS, [one])]
    unsure = [one for one in fitting if one not in sure]
    where, values = _rest(query, unsure, now)
    ids = ",".join(str(shape.id) for shape in unsure)
    statement = (
        "SELECT s.types, s.attributes, count(*) FROM entity e JOIN shape s ON s.id = e.shape"
        f" WHERE e.shape IN ({ids}) AND ({where or '1'}) GROUP BY e.shape"
    )
    return Tally(sure, statement if unsure else "", tuple(values))


def _source(
    query: Query, fitting: list[Known], shapes: Shapes, where: str, values: tuple[Any, ...]
) -> tuple[Callable[[str], str], tuple[Any, ...]]:
    """Return a maker of the SELECT for given columns, in a stable order, and its values."""
    ids = ",".join(str(shape.id) for shape in fitting)
    rest = f" AND ({where})" if where else ""
    box = geo.bounds(query.geo) if query.geo is not None else None
    if box is not None:
        west, south, east, north = box
        return (
            lambda columns: (
                f"SELECT {columns} FROM place p CROSS JOIN entity e ON e.rowid=p.rowid"
                " WHERE p.east>=? AND p.west<=? AND p.north>=? AND p.south<=?"
                f" AND +e.shape IN ({ids}){rest}"
            ),
            (west, east, south, north, *values),
        )
    if len(fitting) == len(shapes.where(None)) or _common(fitting, shapes):
        some = "1" if len(fitting) == len(shapes.where(None)) else f"+e.shape IN ({ids})"
        return (
            lambda columns: f"SELECT {columns} FROM entity e WHERE {some}{rest} ORDER BY e.rowid",
            values,
        )
    if any(selector.ids for selector in query.selectors) or len(fitting) > MERGED_SHAPES:
        return (
            lambda columns: (
                f"SELECT {columns} FROM entity e WHERE e.shape IN ({ids}){rest} ORDER BY e.rowid"
            ),
            values,
        )
    return (
        lambda columns: _merged(columns, [shape.id for shape in fitting], rest),
        values * max(1, len(fitting)),
    )


def _merged(columns: str, ids: list[int], rest: str) -> str:
    shown = "e.rowid AS place" if columns == "e.rowid" else f"{columns}, e.rowid AS place"
    arms = [f"SELECT {shown} FROM entity e WHERE e.shape={id}{rest}" for id in ids or [-1]]
    if len(arms) == 1:
        return f"{arms[0]} ORDER BY e.rowid"
    return f"{' UNION ALL '.join(arms)} ORDER BY place"


def _common(fitting: list[Known], shapes: Shapes) -> bool:
    """Tell whether many shapes make up so much of the store that walking all of it is best."""
    if len(fitting) <= MERGED_SHAPES:
        return False
    all_of_them = sum(shape.count for shape in shapes.all.values())
    return 4 * sum(shape.count for shape in fitting) > all_of_them


def execute(connection: apsw.Connection, work: Plan, deadline: float | None) -> Page:
    """Read a page and, if asked, the count, both of one moment."""
    if work.in_memory:
        return _page_in_memory(connection, work, deadline)
    found, count = _read(connection, work, work.statement)
    rows = [row_of(values[:7]) for values in found]
    return Page(rows, count, _cut(rows, work.query.limit))


def _read(connection: apsw.Connection, work: Plan, statement: str) -> tuple[list[Any], int | None]:
    query = work.query
    if not query.count:
        return connection.execute(statement + work.page, work.values).fetchall(), None
    connection.execute("BEGIN")  # ended by `free`, if not here
    found = []
    if query.limit:
        found = connection.execute(statement + work.page, work.values).fetchall()
    [(count,)] = connection.execute(work.counting, work.counted)
    connection.execute("COMMIT")
    return found, int(count)


def _cut(rows: list[Any], limit: int) -> bool:
    """Take off the row that only shows that there are more, and tell whether it was there."""
    more = 0 < limit < len(rows)
    if more:
        rows.pop()
    return more


def _stop() -> bool:
    return True


def free(connection: apsw.Connection) -> None:
    """End what an interrupted query left open."""
    connection.set_progress_handler(None)
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _page_in_memory(connection: apsw.Connection, work: Plan, deadline: float | None) -> Page:
    query = work.query
    found: list[tuple[Any, Row]] = []

    for values in connection.execute(work.statement, work.values):
        row = row_of(values[:7])
        found.append((order.sort_key(entity_of(row), query.order, query.collation), row))
        if deadline is not None and time.monotonic() > deadline:
            raise TooComplexQuery("the query takes too long; narrow it by type, id or place")
    found.sort(key=lambda pair: pair[0])
    end = query.offset + query.limit
    page = [row for _, row in found[query.offset : end]]
    return Page(page, len(found) if query.count else None, len(found) > end)


class Reader:
    """Reads on the event loop's own thread: single entities, and pages that take little work."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        connection.pragma("query_only", True)
        sql.register(connection)
        self._plans: dict[int, Plan] = {}

    def get(self, id: str) -> Row | None:
        values = self._connection.execute(_GET, (id,)).fetchone()
        return None if values is None else row_of(values)

    def all(self, statement: str, values: tuple[Any, ...] = ()) -> list[Any]:
        return list(self._connection.execute(statement, values))

    def plan(self, query: Query, shapes: Shapes) -> Plan:
        """Return the plan of a query, kept while no shape has come or gone.

        Plans are found by the identity of the query: the same object comes for the same request,
        and hashing it would cost more than the look-up.
        """
        found = self._plans.get(id(query))
        if found is None or found.query is not query or found.generation != shapes.generation:
            if len(self._plans) > PLANS:
                self._plans.clear()
            found = self._plans[id(query)] = plan(query, shapes)
        return found

    def run(self, work: Plan, steps: int) -> Page | None:
        """Return the page, or None if it takes more than about so many SQLite steps."""
        if work.in_memory:
            return None
        with self._bounded(steps):
            return execute(self._connection, work, None)
        return None

    def documents(self, work: Plan, steps: int) -> Documents | None:
        """Return the documents of the page, or None as :meth:`run` does."""
        if work.in_memory:
            return None
        with self._bounded(steps):
            found, count = _read(self._connection, work, work.texts)
            texts = [values[0] for values in found]
            return Documents(texts, count, _cut(texts, work.query.limit))
        return None

    @contextmanager
    def _bounded(self, steps: int) -> Iterator[None]:
        """End what takes more than about so many steps, without an error."""
        self._connection.set_progress_handler(_stop, steps)
        try:
            yield
        except apsw.InterruptError:
            pass
        finally:
            free(self._connection)

    def close(self) -> None:
        self._connection.close()

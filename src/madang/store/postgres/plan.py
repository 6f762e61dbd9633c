"""How a query is read from PostgreSQL: its statement, and what is left to look at in memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from madang.query.decide import ALWAYS, decided, rest_of
from madang.query.tree import Condition, Query
from madang.store.postgres.sql import TRUE, Sql, where
from madang.store.shapes import Known, Shapes
from madang.store.sql import shape_condition

COLUMNS = "e.id, e.doc, e.created, e.modified, e.written, e.expires, e.times"
DECIDED_SHAPES = 24  # of up to so many it is seen whether they decide the reader's reach
_ALIVE = Sql("(e.ends IS NULL OR e.ends > %s)")


EARLY = 200
"""So many are looked at before an index is asked: what many match is found among the first, and the
others cost little. PostgreSQL cannot tell which it will be, and guesses wrong either way."""


@dataclass(frozen=True, slots=True)
class Source:
    """FROM and WHERE of a query, over ``e``."""

    table: str
    shapes: str
    """Condition on the shape; empty for all."""
    rest: Sql

    @property
    def text(self) -> str:
        """Where all rows are; an index decides alone which, whatever the order and the limit."""
        tests = [test for test in (self.shapes, self._rest) if test]
        condition = f" WHERE {' AND '.join(tests)}" if tests else ""
        plain = f"FROM {self.table} e{condition}"
        return f"FROM (SELECT * {plain} OFFSET 0) e" if self.rest.indexed else plain

    @property
    def early(self) -> str:
        """Where those among the first are."""
        shapes = f" WHERE {self.shapes}" if self.shapes else ""
        first = f"SELECT * FROM {self.table} e{shapes} ORDER BY e.id LIMIT {EARLY}"
        return f"FROM ({first}) e WHERE {self._rest}"

    @property
    def _rest(self) -> str:
        return f"({self.rest.text})" if self.rest.text != TRUE.text else ""


@dataclass(frozen=True, slots=True)
class Plan:
    """How a query is read."""

    query: Query
    generation: int
    """Of the shapes it was made for."""
    source: Source
    counting: str
    counted: tuple[Any, ...]

    @property
    def is_direct(self) -> bool:
        """Tell whether the statement can make the page and the count by itself."""
        return self.exact and not self.query.order

    @property
    def exact(self) -> bool:
        """Tell whether all rows match; otherwise they have to be looked at in memory."""
        return self.source.rest.exact

    @property
    def values(self) -> tuple[Any, ...]:
        """Return the values of :meth:`select`."""
        return self.source.rest.values

    def select(self, columns: str = COLUMNS) -> str:
        """Return the statement that finds all rows in a stable order."""
        return f"SELECT {columns} {self.source.text} ORDER BY e.id"

    def part(self, columns: str, limit: int, offset: int = 0) -> tuple[str, tuple[Any, ...]]:
        """Return the statement of some rows in that order, and its values."""
        cut = f"ORDER BY e.id LIMIT {limit} OFFSET {offset}"
        whole = f"SELECT {columns} {self.source.text}"
        if not self.source.rest.indexed:
            return f"{whole} {cut}", self.values
        early = f"SELECT {columns} {self.source.early} {cut}"
        late = f"{whole} WHERE (SELECT count(*) FROM early) < {limit} {cut}"
        text = (
            f"WITH early AS MATERIALIZED ({early})"
            f" SELECT * FROM early WHERE (SELECT count(*) FROM early) = {limit}"
            f" UNION ALL ({late})"
        )
        return text, (*self.values, *self.values)

    def page(self, columns: str = COLUMNS) -> tuple[str, tuple[Any, ...]]:
        """Return the statement of the page, and one row more to see whether there are more."""
        return self.part(columns, self.query.limit + 1, self.query.offset)

    def is_current(self, shapes: Shapes) -> bool:
        """Tell whether no shape has come since that the query should have looked at."""
        return not shapes.has_new(self.generation, shape_condition(self.query))


def plan(query: Query, shapes: Shapes, schema: str, now: int | None = None) -> Plan:
    """Choose how to read.

    Args:
        query: what is asked.
        shapes: of the store.
        schema: where its tables are.
        now: leave out entities that expired until then; None if none has. [us since 1970]
    """
    fitting = shapes.where(shape_condition(query))
    rest = _rest(query, fitting, now)
    ids = _ids(fitting)
    is_all = bool(ids) and len(fitting) == len(shapes.where(None))
    source = _source(schema, rest, ids, is_all=is_all)
    if rest == TRUE:
        known = f"{schema}.shape s WHERE {_of(ids, 's.id')}"
        counting = f"SELECT coalesce(sum(count), 0)::bigint FROM {known}"
        return Plan(query, shapes.generation, source, counting, ())
    counting = f"SELECT count(*) {source.text}"
    return Plan(query, shapes.generation, source, counting, rest.values)


def _source(schema: str, rest: Sql, ids: list[int], *, is_all: bool = False) -> Source:
    return Source(f"{schema}.entity", "" if is_all else _of(ids, "e.shape"), rest)


def _of(ids: list[int], column: str) -> str:
    """Return the test of shapes; as numbers in the text, for then statistics of them count."""
    if len(ids) == 1:
        return f"{column} = {ids[0]}"
    return f"{column} IN ({','.join(map(str, sorted(ids)))})" if ids else "false"


def _ids(shapes: list[Known]) -> list[int]:
    return [shape.id for shape in shapes]


def _rest(query: Query, fitting: list[Known], now: int | None) -> Sql:
    """Return what the shapes that fit do not decide."""
    reach = query.reach
    if reach is not None and len(fitting) <= DECIDED_SHAPES:
        query = replace(query, reach=rest_of(reach, lambda part: _same_for(part, fitting)))
    rest = where(query)
    if now is None:
        return rest
    text = _ALIVE.text if rest.text == TRUE.text else f"({rest.text}) AND {_ALIVE.text}"
    return Sql(text, (*rest.values, now), rest.exact, rest.indexed)


def _same_for(condition: Condition, shapes: list[Known]) -> bool | None:
    """Return what a condition comes to for entities of these shapes; None if not the same."""
    found = {decided(condition, shape.types, shape.names) for shape in shapes}
    return found.pop() if len(found) == 1 else None


@dataclass(frozen=True, slots=True)
class Tally:
    """How entities that match are counted by shape."""

    sure: list[Known]
    """All entities of these match."""
    unsure: Plan | None
    """Finds those of the others."""


def tally(query: Query, shapes: Shapes, schema: str, now: int | None = None) -> Tally:
    """Choose how to count the entities that match, by shape."""
    fitting = shapes.where(shape_condition(query))
    open_to_all = where(replace(query, reach=None)) == TRUE and now is None
    sure = [one for one in fitting if open_to_all and _same_for(query.reach or ALWAYS, [one])]
    if len(sure) == len(fitting):
        return Tally(sure, None)
    unsure = [one for one in fitting if one not in sure]
    rest, ids = _rest(query, unsure, now), _ids(unsure)
    source = _source(schema, rest, ids)
    counting = f"SELECT e.shape, count(*) {source.text} GROUP BY e.shape"
    return Tally(sure, Plan(query, shapes.generation, source, counting, rest.values))

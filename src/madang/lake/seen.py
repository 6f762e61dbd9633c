"""A lake as one reader sees it: every question is asked of the rows within reach, and of no others.

A row is within reach by the types that its entity had, and by the scopes it was in, at the time of
the row; what a city lets somebody see of today it does not take back from yesterday, and what moved
into their reach was not theirs before. The row that tells of an entity's creation is seen if the
entity ever was within reach. Conditions on values and places cannot be judged row by row: entities
whose being seen depends on one are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from madang.lake import spans, views, window
from madang.lake.kinds import Kinds
from madang.lake.questions import EVERYTHING, TYPE
from madang.query.decide import decided, rest_of
from madang.query.reach import HiddenNames, Reach
from madang.query.tree import And, Condition, HasId, InScope, Not, Or, Temporal

if TYPE_CHECKING:
    import duckdb

    from madang.lake.files import Files


class Untold(Exception):
    """A condition that rows cannot be judged by."""


class SeenFiles:
    """Files of a lake, to be read within a reach."""

    def __init__(self, files: Files, reach: Reach) -> None:
        self._files = files
        self._reach = reach
        self.kinds: Kinds = files.kinds

    @contextmanager
    def reading(self, temporal: Temporal | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
        """Give a cursor on which the views are what may be seen of them."""
        with self._files.reading(temporal) as cursor:
            where = within(cursor, self.kinds, self._reach)
            for view in views.VIEWS:
                cursor.execute(
                    f"CREATE OR REPLACE TEMP VIEW {view} AS SELECT * FROM"
                    f" memory.{self._files.name}.{view} WHERE {where}"
                )
            yield cursor

    def refresh(self) -> None:
        """Take up what other processes have committed."""
        self._files.refresh()

    def types(self) -> dict[str, frozenset[str]]:
        """Return the texts of types of which something may be seen, each with what is hidden."""
        condition, names = self._reach.condition, HiddenNames(self._reach.hidden)
        return {
            text: names.of(text.split(" "))
            for text in self.kinds.types()
            if condition is None or decided(condition, text.split(" ")) is not False
        }


def within(cursor: duckdb.DuckDBPyConnection, kinds: Kinds, reach: Reach) -> str:
    """Return the condition that a row of ``history`` is within reach, as SQL for this cursor."""
    names = HiddenNames(reach.hidden)
    scopes: list[InScope] = []
    terms = []
    for text in kinds.types():
        types = text.split(" ")
        try:
            rule = _rule(reach.condition, types, scopes)
        except Untold:
            continue
        if rule is None:
            continue
        hidden = names.of(types)
        without = f" AND NOT {window.among('attribute', sorted(hidden))}" if hidden else ""
        terms.append(f"(type = {window.text(text)} AND {rule}{without})")
    for number, scope in enumerate(scopes):
        spans.create(cursor, f"reach_{number}", spans.of_scope(cursor, kinds, EVERYTHING, scope))
    return " OR ".join(terms) or "false"


def _rule(condition: Condition | None, types: list[str], scopes: list[InScope]) -> str | None:
    """Return which rows of entities with these types are within reach; None if none is."""
    known = True if condition is None else decided(condition, types)
    if known is not None:
        return "true" if known else None
    assert condition is not None
    return judged(rest_of(condition, lambda item: decided(item, types)), scopes)


def judged(condition: Condition, scopes: list[InScope]) -> str:
    """Return a condition without types as SQL over rows; scopes it names are added to the list.

    Raises:
        Untold: it looks at values or places.
    """
    match condition:
        case And(items):
            return f"({' AND '.join(judged(item, scopes) for item in items) or 'true'})"
        case Or(items):
            return f"({' OR '.join(judged(item, scopes) for item in items) or 'false'})"
        case Not(item):
            return f"(NOT {judged(item, scopes)})"
        case HasId(ids):
            return window.among("entity", ids)
        case InScope():
            if condition not in scopes:
                scopes.append(condition)
            # Columns of the row, seen from inside the subquery, are not the span's.
            return (
                f"EXISTS (SELECT 1 FROM temp.reach_{scopes.index(condition)} AS span WHERE"
                f" span.who = entity AND (attribute = '{TYPE}'"
                " OR (time >= span.since AND time < span.until)))"
            )
        case _:
            raise Untold

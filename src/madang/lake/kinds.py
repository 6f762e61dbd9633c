"""What kinds of series a lake holds: which types have which attributes, of what form and unit.

There are few of them, so they are kept in memory and in a small table of their own: to find the
texts of ``type`` that a query means, and to make tidy views with typed columns.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import orjson

from madang.lake.questions import ABOUT_ENTITY, Kind
from madang.model.entity import Entity
from madang.query import evaluate
from madang.query.tree import Condition

if TYPE_CHECKING:
    import duckdb

MOST = 100_000  # kinds; data with more uses values as names, and gets no views of them

_FORM = """CASE WHEN deleted THEN 'none' WHEN number IS NOT NULL THEN 'number'
    WHEN text IS NOT NULL THEN 'text' WHEN json IN ('true', 'false') THEN 'boolean'
    ELSE 'json' END"""


class Kinds:
    """The kinds of series of one lake."""

    def __init__(self, known: Iterable[Kind] = ()) -> None:
        self._known: set[Kind] = set(known)
        self._new: set[Kind] = set()

    def read(self, cursor: duckdb.DuckDBPyConnection, lake: str) -> None:
        """Read what the lake has noted."""
        rows = cursor.execute(f"SELECT type, attribute, kind, form, unit FROM {lake}.series")
        self._known = {Kind(*row) for row in rows.fetchall()}
        self._new = self._new - self._known

    def learn(
        self, cursor: duckdb.DuckDBPyConnection, table: str, after: int | None = None
    ) -> None:
        """Note the kinds among the rows of a table, if only of those with numbers after one."""
        newer = "" if after is None else f" AND seq > {after}"
        rows = cursor.execute(
            f"SELECT DISTINCT type, attribute, kind, {_FORM} AS form, unit FROM {table}"
            f" WHERE NOT deleted{newer}"
        )
        found = {Kind(*row) for row in rows.fetchall()}
        if len(self._known) < MOST:
            self._new = self._new | (found - self._known)

    def add(self, kinds: Iterable[Kind]) -> None:
        """Note kinds that somebody else has learned."""
        self._new = self._new | (set(kinds) - self._known)

    def write(self, cursor: duckdb.DuckDBPyConnection, lake: str) -> set[Kind]:
        """Write what is new into the lake; tell :meth:`written` when that is committed."""
        new = set(self._new)
        if new:
            # As one text: a statement for each costs a millisecond, and more by its values.
            rows = orjson.dumps([tuple(kind) for kind in sorted(new, key=repr)]).decode()
            columns = ", ".join(f"x->>{n}" for n in range(len(Kind._fields)))
            cursor.execute(
                f"INSERT INTO {lake}.series SELECT {columns}"
                """ FROM (SELECT unnest(from_json($1, '["JSON"]')) AS x)""",
                [rows],
            )
        return new

    def written(self, kinds: set[Kind]) -> None:
        self._known = self._known | kinds
        self._new = self._new - kinds

    def all(self) -> set[Kind]:
        """Return every kind, of attributes and of facts about entities."""
        return self._known | self._new

    def attributes(self) -> list[Kind]:
        """Return the kinds of attributes, in order."""
        return sorted(
            (kind for kind in self.all() if kind.kind not in (*ABOUT_ENTITY, "Scope")),
            key=lambda kind: (kind.type, kind.attribute, kind.kind, kind.form, kind.unit or ""),
        )

    def types(self, condition: Condition | None = None) -> list[str]:
        """Return the texts of ``type`` in use that meet a condition on types."""
        texts = sorted({kind.type for kind in self.all()})
        if condition is None:
            return texts
        test = evaluate.compile(condition)
        return [
            text
            for text in texts
            if test(Entity({"id": "", "type": text.split(" ")}, 0, 0, 0), None)
        ]

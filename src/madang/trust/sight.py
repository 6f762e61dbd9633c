"""What one reader sees of single entities, rows and changes: whether at all, and what of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from madang.hub.seen import seen_change
from madang.model.entity import Entity
from madang.query.decide import decided
from madang.query.evaluate import compile
from madang.query.narrow import narrowed
from madang.query.reach import Reach
from madang.query.tree import Query
from madang.store.protocol import Change, Row, Shape
from madang.store.rows import entity_of
from madang.trust.hiding import Consented, Hiding, OnPersonal, Reading

T = TypeVar("T")

_QUERIES = 256  # narrowed queries kept for one reader
_KINDS = 4096  # entity types that are remembered, each with whether the reach covers it


class Sight:
    """Applies a reach to what is read.

    Args:
        reach: what the reader may read.
        consented: tells whether a person lets this reader see what consent opens.
        on_personal: is told of personal data that was shown.
    """

    def __init__(self, reach: Reach, consented: Consented, on_personal: OnPersonal) -> None:
        self.reach = reach
        self.hiding = Hiding(reach.hidden, reach.personal, consented)
        self.shows_all = self.hiding.is_none
        """Return whether nothing is hidden of the entities within reach, nor personal."""
        self._condition = reach.condition
        self._test = None if reach.condition is None else compile(reach.condition)
        self._on_personal = on_personal
        self._queries: dict[int, tuple[Query, Query]] = {}
        self._kinds: dict[bytes, bool | None] = {}

    def query(self, query: Query) -> Query:
        """Return a query narrowed to the reach.

        It is found by the identity of the query: the same object comes for the same request, and
        hashing it would cost more than the look-up.
        """
        found = self._queries.get(id(query))
        if found is None or found[0] is not query:
            if len(self._queries) >= _QUERIES:
                self._queries.clear()
            found = self._queries[id(query)] = query, narrowed(query, self.reach)
        return found[1]

    # --- entities and rows --------------------------------------------------------------------

    def sees(self, entity: Entity) -> bool:
        """Tell whether an entity is within reach."""
        return self._test is None or self._test(entity, None)

    def entity(self, entity: Entity) -> Entity | None:
        """Return an entity as it is seen; None if it is not."""
        if not self.sees(entity):
            return None
        return entity if self.shows_all else self._read(self.hiding.entity, entity)

    def row(self, row: Row) -> Row | None:
        """Return a row as it is seen; None if it is not."""
        if self._condition is not None:
            seen = self._kind(row)
            if seen is None:
                seen = self.sees(entity_of(row))
            if not seen:
                return None
        return row if self.shows_all else self._read(self.hiding.row, row)

    def rows(self, rows: list[Row]) -> list[Row]:
        """Return rows that are within reach as they are seen."""
        if self.shows_all:
            return rows
        return self._read(lambda many, reading: [self.hiding.row(r, reading) for r in many], rows)

    def texts(self, texts: list[str]) -> list[str]:
        """Return the JSON texts of documents that are within reach as they are seen."""
        if self.shows_all:
            return texts
        return self._read(lambda many, reading: [self.hiding.text(t, reading) for t in many], texts)

    def _read(self, work: Callable[[T, Reading], T], what: T) -> T:
        reading = Reading()
        found = work(what, reading)
        reading.tell(self._on_personal)
        return found

    def _kind(self, row: Row) -> bool | None:
        """Tell whether the reach covers the one type of an entity, as its text begins with it.

        None if that does not decide, or if the text begins otherwise. A quotation mark inside a
        JSON string has a backslash before it, so no id can pass for a type.
        """
        document = row.document
        start = len(row.id) + 17  # {"id":"…","type":"
        if not document.startswith(b'"type":"', start - 8) or not document.startswith(b'{"id":"'):
            return None
        kind = document[start : document.find(b'"', start)]
        try:
            return self._kinds[kind]
        except KeyError:
            return self._covered(kind)

    def _covered(self, kind: bytes) -> bool | None:
        """Work out and remember whether the reach covers all, or none, that is of just a type."""
        assert self._condition is not None
        if b"\\" in kind:
            return None
        if len(self._kinds) >= _KINDS:
            self._kinds.clear()
        found = self._kinds[kind] = decided(self._condition, (kind.decode(),))
        return found

    # --- shapes and changes -------------------------------------------------------------------

    def shapes(self, shapes: list[Shape]) -> list[Shape]:
        """Return shapes of entities within reach as they are seen, each once."""
        counts: dict[tuple[tuple[str, ...], tuple[tuple[str, tuple[str, ...]], ...]], int] = {}
        for shape in shapes:
            hidden = self.hiding.never_shown(shape.types)
            attributes = tuple(pair for pair in shape.attributes if pair[0] not in hidden)
            key = shape.types, attributes
            counts[key] = counts.get(key, 0) + shape.count
        return [Shape(types, attributes, count) for (types, attributes), count in counts.items()]

    def notices(self, change: Change) -> bool:
        """Tell whether a change is of an entity that is seen, or was before it."""
        after, before = change.after, change.before
        return (after is not None and self.sees(after)) or (
            before is not None and self.sees(before)
        )

    def change(self, change: Change) -> Change | None:
        """Return a change as it is seen; None if nothing of it is.

        What leaves the reach looks like a deletion, what comes into it like a creation.
        """
        reading = Reading()
        before, after = (self._state(one, reading) for one in (change.before, change.after))
        found = seen_change(change, before, after)
        if found is not None:
            reading.tell(self._on_personal)
        return found

    def _state(self, entity: Entity | None, reading: Reading) -> Entity | None:
        if entity is None or not self.sees(entity):
            return None
        return self.hiding.entity(entity, reading)

"""What one reader sees of single entities, rows and changes: whether at all, and what of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import orjson

from madang.hub.seen import seen_change
from madang.model.entity import Entity
from madang.query.decide import decided
from madang.query.evaluate import compile
from madang.query.narrow import narrowed
from madang.query.reach import Reach
from madang.query.tree import Query
from madang.store.protocol import Change, Row, Shape, Store
from madang.store.rows import entity_of
from madang.trust.hiding import Consented, Hiding, OnPersonal, Reading, row_of

T = TypeVar("T")

_QUERIES = 256  # narrowed queries kept for one reader
_KINDS = 4096  # entity types that are remembered, each with what of it is seen
_KIND = re.compile(rb'\{(?:"id":"[^"\\]*",)?"type":"([^"\\]*)"')
_TEXT_KIND = re.compile(_KIND.pattern.decode())
"""The one type of an entity, if its JSON text begins as usual. Neither the id nor the type holds a
quotation mark or a backslash, so nothing inside them passes for the type."""


class Kind(NamedTuple):
    """What of entities of just one type is seen."""

    seen: bool | None
    """Whether they are within reach at all; None if the type alone does not decide."""
    marks: tuple[bytes, ...]
    """Attributes to look for, as JSON text writes their names; orjson does here and in stores."""
    text_marks: tuple[str, ...]


class _Asked:
    """A query, and what it came to for this reader."""

    __slots__ = ("clear", "generation", "narrow", "query")

    def __init__(self, query: Query, narrow: Query) -> None:
        self.query = query
        self.narrow = narrow
        self.generation = -1
        self.clear = False


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
        self._condition = reach.condition
        self._test = None if reach.condition is None else compile(reach.condition)
        self._on_personal = on_personal
        self._shows_all = self.hiding.is_none
        self._is_whole = self._shows_all and reach.condition is None
        self._queries: dict[int, _Asked] = {}
        self._kinds: dict[str, Kind] = {}
        self._kinds_of_rows: dict[bytes, Kind] = {}

    def query(self, query: Query) -> Query:
        """Return a query narrowed to the reach."""
        return self._asked(query).narrow

    def is_clear(self, query: Query, store: Store, since: int) -> bool:
        """Tell whether nothing is hidden of what a query found, nor personal, so as it is stored.

        Args:
            query: as it was asked.
            store: where it was found.
            since: the store's generation before it was read. If another one has begun, entities
                may have been found whose layout is not known here.
        """
        if self._shows_all:
            return True
        generation = store.generation
        if generation != since:
            return False
        asked = self._asked(query)
        if asked.generation != generation:
            concerns = self.hiding.concerns
            asked.clear = not any(concerns(*layout) for layout in store.layouts(asked.narrow))
            asked.generation = generation
        return asked.clear

    def _asked(self, query: Query) -> _Asked:
        """Find a query by its identity.

        The same object comes for the same request, and hashing it would cost more.
        """
        found = self._queries.get(id(query))
        if found is None or found.query is not query:
            if len(self._queries) >= _QUERIES:
                self._queries.clear()
            found = self._queries[id(query)] = _Asked(query, narrowed(query, self.reach))
        return found

    # --- entities and rows --------------------------------------------------------------------

    def sees(self, entity: Entity) -> bool:
        """Tell whether an entity is within reach."""
        return self._test is None or self._test(entity, None)

    def entity(self, entity: Entity) -> Entity | None:
        """Return an entity as it is seen; None if it is not."""
        if not self.sees(entity):
            return None
        return entity if self._shows_all else self._read(self.hiding.entity, entity)

    def row(self, row: Row) -> Row | None:
        """Return a row as it is seen; None if it is not."""
        if self._is_whole:
            return row
        found = _KIND.match(row.document)
        if found is None:
            return self._row_read(row)
        name = found[1]
        kind = self._kinds_of_rows.get(name)
        if kind is None:
            kind = self._kind_of_row(name)
        if kind.seen is None:
            return self._row_read(row)
        if not kind.seen:
            return None
        return self._read(self._shown_row, row) if kind.marks else row

    def rows(self, rows: list[Row]) -> list[Row]:
        """Return rows that are within reach as they are seen."""
        if self._shows_all:
            return rows
        return self._read(lambda many, reading: [self._shown_row(r, reading) for r in many], rows)

    def texts(self, texts: list[str]) -> list[str]:
        """Return the JSON texts of documents that are within reach as they are seen."""
        return self._read(lambda many, reading: [self._shown_text(t, reading) for t in many], texts)

    def _row_read(self, row: Row) -> Row | None:
        """Return a row as it is seen, judged by all that is in it."""
        if not self.sees(entity_of(row)):
            return None
        return row if self._shows_all else self._read(self._shown_row, row)

    def _shown_row(self, row: Row, reading: Reading) -> Row:
        document = row.document
        found = _KIND.match(document)
        if found is not None:
            kind = self._kinds_of_rows.get(found[1]) or self._kind_of_row(found[1])
            if not any(mark in document for mark in kind.marks):
                return row
        entity = entity_of(row)
        shown = self.hiding.entity(entity, reading)
        return row if shown is entity else row_of(shown)

    def _shown_text(self, text: str, reading: Reading) -> str:
        found = _TEXT_KIND.match(text)
        if found is not None:
            kind = self._kinds.get(found[1]) or self._kind(found[1])
            if not any(mark in text for mark in kind.text_marks):
                return text
        document = orjson.loads(text)
        shown = self.hiding.document(document, reading)
        return text if shown is document else orjson.dumps(shown).decode()

    def _read(self, work: Callable[[T, Reading], T], what: T) -> T:
        reading = Reading()
        found = work(what, reading)
        reading.tell(self._on_personal)
        return found

    def _kind_of_row(self, name: bytes) -> Kind:
        if len(self._kinds_of_rows) >= _KINDS:
            self._kinds_of_rows.clear()
        kind = self._kinds_of_rows[name] = self._kind(name.decode())
        return kind

    def _kind(self, name: str) -> Kind:
        """Work out and remember what of entities of just this type is seen."""
        if len(self._kinds) >= _KINDS:
            self._kinds.clear()
        seen = True if self._condition is None else decided(self._condition, (name,))
        marks = tuple(orjson.dumps(attribute) for attribute in self.hiding.concerned((name,)))
        kind = self._kinds[name] = Kind(seen, marks, tuple(mark.decode() for mark in marks))
        return kind

    # --- shapes and changes -------------------------------------------------------------------

    def shapes(self, shapes: list[Shape]) -> list[Shape]:
        """Return shapes of entities within reach as they are seen, each once."""
        counts: dict[tuple[tuple[str, ...], tuple[tuple[str, tuple[str, ...]], ...]], int] = {}
        for shape in shapes:
            kinds = dict(shape.attributes)
            names = self.hiding.listed(shape.types, kinds)
            attributes = tuple((name, kinds[name]) for name in names)
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

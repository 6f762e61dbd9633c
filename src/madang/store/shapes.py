"""Shapes: the combinations of types and attributes that the entities of a store have.

A city has few of them (every sensor of a kind looks alike), so counting entities by shape answers
which types and attributes there are, how many of each, and which entities a type or attribute query
can concern, without an index entry for each attribute of each entity.
Why: docs/decisions/0004-shapes-instead-of-attribute-index.md.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

import apsw
import orjson

from madang.model.entity import Document, Entity
from madang.store.protocol import Shape

Key = tuple[Any, ...]
Fits = Callable[[tuple[str, ...], frozenset[str]], bool]
"""Tells whether entities of these types, with these attributes, can match."""
_NO_ATTRIBUTES = frozenset({"id", "type", "scope"})


class Known:
    """One shape as the store keeps it in memory; ``id`` is its row."""

    __slots__ = ("attributes", "came", "coming", "count", "geometries", "id", "names", "types")

    def __init__(
        self, id: int, types: Iterable[str], attributes: Iterable[Iterable[Any]], count: int
    ) -> None:
        self.id = id
        self.types = tuple(types)
        self.attributes = tuple((name, tuple(kinds)) for name, kinds in attributes)
        self.names = frozenset(name for name, _ in self.attributes)
        self.geometries = tuple(n for n, kinds in self.attributes if "GeoProperty" in kinds)
        self.count = count
        """As committed."""
        self.coming = False
        """A transaction under way gives it its first entity."""
        self.came = 0
        """The generation of the shapes in which it was last announced."""

    def public(self) -> Shape:
        return Shape(self.types, self.attributes, self.count)


def key_of(document: Document) -> Key:
    """Return what tells a document's shape, cheaply; several keys may mean the same shape."""
    kind = document["type"]
    key = [kind if type(kind) is str else tuple(kind)]
    for name, attribute in document.items():
        if name in _NO_ATTRIBUTES:
            continue
        key.append(name)
        if type(attribute) is dict:
            key.append(attribute["type"])
        else:
            key.append(tuple(instance["type"] for instance in attribute))
    return tuple(key)


class Shapes(ABC):
    """The shapes of one store in memory; an engine keeps their rows."""

    def __init__(self) -> None:
        self.generation = 0
        """Changes whenever a shape gets its first entity or loses its last."""
        self.fill(())

    def fill(self, rows: Iterable[tuple[int, str, str, int]]) -> None:
        """Begin anew with these rows: id, types and attributes as JSON, count."""
        self.generation += 1
        self._by_key: dict[Key, Known] = {}
        self._by_layout: dict[int, tuple[object, Known]] = {}
        self.all: dict[int, Known] = {}
        self._by_content: dict[tuple[Any, ...], Known] = {}
        for id, types, attributes, count in rows:
            shape = Known(id, orjson.loads(types), orjson.loads(attributes), count)
            shape.came = self.generation
            self._keep(shape)

    @abstractmethod
    def _insert(self, types: str, attributes: str) -> int:
        """Make a row with count 0 in the transaction under way; return its id."""

    def _keep(self, shape: Known) -> None:
        self.all[shape.id] = shape
        self._by_content[shape.types, shape.attributes] = shape

    def of(self, entity: Entity) -> Known:
        """Return the shape of an entity, making its row if it is new."""
        layout = entity.layout
        if type(layout) is Known:
            return layout
        seen = self._by_layout.get(id(layout))
        if seen is not None and seen[0] is layout:
            found = seen[1]
        else:
            found = self._of(entity.document)
            if layout is not None:
                if len(self._by_layout) > 20_000:
                    self._by_layout.clear()
                self._by_layout[id(layout)] = (layout, found)
        entity.layout = found
        return found

    def _of(self, document: Document) -> Known:
        key = key_of(document)
        found = self._by_key.get(key)
        if found is None:
            found = self._add(document)
            if len(self._by_key) > 20_000:  # each order of attributes is a key of its own
                self._by_key.clear()
            self._by_key[key] = found
        return found

    def _add(self, document: Document) -> Known:
        kind = document["type"]
        types = (kind,) if isinstance(kind, str) else tuple(sorted(kind))
        attributes = []
        for name in sorted(document.keys() - _NO_ATTRIBUTES):
            value = document[name]
            instances = value if isinstance(value, list) else [value]
            attributes.append((name, tuple(sorted({one["type"] for one in instances}))))
        found = self._by_content.get((types, tuple(attributes)))
        if found is None:
            id = self._insert(orjson.dumps(types).decode(), orjson.dumps(attributes).decode())
            found = Known(id, types, attributes, 0)
            self._keep(found)
        return found

    def announce(self, deltas: dict[int, int]) -> None:
        """Note which shapes get their first entity in the transaction under way."""
        for id, delta in deltas.items():
            shape = self.all[id]
            if delta > 0 and shape.count == 0:
                # From the commit on readers may meet its entities, before `committed` is called.
                shape.coming = True
                self.generation += 1
                shape.came = self.generation

    def committed(self, deltas: dict[int, int]) -> None:
        """Change the counts in memory, now that the transaction is done."""
        for id, delta in deltas.items():
            shape = self.all[id]
            shape.count += delta
            if shape.coming or shape.count == 0:
                shape.coming = False
                self.generation += 1

    def has_new(self, since: int, fits: Fits | None) -> bool:
        """Tell whether a shape that fits has come since a generation, though it may be gone again.

        What was read meanwhile may be of a moment when there were entities of it.
        """
        return since != self.generation and any(
            shape.came > since and (fits is None or fits(shape.types, shape.names))
            for shape in self.all.values()
        )

    def where(self, fits: Fits | None) -> list[Known]:
        """Return the shapes with entities whose types and attribute names fit."""
        return [
            shape
            for shape in self.all.values()
            if (shape.count or shape.coming) and (fits is None or fits(shape.types, shape.names))
        ]


class SqliteShapes(Shapes):
    """Shapes with their rows in a SQLite file."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        super().__init__()
        self.reload()

    def reload(self) -> None:
        """Read the rows anew, as after a transaction that failed."""
        self.fill(self._connection.execute("SELECT id, types, attributes, count FROM shape"))

    def _insert(self, types: str, attributes: str) -> int:
        row = self._connection.execute(
            "INSERT INTO shape (types, attributes, count) VALUES (?, ?, 0) RETURNING id",
            (types, attributes),
        ).fetchone()
        assert row is not None
        return int(row[0])

    def write_counts(self, deltas: dict[int, int]) -> None:
        """Change the counts in the rows, as a part of the transaction under way."""
        changed = [(delta, id) for id, delta in deltas.items() if delta]
        self._connection.executemany("UPDATE shape SET count = count + ? WHERE id = ?", changed)
        self.announce(deltas)

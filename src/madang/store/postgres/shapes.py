"""Shapes whose rows are in PostgreSQL: made and counted with the commit that needs them."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from madang.model.entity import Entity
from madang.store.shapes import Fits, Known, Shapes


class PostgresShapes(Shapes):
    """Gives ids itself; the rows it has not written yet are in ``fresh``.

    Args:
        is_shared: other hubs write as well, so nobody knows without asking how many entities a
            shape has: all count as shapes that have some.
    """

    def __init__(self, *, is_shared: bool) -> None:
        self.fresh: list[tuple[int, str, str]] = []
        self._is_shared = is_shared
        super().__init__()

    def of(self, entity: Entity) -> Known:
        layout = entity.layout
        if type(layout) is Known and self.all.get(layout.id) is not layout:
            entity.layout = None  # of before the shapes were learnt anew
        return super().of(entity)

    def where(self, fits: Fits | None) -> list[Known]:
        if not self._is_shared:
            return super().where(fits)
        return [one for one in self.all.values() if fits is None or fits(one.types, one.names)]

    @property
    def newest(self) -> int:
        """The highest id of a shape that has a row."""
        return max(self.all.keys() - {id for id, _, _ in self.fresh}, default=0)

    def add(self, rows: Iterable[tuple[int, str, str, int]]) -> None:
        """Take up shapes that another hub has made: id, types and attributes as JSON, count."""
        self.generation += 1
        for id, types, attributes, count in rows:
            shape = Known(id, orjson.loads(types), orjson.loads(attributes), count)
            shape.came = self.generation
            self._keep(shape)

    def _insert(self, types: str, attributes: str) -> int:
        id = max(self.all, default=0) + 1
        self.fresh.append((id, types, attributes))
        return id

"""Shapes whose rows are in PostgreSQL: made and counted with the commit that needs them."""

from __future__ import annotations

from madang.store.shapes import Shapes


class PostgresShapes(Shapes):
    """Gives ids itself; the rows it has not written yet are in ``fresh``."""

    def __init__(self) -> None:
        self.fresh: list[tuple[int, str, str]] = []
        super().__init__()

    def _insert(self, types: str, attributes: str) -> int:
        id = max(self.all, default=0) + 1
        self.fresh.append((id, types, attributes))
        return id

"""Outbox blocks as the store writes them, for lakes without a hub."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import orjson

from madang.model.entity import Entity
from madang.store.protocol import Change
from madang.store.rows import outbox_row

T0 = 1_790_000_000_000_000  # 2026-09-21T14:13:20Z
SECOND = 1_000_000
HOUR = 3600 * SECOND


def entity(id: str, kind: str | list[str] = "Room", at: int = T0, **members: Any) -> Entity:
    """Return an entity; values that are no objects become Properties."""
    document: dict[str, Any] = {"id": id, "type": kind}
    for name, value in members.items():
        whole = name == "scope" or isinstance(value, dict | list)
        document[name] = value if whole else {"type": "Property", "value": value}
    return Entity(document, at, at, at)


class Outbox:
    """Numbers changes and makes blocks of them, one block for each call."""

    def __init__(self) -> None:
        self.last = 0
        self.blocks: list[tuple[int, int, bytes]] = []
        self._states: dict[str, Entity] = {}

    def put(self, *entities: Entity, names: Iterable[str] | None = None) -> tuple[int, int, bytes]:
        """Write entities whole, or of each only the attributes named."""
        changes = []
        for one in entities:
            before = self._states.get(one.id)
            written = tuple(names or (n for n in one.document if n not in ("id", "type", "scope")))
            kind: Any = "created" if before is None else "updated"
            changes.append(Change(kind, one.modified, one.id, before, one, written))
            self._states[one.id] = one
        return self.block(changes)

    def delete(self, id: str, at: int) -> tuple[int, int, bytes]:
        """Delete an entity."""
        return self.block([Change("deleted", at, id, self._states.pop(id), None, ())])

    def block(self, changes: list[Change]) -> tuple[int, int, bytes]:
        self.last += len(changes)
        body = orjson.dumps([outbox_row(change, {}) for change in changes])
        block = (self.last, len(changes), body)
        self.blocks.append(block)
        return block

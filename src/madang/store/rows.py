"""Between an entity in memory and its row: documents and stamps as JSON text."""

from __future__ import annotations

from typing import Any

import orjson

from madang.model.entity import Entity, Stamp
from madang.store.protocol import Change, Row

Texts = dict[str, tuple[Entity, bytes]]
"""Entities and the JSON text of their documents, by id."""


def entity_of(row: Row) -> Entity:
    """Return the entity that a row holds."""
    entity = Entity(orjson.loads(row.document), row.created, row.modified, row.written)
    if row.times is not None:
        read_times(entity, row.times)
    return entity


def read_times(entity: Entity, text: str | bytes) -> int | None:
    """Put the stamps of a row into an entity; return the earliest expiry among them."""
    stamps = {path: Stamp(*values) for path, values in orjson.loads(text).items()}
    own = stamps.pop("", None)
    entity.times = stamps
    entity.expires = own.expires if own is not None else None
    ends = [stamp.expires for stamp in stamps.values() if stamp.expires is not None]
    if entity.expires is not None:
        ends.append(entity.expires)
    return min(ends) if ends else None


def times_text(entity: Entity) -> tuple[str, int | None]:
    """Return the stamps as a row keeps them, and the earliest expiry.

    The entity's own expiry is kept under the empty path.
    """
    stamps: dict[str, Any] = {}
    ends: list[int] = []
    for path, stamp in entity.times.items():
        if stamp.expires is None:
            stamps[path] = (stamp.created, stamp.modified)
        else:
            stamps[path] = tuple(stamp)
            ends.append(stamp.expires)
    if entity.expires is not None:
        stamps[""] = (entity.created, entity.modified, entity.expires)
        ends.append(entity.expires)
    return orjson.dumps(stamps).decode(), min(ends) if ends else None


def outbox_row(change: Change, texts: Texts) -> dict[str, Any]:
    """Return what history needs to know of a change.

    Args:
        change: what happened.
        texts: documents that have been written out already, so as not to do it twice.
    """
    row: dict[str, Any] = {"kind": change.kind, "at": change.at, "id": change.id}
    state = change.after
    if state is not None:
        document = state.document
        row["type"] = document["type"]
        if len(change.attributes) < len(document) - 3:
            row["entity"] = {n: document[n] for n in change.attributes if n in document}
        else:
            written = texts.get(change.id)
            is_last = written is not None and written[0] is state
            row["entity"] = orjson.Fragment(written[1]) if written and is_last else document
    elif change.before is not None:
        row["type"] = change.before.document["type"]
    if change.deleted:
        row["deleted"] = change.deleted
    if change.trace:
        row["trace"] = change.trace
    return row

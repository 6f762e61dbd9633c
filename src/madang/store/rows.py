"""Between an entity in memory and its row: documents and stamps as JSON text."""

from __future__ import annotations

from typing import Any

import orjson

from madang.model.attributes import instances
from madang.model.entity import INSTANCE, Document, Entity, Stamp, path_of
from madang.store.places import Box
from madang.store.protocol import Change, Row

Texts = dict[str, tuple[Entity, bytes]]
"""Entities and the JSON text of their documents, by id."""


class Head:
    """What a store knows of an entity's row: which one it is and what its indexes hold."""

    __slots__ = ("box", "entity", "expires", "row", "shape")

    def __init__(
        self, row: int, shape: int, box: Box | None, expires: int | None, entity: Entity
    ) -> None:
        self.row = row
        """What a write finds the row by: SQLite's rowid; in PostgreSQL the version it has."""
        self.shape = shape
        self.box = box
        self.expires = expires
        self.entity = entity


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
    """Return what history needs to know of a change: the instances it put and those it deleted.

    ``entity`` holds the attributes that were put, or the whole document, of which ``put`` names
    those if they are not all. ``kept`` has the paths of instances that stayed as they were beside
    one of the same name that was put. ``deleted`` has the type of each deleted instance by path.

    Args:
        change: what happened.
        texts: documents that have been written out already, so as not to do it twice.
    """
    row: dict[str, Any] = {"kind": change.kind, "at": change.at, "id": change.id}
    before, state = change.before, change.after
    if state is not None:
        document = state.document
        row["type"] = document["type"]
        put = change.attributes
        if before is not None:
            put = _compare(before.document, document, put, row)
        if len(put) < len(document) - 3:
            row["entity"] = {n: document[n] for n in put if n in document}
        else:
            written = texts.get(change.id)
            is_last = written is not None and written[0] is state
            row["entity"] = orjson.Fragment(written[1]) if written and is_last else document
            if before is not None and len(put) < len(document) - 2:
                row["put"] = put
    elif before is not None:
        row["type"] = before.document["type"]
    if change.deleted and before is not None:
        row["deleted"] = {path: _kind(before.document, path) for path in change.deleted}
    if change.trace:
        row["trace"] = change.trace
    return row


def _compare(
    old: Document, new: Document, put: tuple[str, ...], row: dict[str, Any]
) -> tuple[str, ...]:
    """Note in a row what else changed or stayed; return the names of all that was put."""
    if new["type"] != old["type"]:
        row["retyped"] = True
    if "scope" in new and "scope" not in put and new["scope"] != old.get("scope"):
        put = (*put, "scope")
    kept = [
        path_of(name, one)
        for name in put
        if new.get(name).__class__ is list and name != "scope" and name in old
        for one in new[name]
        if any(one is former for former in instances(old[name]))
    ]
    if kept:
        row["kept"] = kept
    return put


def _kind(document: Document, path: str) -> str:
    """Return the attribute type of the instance at a path."""
    name = path.partition(INSTANCE)[0]
    if name == "scope":
        return "Scope"
    found = instances(document.get(name, {}))
    kinds = {path_of(name, one): one.get("type", "Property") for one in found}
    return str(kinds.get(path) or next(iter(kinds.values())))

"""What can trigger a notification, as bits, and what a change triggers.

Source: ETSI GS CIM 009 clause 5.2.12 (notificationTrigger).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from madang.model.attributes import ENTITY_MEMBERS
from madang.model.entity import CHILD, INSTANCE
from madang.store.protocol import Change

ENTITY_CREATED: Final = 1
ENTITY_UPDATED: Final = 2
ENTITY_DELETED: Final = 4
ATTRIBUTE_CREATED: Final = 8
ATTRIBUTE_UPDATED: Final = 16
ATTRIBUTE_DELETED: Final = 32

_BITS = {
    "entityCreated": ENTITY_CREATED,
    "entityUpdated": ENTITY_UPDATED,
    "entityDeleted": ENTITY_DELETED,
    "attributeCreated": ATTRIBUTE_CREATED,
    "attributeUpdated": ATTRIBUTE_UPDATED,
    "attributeDeleted": ATTRIBUTE_DELETED,
}


def mask_of(triggers: Iterable[str]) -> int:
    """Return the bits of some triggers."""
    mask = 0
    for trigger in triggers:
        mask |= _BITS[trigger]
    return mask


class Events:
    """What one change triggers, and which attributes it created, updated and deleted."""

    __slots__ = ("_created", "_deleted", "_updated", "mask")

    def __init__(
        self,
        entity: int,
        created: Collection[str] = (),
        updated: Collection[str] = (),
        deleted: Collection[str] = (),
    ) -> None:
        self._created = created
        self._updated = updated
        self._deleted = deleted
        self.mask = (
            entity
            | (ATTRIBUTE_CREATED if created else 0)
            | (ATTRIBUTE_UPDATED if updated else 0)
            | (ATTRIBUTE_DELETED if deleted else 0)
        )

    def concern(self, wanted: int, watched: frozenset[str]) -> bool:
        """Tell whether one of the wanted triggers fires for one of the watched attributes."""
        hit = self.mask & wanted
        if not hit or not watched:
            return bool(hit)
        return (
            (bool(hit & _WITH_CREATED) and not watched.isdisjoint(self._created))
            or (bool(hit & _WITH_UPDATED) and not watched.isdisjoint(self._updated))
            or (bool(hit & _WITH_DELETED) and not watched.isdisjoint(self._deleted))
        )


_WITH_CREATED = ENTITY_CREATED | ENTITY_UPDATED | ATTRIBUTE_CREATED
_WITH_UPDATED = ENTITY_UPDATED | ATTRIBUTE_UPDATED
_WITH_DELETED = ENTITY_UPDATED | ENTITY_DELETED | ATTRIBUTE_DELETED


def events_of(change: Change) -> Events:
    """Return what a change triggers."""
    before, after = change.before, change.after
    if change.kind == "created":
        return Events(ENTITY_CREATED, created=_attributes(after.document if after else ()))
    if change.kind == "deleted":
        return Events(ENTITY_DELETED, deleted=_attributes(before.document if before else ()))
    known = before.document if before else {}
    written: Collection[str] = change.attributes
    if not ENTITY_MEMBERS.isdisjoint(written):
        written = _attributes(written)
    created = [name for name in written if name not in known]
    updated = [name for name in written if name in known] if created else written
    gone: Collection[str] = change.deleted
    if gone:
        gone = _attributes(path.partition(INSTANCE)[0] for path in gone if CHILD not in path)
    return Events(ENTITY_UPDATED, created, updated, gone)


def _attributes(names: Iterable[str]) -> set[str]:
    return set(names) - ENTITY_MEMBERS

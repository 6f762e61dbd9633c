"""What can trigger a notification, as bits, and what a change triggers.

Source: ETSI GS CIM 009 clause 5.2.12 (notificationTrigger).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, NamedTuple

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


class Events(NamedTuple):
    """What one change triggers, and which attributes each trigger is about."""

    mask: int
    attributes: dict[int, set[str]]

    def concern(self, wanted: int, watched: frozenset[str]) -> bool:
        """Tell whether one of the wanted triggers fires for one of the watched attributes."""
        hit = self.mask & wanted
        if not hit:
            return False
        if not watched:
            return True
        return any(
            hit & bit and not watched.isdisjoint(names) for bit, names in self.attributes.items()
        )


def events_of(change: Change) -> Events:
    """Return what a change triggers."""
    if change.kind == "created":
        names = _attributes(change.after.document if change.after else ())
        return _events(ENTITY_CREATED, created=names)
    if change.kind == "deleted":
        names = _attributes(change.before.document if change.before else ())
        return _events(ENTITY_DELETED, deleted=names)
    before = change.before.document if change.before else {}
    written = _attributes(change.attributes)
    updated = {name for name in written if name in before}
    gone = _attributes(path.partition(INSTANCE)[0] for path in change.deleted if CHILD not in path)
    return _events(ENTITY_UPDATED, written - updated, updated, gone)


def _attributes(names: Iterable[str]) -> set[str]:
    return set(names) - ENTITY_MEMBERS


_NONE: set[str] = set()


def _events(
    entity: int,
    created: set[str] = _NONE,
    updated: set[str] = _NONE,
    deleted: set[str] = _NONE,
) -> Events:
    attributes = {entity: created | updated | deleted}
    mask = entity
    for bit, names in (
        (ATTRIBUTE_CREATED, created),
        (ATTRIBUTE_UPDATED, updated),
        (ATTRIBUTE_DELETED, deleted),
    ):
        if names:
            mask |= bit
            attributes[bit] = names
    return Events(mask, attributes)

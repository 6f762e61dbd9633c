"""Changes as one reader sees them, of whom entities or attributes are out of reach."""

from __future__ import annotations

from madang.model.attributes import ENTITY_MEMBERS, instances
from madang.model.entity import Document, Entity, path_of
from madang.model.without import name_of
from madang.store.protocol import Change


def seen_change(change: Change, before: Entity | None, after: Entity | None) -> Change | None:
    """Return a change as it is seen; None if nothing of it is.

    What leaves the reach looks like a deletion, what comes into it like a creation, and a change
    that is seen whole is the very same object.

    Args:
        change: what happened.
        before: the state before as it is seen; None if it is not.
        after: the state after as it is seen.
    """
    if before is change.before and after is change.after:
        return change
    if before is None or after is None:
        return _came_or_went(change, before, after)
    return _updated(change, before, after)


def _names(document: Document) -> list[str]:
    return [name for name in document if name not in ENTITY_MEMBERS]


def _came_or_went(change: Change, before: Entity | None, after: Entity | None) -> Change | None:
    """Return a change of which one state at most is seen."""
    at, id, trace, number = change.at, change.id, change.trace, change.number
    if after is not None:
        names = change.attributes if change.before is None else _names(after.document)
        shown = tuple(name for name in names if name in after.document)
        return Change("created", at, id, None, after, shown, (), trace, number)
    if before is not None:
        gone = tuple(_names(before.document))
        return Change("deleted", at, id, before, None, (), gone, trace, number)
    return None


def _updated(change: Change, before: Entity, after: Entity) -> Change | None:
    """Return an update with what is seen of it; None if that is nothing.

    An attribute may come into sight, or go out of it, with the types of its entity.
    """
    old, new = before.document, after.document
    was, now = _document(change.before), _document(change.after)
    attributes = [name for name in change.attributes if name in new]
    attributes += [
        name for name in new if name in was and name not in old and name not in attributes
    ]
    deleted = [path for path in change.deleted if name_of(path) in old]
    deleted += [
        path_of(name, instance)
        for name in old
        if name in now and name not in new
        for instance in instances(old[name])
    ]
    if not attributes and not deleted and old == new:
        return None
    put, gone = tuple(attributes), tuple(deleted)
    at, id, trace, number = change.at, change.id, change.trace, change.number
    return Change("updated", at, id, before, after, put, gone, trace, number)


def _document(entity: Entity | None) -> Document:
    return {} if entity is None else entity.document

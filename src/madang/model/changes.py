"""Changes as notifications show them: what was deleted, and what was there before. Pure.

Source: ETSI GS CIM 009 clauses 4.5.0 (NGSI-LD Null), 5.2.14 (showChanges), 5.8.6 (notification).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from madang.model import time
from madang.model.attributes import ENTITY_MEMBERS, NULL, VALUE_MEMBER, attributes_of, instances
from madang.model.context import Context
from madang.model.entity import CHILD, INSTANCE, Attribute, Document, Entity, path_of
from madang.model.representation import Body, render
from madang.model.view import View

_PREVIOUS = {
    member: "previous" + member[0].upper() + member[1:] for member in VALUE_MEMBER.values()
}


def deleted_entity(
    before: Entity,
    at: int,
    view: View,
    names: Context,
    attributes: Collection[str] = (),
    show_changes: bool = False,
) -> Body:
    """Return what is told of a deleted entity: ``id``, ``type`` and ``deletedAt``.

    Args:
        before: the entity as it was.
        at: when it was deleted. [us since 1970]
        view: how the subscriber sees entities.
        names: the subscriber's @context.
        attributes: canonical names of those to list as deleted (watched for ``attributeDeleted``).
        show_changes: list every attribute, with the value it had.
    """
    document: Document = {"id": before.id, "type": before.document["type"]}
    for name, attribute in attributes_of(before.document):
        if show_changes or name in attributes:
            gone = [_gone(one, at, view, names, show_changes) for one in instances(attribute)]
            document[name] = gone if len(gone) > 1 else gone[0]
    entity = Entity(document, before.created, before.modified, before.written, before.times)
    body = render(entity, view, names) or {}
    return {**body, "deletedAt": time.render(at)}


def changed_entity(
    before: Entity | None,
    after: Entity,
    at: int,
    view: View,
    names: Context,
    updated: Iterable[str] = (),
    deleted: Iterable[str] = (),
    show_changes: bool = False,
) -> Body | None:
    """Return an entity after a change: deleted instances with NGSI-LD Null, and previous values.

    Args:
        before: the entity as it was; None if it was created.
        after: the entity as it is now.
        at: when it changed. [us since 1970]
        view: how the subscriber sees entities.
        names: the subscriber's @context.
        updated: canonical names of attributes created or updated.
        deleted: paths (see :data:`madang.model.entity.Times`) of deleted attribute instances.
        show_changes: add ``previousValue`` and its like to what was updated or deleted.

    Returns:
        The body, or None if the view leaves nothing of it.
    """
    if before is None:
        return render(after, view, names)
    lost = _lost(before, after, deleted)
    if not show_changes:
        # Where all of an attribute is gone, the Null of its default instance says so.
        whole = {n for n, one in lost if "datasetId" not in one and n not in after.document}
        lost = [(n, one) for n, one in lost if n not in whole or "datasetId" not in one]
    document = dict(after.document)
    times = after.times
    if show_changes:
        for name in updated:
            if name in before.document and name in document and name not in ENTITY_MEMBERS:
                document[name] = _with_previous(name, before, after, names)
    if lost:
        times = dict(times)
        for name, instance in lost:
            path = path_of(name, instance)
            times[path] = before.stamp(path)
            gone = _gone(instance, at, view, names, show_changes)
            document[name] = [*instances(document[name]), gone] if name in document else gone
    entity = Entity(document, after.created, after.modified, after.written, times, after.expires)
    return render(entity, view, names)


def _gone(
    instance: Attribute, at: int, view: View, names: Context, show_changes: bool
) -> Attribute:
    kind = instance["type"]
    member = VALUE_MEMBER[kind]
    null: Any = {"@none": NULL} if kind == "LanguageProperty" else NULL
    gone: Attribute = {"type": kind, member: null}
    if "datasetId" in instance:
        gone["datasetId"] = instance["datasetId"]
    if show_changes:
        gone |= _previous(instance, names)
    if view.sys_attrs:
        gone["deletedAt"] = time.render(at)
    return gone


def _lost(before: Entity, after: Entity, paths: Iterable[str]) -> list[tuple[str, Attribute]]:
    """Return name and old instance of those deleted paths that are not there again."""
    lost = []
    for path in paths:
        name = path.partition(INSTANCE)[0]
        if CHILD in path or name in ENTITY_MEMBERS:
            continue
        instance = _at(before, name, path)
        if instance is not None and _at(after, name, path) is None:
            lost.append((name, instance))
    return lost


def _at(entity: Entity, name: str, path: str) -> Attribute | None:
    attribute = entity.document.get(name)
    if attribute is None:
        return None
    return next((one for one in instances(attribute) if path_of(name, one) == path), None)


def _with_previous(
    name: str, before: Entity, after: Entity, names: Context
) -> Attribute | list[Attribute]:
    shown = []
    for instance in instances(after.document[name]):
        path = path_of(name, instance)
        old = _at(before, name, path)
        untouched = old == instance and before.stamp(path) == after.stamp(path)
        if old is not None and not untouched:
            instance = {**instance, **_previous(old, names)}
        shown.append(instance)
    return shown if len(shown) > 1 else shown[0]


def _previous(instance: Attribute, names: Context) -> Attribute:
    member = VALUE_MEMBER[instance["type"]]
    value = instance[member]
    if member == "vocab":
        short = names.compact_value
        value = [short(v) for v in value] if type(value) is list else short(value)
    return {_PREVIOUS[member]: value}

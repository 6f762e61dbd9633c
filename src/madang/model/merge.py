"""What each operation makes of an entity: pure functions from the old state to the new.

The old entity is never changed; the new one shares with it all that stayed. Where nothing changes,
the old entity itself is returned.
Source: ETSI GS CIM 009 clauses 5.6.1-5.6.5, 5.6.8, 5.6.17-5.6.19 and 4.22.
"""

from __future__ import annotations

from typing import Any

from madang.model import time
from madang.model.attributes import MEMBERS, VALUE_MEMBER, attributes_of, instances
from madang.model.entity import CHILD, INSTANCE, Attribute, Document, Entity, Stamp, path_of
from madang.model.errors import BadRequestData, ResourceNotFound
from madang.model.normalize import Normalized
from madang.model.patch import by_dataset, has_content, is_deletion, overwritten
from madang.model.stamps import Ledger
from madang.model.state import Outcome as Outcome
from madang.model.state import State, changed_entity, put_instances, united


def create(content: Normalized, now: int) -> Outcome:
    """Make an entity (5.6.1)."""
    return Outcome(_made(content, now, now), content.names, (), [])


def replace(old: Entity, content: Normalized, now: int) -> Outcome:
    """Put a new entity in the place of the old one, which leaves its ``createdAt`` (5.6.18)."""
    document = content.document
    gone: tuple[str, ...] = ()
    if not document.keys() >= old.document.keys() or list in map(type, old.document.values()):
        gone = tuple(sorted(_paths(old.document) - _paths(document)))
    return Outcome(_made(content, old.created, now), content.names, gone, [])


def append(old: Entity, fragment: Normalized, now: int, overwrite: bool = True) -> Outcome:
    """Add attributes; one that is there is replaced, unless told not to ``overwrite`` (5.6.3)."""
    usual = _written(old, fragment, now) if overwrite else None
    if usual is not None:
        return usual
    state = State(old, fragment, now)
    scope = fragment.document.get("scope")
    if scope is not None:
        state.set_scope(scope if overwrite else united(old.document.get("scope"), scope))
    for name in fragment.names:
        state.write(name, fragment.document[name], overwrite)
    return state.outcome()


def update(old: Entity, fragment: Normalized, now: int) -> Outcome:
    """Replace attributes, add unknown ones, delete those given NGSI-LD Null (5.6.2)."""
    usual = _written(old, fragment, now)
    if usual is not None:
        return usual
    state = State(old, fragment, now)
    scope = fragment.document.get("scope")
    if scope is not None:
        if "scope" in old.document:
            state.set_scope(scope)
        else:
            state.refused.append(("scope", "the entity has no scope; append one instead"))
    for name in fragment.names:
        state.write(name, fragment.document[name], True)
    return state.outcome()


def merge(
    old: Entity,
    fragment: Normalized,
    now: int,
    observed_at: str | None = None,
    lang: str | None = None,
) -> Outcome:
    """Merge a fragment into the entity, member by member (5.6.17, 5.5.12).

    ``observed_at`` is for the attributes of the fragment that have no ``observedAt``; ``lang`` is
    the language of plain texts that meet a LanguageProperty.
    """
    if observed_at is not None:
        time.checked(observed_at, "observedAt")
    state = State(old, fragment, now)
    scope = fragment.document.get("scope")
    if scope is not None:
        state.set_scope(scope)
    for name in fragment.names:
        for instance in instances(fragment.document[name]):
            if observed_at is not None and has_content(instance) and "observedAt" not in instance:
                instance = {**instance, "observedAt": observed_at}
            state.merge(name, instance, lang)
    return state.outcome()


LATE = "what is known is newer"
KNOWN = "it is known already"


def observe(old: Entity, fragment: Normalized, now: int) -> Outcome:
    """Put in what a sender measured, as far as it is newer than what is there.

    Senders repeat themselves after a break, and their messages overtake one another: a value
    observed before the present one is left out as :data:`LATE`, and one that is there already
    (observed at the same time; or without a time, and equal) as :data:`KNOWN`.
    """
    given = fragment.document
    fresh: Document = {}
    left: list[tuple[str, str]] = []
    for name in fragment.names:
        present, told = old.document.get(name), given[name]
        if present is None:
            fresh[name] = told
        elif type(told) is dict:
            _sort_out(present, name, told, fresh, left)
        else:
            for instance in told:
                _sort_out(present, name, instance, fresh, left)
    if not left:
        return append(old, fragment, now)
    document = dict(fresh)
    for member in ("id", "type", "scope"):
        if member in given:
            document[member] = given[member]
    outcome = append(old, fragment._replace(document=document, names=tuple(fresh)), now)
    return outcome._replace(not_updated=[*outcome.not_updated, *left])


def _sort_out(
    present: Any, name: str, given: Attribute, fresh: Document, left: list[tuple[str, str]]
) -> None:
    """Add an instance of an attribute to what is news, or its path to what is left out and why."""
    why = _stale(present, given)
    if why is not None:
        left.append((path_of(name, given), why))
    elif name in fresh:
        fresh[name] = [*instances(fresh[name]), given]
    else:
        fresh[name] = given


def _stale(present: Any, given: Attribute) -> str | None:
    """Tell why an instance of an attribute is not news; None if it is."""
    found = present if type(present) is dict else by_dataset(present).get(given.get("datasetId"))
    if found is None or found.get("datasetId") != given.get("datasetId"):
        return None
    told, known = given.get("observedAt"), found.get("observedAt")
    if told is None or known is None:
        return KNOWN if given == found else None
    if told == known or time.parse(told) == time.parse(known):
        return KNOWN if _same_value(found, given) else None
    return LATE if time.parse(told) < time.parse(known) else None


def _same_value(one: Attribute, other: Attribute) -> bool:
    """Compare values and units; what is said about a value may differ the second time."""
    member = VALUE_MEMBER.get(one["type"])
    return (
        one["type"] == other["type"]
        and member is not None
        and one.get(member) == other.get(member)
        and one.get("unitCode") == other.get("unitCode")
    )


def partial(old: Entity, fragment: Normalized, now: int) -> Outcome:
    """Change the given members of one attribute instance (5.6.4).

    Raises:
        ResourceNotFound: there is no such attribute, or no instance with this datasetId.
        BadRequestData: the fragment does not fit the type of the attribute.
    """
    name, given, present = _target(old, fragment)
    if is_deletion(given):
        return delete_attribute(old, name, given.get("datasetId"), False, now)
    state = State(old, fragment, now)
    ledger = state.ledger
    path = path_of(name, given)
    if has_content(given):
        created = ledger.created(path, old.written)
        state.put(name, overwritten(name, present, given, path, ledger, created))
        ledger.touch(path, old.written)
        state.updated.append(name)
    elif given.get("type", present["type"]) != present["type"]:
        raise BadRequestData(f"{name} is a {present['type']}; a partial update keeps its type")
    else:
        ledger.reschedule(path, old.written)
        state.changed = True
    return state.outcome()


def replace_attribute(old: Entity, fragment: Normalized, now: int) -> Outcome:
    """Replace one attribute instance whole; it keeps its ``createdAt`` (5.6.19).

    Raises:
        ResourceNotFound: there is no such attribute, or no instance with this datasetId.
    """
    name, given, _ = _target(old, fragment)
    state = State(old, fragment, now)
    state.write(name, given, True)
    return state.outcome()


def delete_attribute(
    old: Entity, name: str, dataset: str | None, delete_all: bool, now: int
) -> Outcome:
    """Delete the instance of an attribute with a datasetId, the default one, or all (5.6.5).

    Raises:
        ResourceNotFound: there is no such attribute, or no such instance.
        BadRequestData: ``id`` and ``type`` are no attributes.
    """
    if name in ("id", "type"):
        raise BadRequestData(f"{name} is no attribute; it cannot be deleted")
    attribute = old.document.get(name)
    if attribute is None:
        raise ResourceNotFound(f"entity {old.id} has no attribute {name}")
    document = old.document.copy()
    ledger = Ledger(old, {}, now)
    if name == "scope":
        del document["scope"]
        return Outcome(changed_entity(old, document, ledger, now), (), ("scope",), [])
    found = by_dataset(attribute)
    going = list(found) if delete_all else [None if dataset == "@none" else dataset]
    gone = []
    for one in going:
        if one not in found:
            which = f"instance with the datasetId {one}" if one else "default instance"
            raise ResourceNotFound(f"attribute {name} of entity {old.id} has no {which}")
        gone.append(path_of(name, found.pop(one)))
        ledger.remove(gone[-1])
    put_instances(document, name, found)
    return Outcome(changed_entity(old, document, ledger, now), (), tuple(gone), [])


def earliest_expiry(entity: Entity) -> int | None:
    """Return when the first thing in an entity expires, or the entity itself (4.22)."""
    earliest = entity.expires
    for stamp in entity.times.values():
        at = stamp.expires
        if at is not None and (earliest is None or at < earliest):
            earliest = at
    return earliest


def without_expired(entity: Entity, now: int) -> Entity | None:
    """Return an entity without what has expired; None if it has itself (4.22)."""
    if entity.expires is not None and entity.expires <= now:
        return None
    gone = [path for path, (_, _, at) in entity.times.items() if at is not None and at <= now]
    if not gone:
        return entity
    ledger = Ledger(entity, {}, now)
    document = entity.document
    for path in gone:
        document = _without(document, path.split(CHILD))
        ledger.remove(path)
    return changed_entity(entity, document, ledger, entity.modified)


def _written(old: Entity, fragment: Normalized, now: int) -> Outcome | None:
    """Do what sensors do all day: put whole default instances in. None if there is more to it."""
    given, names, expires = fragment.document, fragment.names, fragment.expires
    if (
        expires
        or "scope" in given
        or given.get("type", old.document["type"]) != old.document["type"]
    ):
        return None
    document = old.document.copy()
    times = old.times.copy()
    written = old.written
    layout = old.layout
    for name in names:
        after = given[name]
        # Fewer than two members is a deletion.
        if type(after) is not dict or len(after) < 2 or not _FLAT.issuperset(after):
            return None
        before = document.get(name)
        created = now
        if before is not None:
            if type(before) is not dict or not _FLAT.issuperset(before):
                return None
            known = times.get(name)
            created = written if known is None else known[0]
            if before["type"] != after["type"]:
                layout = None
        else:
            layout = None
        document[name] = after
        times[name] = tuple.__new__(Stamp, (created, now, None))
    if not names:
        return None
    new = Entity(document, old.created, now, written, times, old.expires, layout)
    return Outcome(new, names, (), [])


def _made(content: Normalized, created: int, now: int) -> Entity:
    expires = content.expires
    if not expires:
        return Entity(content.document, created, now, now, {}, None, content.shape)
    times = {path: Stamp(now, now, at) for path, at in expires.items() if path and at is not None}
    return Entity(content.document, created, now, now, times, expires.get(""))


def _target(old: Entity, fragment: Normalized) -> tuple[str, Attribute, Attribute]:
    """Return the name, the fragment and the present state of the one instance it is about."""
    (name,) = fragment.names
    given = fragment.document[name]
    dataset = given.get("datasetId")
    if name not in old.document:
        raise ResourceNotFound(f"entity {old.id} has no attribute {name}")
    present = by_dataset(old.document[name]).get(dataset)
    if present is None:
        which = f"instance with the datasetId {dataset}" if dataset else "default instance"
        raise ResourceNotFound(f"attribute {name} of entity {old.id} has no {which}")
    return name, given, present


_FLAT = MEMBERS - {"datasetId"}  # what a default instance without sub-attributes has at most


def _paths(document: Document) -> set[str]:
    paths = {
        path_of(name, one) for name, value in attributes_of(document) for one in instances(value)
    }
    return paths | {"scope"} if "scope" in document else paths


def _without(holder: dict[str, Any], steps: list[str]) -> dict[str, Any]:
    """Return a document, or an instance, without the instance that a path leads to."""
    name, _, dataset = steps[0].partition(INSTANCE)
    if name not in holder:
        return holder
    found = by_dataset(holder[name])
    present = found.get(dataset or None)
    if present is None:
        return holder
    if len(steps) > 1:
        found[dataset or None] = _without(present, steps[1:])
    else:
        del found[dataset or None]
    result = holder.copy()
    put_instances(result, name, found)
    return result

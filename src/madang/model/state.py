"""An entity on its way from one state to the next, and what came of it."""

from __future__ import annotations

from typing import Any, NamedTuple

from madang.model.attributes import NULL, SPATIAL, instances
from madang.model.entity import Attribute, Document, Entity, path_of
from madang.model.errors import BadRequestData
from madang.model.normalize import Normalized
from madang.model.patch import by_dataset, gather, is_deletion, merge_instance
from madang.model.stamps import Ledger


class Outcome(NamedTuple):
    """What an operation came to."""

    entity: Entity | None
    """The next state; None if the entity is gone."""
    updated: tuple[str, ...]
    """Names of the attributes created or updated (``scope`` among them)."""
    deleted: tuple[str, ...]
    """Paths of the instances removed."""
    not_updated: list[tuple[str, str]]
    """Names of attributes left as they were though the request named them, and why."""
    trace: str = ""
    """By which city service it was done, if by one: history keeps it beside the values."""


class State:
    """An entity on its way from the old state to the next."""

    __slots__ = (
        "changed",
        "deleted",
        "document",
        "expires",
        "ledger",
        "now",
        "old",
        "refused",
        "updated",
    )

    def __init__(self, old: Entity, fragment: Normalized, now: int) -> None:
        self.old = old
        self.now = now
        self.document: Document = old.document.copy()
        self.ledger = Ledger(old, fragment.expires, now)
        self.updated: list[str] = []
        self.deleted: list[str] = []
        self.refused: list[tuple[str, str]] = []
        self.expires = old.expires
        self.changed = False
        if "" in fragment.expires:
            self.expires = fragment.expires[""]
            self.changed = True
        kind = fragment.document.get("type")
        if kind is not None and kind != old.document["type"]:
            self._unite_types(kind)

    def _unite_types(self, kind: str | list[str]) -> None:
        types = united(self.document["type"], kind)
        self.changed = self.changed or types != self.document["type"]
        self.document["type"] = types

    def outcome(self) -> Outcome:
        updated, deleted = self.updated, self.deleted
        entity = self.old
        if updated or deleted or self.changed:
            entity = changed_entity(self.old, self.document, self.ledger, self.now)
            entity.expires = self.expires
        return Outcome(entity, tuple(updated), tuple(deleted), self.refused)

    def set_scope(self, scope: Any) -> None:
        if scope != NULL:
            self.document["scope"] = scope
            self.updated.append("scope")
        elif self.document.pop("scope", None) is not None:
            self.deleted.append("scope")

    def write(self, name: str, given: Any, overwrite: bool) -> None:
        """Put whole instances in, each in the place of the one with its datasetId."""
        present = self.document.get(name)
        if (
            type(present) is dict
            and type(given) is dict
            and overwrite
            and "datasetId" not in present
            and "datasetId" not in given
            and given["type"] != NULL
        ):
            self.document[name] = given
            self.ledger.replace(name, present, given, self.old.written)
            self.updated.append(name)
        else:
            self._write_each(name, by_dataset(present), instances(given), overwrite)

    def _write_each(
        self,
        name: str,
        found: dict[str | None, Attribute],
        given: list[Attribute],
        overwrite: bool,
    ) -> None:
        written = False
        for one in given:
            dataset = one.get("datasetId")
            path = path_of(name, one)
            present = found.get(dataset)
            if is_deletion(one):
                self._delete(name, path, found.pop(dataset, None))
                continue
            if present is None:
                self.ledger.add(path)
            elif overwrite:
                self.ledger.replace(path, present, one, self.old.written)
            else:
                self.refused.append((name, "it exists already, and was not to be overwritten"))
                continue
            found[dataset] = one
            written = True
        put_instances(self.document, name, found)
        if written:
            self.updated.append(name)

    def _delete(self, name: str, path: str, present: Attribute | None) -> None:
        if present is None:
            self.refused.append((name, "there is no such attribute to delete"))
        else:
            self.ledger.remove(path)
            self.deleted.append(path)

    def merge(self, name: str, given: Attribute, lang: str | None) -> None:
        """Merge one instance into the attribute."""
        found = by_dataset(self.document.get(name))
        dataset = given.get("datasetId")
        before = found.get(dataset)
        merge_instance(found, name, given, "", self.ledger, self.old.written, lang)
        after = found.get(dataset)
        if after is None:
            if before is not None:
                self.deleted.append(path_of(name, before))
        elif after is before:
            self.changed = True
        else:
            if name in SPATIAL and after["type"] != "GeoProperty":
                raise BadRequestData(f"{name} must be a GeoProperty (clause 4.7.1)")
            if name not in self.updated:
                self.updated.append(name)
        put_instances(self.document, name, found)

    def put(self, name: str, instance: Attribute) -> None:
        """Put an instance in the place of the one with its datasetId."""
        found = by_dataset(self.document[name])
        found[instance.get("datasetId")] = instance
        put_instances(self.document, name, found)


def changed_entity(old: Entity, document: Document, ledger: Ledger, now: int) -> Entity:
    return Entity(document, old.created, now, old.written, ledger.times, old.expires)


def united(old: Any, new: Any) -> Any:
    """Return names, or scopes, of both: one alone as a string, several as a list."""
    one = [] if old is None else old if type(old) is list else [old]
    other = new if type(new) is list else [new]
    both = list(dict.fromkeys([*one, *other]))
    if len(both) == len(one):
        return old
    return both if len(both) > 1 else both[0]


def put_instances(document: Document, name: str, found: dict[str | None, Attribute]) -> None:
    if found:
        document[name] = gather(found)
    else:
        document.pop(name, None)

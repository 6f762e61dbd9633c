"""What can be done to one entity. Each operation is applied by the writer, alone, in its turn.

Source: ETSI GS CIM 009 clauses 5.6.1-5.6.21.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from madang.model import merge
from madang.model.attributes import attributes_of, instances
from madang.model.entity import Entity, path_of
from madang.model.errors import AlreadyExists, ResourceNotFound
from madang.model.normalize import Normalized
from madang.model.state import Outcome


class Operation(Protocol):
    """One thing to do to the entity ``id``."""

    @property
    def id(self) -> str: ...

    def apply(self, current: Entity | None, now: int) -> Outcome:
        """Return the entity's next state; raise NgsiError to leave it as it is."""


def _existing(current: Entity | None, id: str, types: TypeGuard | None) -> Entity:
    if current is None:
        raise ResourceNotFound(f"there is no entity {id}")
    if types is not None and not types(current):
        raise ResourceNotFound(f"entity {id} is of another type")
    return current


class TypeGuard(Protocol):
    """Tells whether an entity is of the type that a request names (``?type=``)."""

    def __call__(self, entity: Entity) -> bool: ...


@dataclass(slots=True)
class Create:
    id: str
    content: Normalized

    def apply(self, current: Entity | None, now: int) -> Outcome:
        if current is not None:
            raise AlreadyExists(f"entity {self.id} exists already")
        return merge.create(self.content, now)


@dataclass(slots=True)
class Upsert:
    """Create, or else replace or (``update``) append to the entity."""

    id: str
    content: Normalized
    update: bool = False

    def apply(self, current: Entity | None, now: int) -> Outcome:
        if current is None:
            return merge.create(self.content, now)
        if self.update:
            return merge.append(current, self.content, now)
        return merge.replace(current, self.content, now)


@dataclass(slots=True)
class Observe:
    """Create, or else put in what is newer than what is there; see :func:`merge.observe`."""

    id: str
    content: Normalized

    def apply(self, current: Entity | None, now: int) -> Outcome:
        if current is None:
            return merge.create(self.content, now)
        return merge.observe(current, self.content, now)


@dataclass(slots=True)
class Replace:
    id: str
    content: Normalized
    types: TypeGuard | None = None

    def apply(self, current: Entity | None, now: int) -> Outcome:
        return merge.replace(_existing(current, self.id, self.types), self.content, now)


@dataclass(slots=True)
class Append:
    id: str
    content: Normalized
    overwrite: bool = True
    types: TypeGuard | None = None

    def apply(self, current: Entity | None, now: int) -> Outcome:
        entity = _existing(current, self.id, self.types)
        return merge.append(entity, self.content, now, overwrite=self.overwrite)


@dataclass(slots=True)
class Update:
    id: str
    content: Normalized
    types: TypeGuard | None = None

    def apply(self, current: Entity | None, now: int) -> Outcome:
        return merge.update(_existing(current, self.id, self.types), self.content, now)


@dataclass(slots=True)
class Merge:
    id: str
    content: Normalized
    observed_at: str | None = None
    lang: str | None = None
    types: TypeGuard | None = None

    def apply(self, current: Entity | None, now: int) -> Outcome:
        entity = _existing(current, self.id, self.types)
        return merge.merge(entity, self.content, now, observed_at=self.observed_at, lang=self.lang)


@dataclass(slots=True)
class PartialUpdate:
    """Change members of one attribute instance; ``content`` holds just that attribute."""

    id: str
    content: Normalized
    types: TypeGuard | None = None

    def apply(self, current: Entity | None, now: int) -> Outcome:
        return merge.partial(_existing(current, self.id, self.types), self.content, now)


@dataclass(slots=True)
class ReplaceAttribute:
    """Replace one attribute instance; ``content`` holds just that attribute."""

    id: str
    content: Normalized
    types: TypeGuard | None = None

    def apply(self, current: Entity | None, now: int) -> Outcome:
        return merge.replace_attribute(_existing(current, self.id, self.types), self.content, now)


@dataclass(slots=True)
class Delete:
    id: str
    types: TypeGuard | None = None

    def apply(self, current: Entity | None, now: int) -> Outcome:
        entity = _existing(current, self.id, self.types)
        return Outcome(None, (), tuple(_attributes(entity)), [])


@dataclass(slots=True)
class DeleteAttribute:
    id: str
    name: str
    dataset: str | None = None
    all_instances: bool = False
    types: TypeGuard | None = None

    def apply(self, current: Entity | None, now: int) -> Outcome:
        entity = _existing(current, self.id, self.types)
        return merge.delete_attribute(entity, self.name, self.dataset, self.all_instances, now)


@dataclass(slots=True)
class Keep:
    """Remove every attribute but those named (Purge with ``keep``), or just those (``drop``)."""

    id: str
    names: frozenset[str]
    drop: bool

    def apply(self, current: Entity | None, now: int) -> Outcome:
        entity = _existing(current, self.id, None)
        going = [n for n in _attributes(entity) if (n in self.names) is self.drop]
        deleted: list[str] = []
        for name in going:
            outcome = merge.delete_attribute(entity, name, None, True, now)
            entity = outcome.entity or entity
            deleted += outcome.deleted
        return Outcome(entity, (), tuple(deleted), [])


@dataclass(slots=True)
class Expire:
    """Remove what has expired (clause 4.22)."""

    id: str

    def apply(self, current: Entity | None, now: int) -> Outcome:
        if current is None:
            return Outcome(None, (), (), [])
        left = merge.without_expired(current, now)
        if left is None:
            return Outcome(None, (), tuple(_attributes(current)), [])
        gone = tuple(_paths(current) - _paths(left))
        return Outcome(left, (), gone, [])


def _paths(entity: Entity) -> set[str]:
    """Return the paths of all attribute instances."""
    return {
        path_of(name, one)
        for name, attribute in attributes_of(entity.document)
        for one in instances(attribute)
    }


def _attributes(entity: Entity) -> list[str]:
    return [name for name in entity.document if name not in ("id", "type", "scope")]

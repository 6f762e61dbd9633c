"""Finds what the state of all tenants has about one person, by the marks of personal data."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from madang.model.entity import Document, Entity
from madang.query.reach import Hidden
from madang.query.tree import Compare, HasType, Or, Path, Query, Selector, Uri
from madang.store.rows import entity_of
from madang.trust.marks import Mark

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant


@dataclass(slots=True)
class About:
    """One entity, as far as it is about the person."""

    tenant: Tenant
    entity: Entity
    is_person: bool
    """The entity is the person: all of it is about them."""
    mine: dict[str, list[Mark]] = field(default_factory=dict)
    """Marks of the attributes that are about the person, by attribute."""
    others: set[str] = field(default_factory=set)
    """Attributes that are sensitive and not about this person, or not about them alone."""

    @property
    def document(self) -> Document:
        """What the person is given: without what is about others, or only for the city."""
        hidden = self.others
        return {name: value for name, value in self.entity.document.items() if name not in hidden}


async def search(
    tenants: Iterable[Tenant], marks: Iterable[Mark], subject: str
) -> AsyncIterator[About]:
    """Yield all entities that are a person, or name the person as whom a mark is about."""
    marks = tuple(marks)
    for tenant in tenants:
        row = await tenant.get(subject)
        if row is not None:
            yield judge(tenant, entity_of(row), marks, subject)
        seen = {subject}
        for query in _queries(marks, subject):
            async for rows in tenant.stream(query):
                for row in rows:
                    if row.id not in seen:
                        seen.add(row.id)
                        yield judge(tenant, entity_of(row), marks, subject)


def _queries(marks: Iterable[Mark], subject: str) -> list[Query]:
    """Return the queries for entities that name a person: one for each Relationship."""
    types: dict[str, set[str]] = {}
    for mark in marks:
        if mark.sensitivity == "personal" and mark.subject:
            types.setdefault(mark.subject, set()).update(mark.types)
    return [
        Query(
            selectors=(Selector(types=Or(tuple(HasType(name) for name in sorted(names)))),),
            q=Compare(Path(relationship), "==", Uri(subject)),
        )
        for relationship, names in sorted(types.items())
    ]


def judge(tenant: Tenant, entity: Entity, marks: Iterable[Mark], subject: str) -> About:
    """Tell which attributes of an entity are about a person."""
    document = entity.document
    found = About(tenant, entity, entity.id == subject)
    for mark in marks:
        if mark.attribute not in document or not set(mark.types) & set(entity.types):
            continue
        whose = set(Hidden(mark.attribute, subject=mark.subject).subjects(document))
        if mark.sensitivity == "personal" and subject in whose:
            found.mine.setdefault(mark.attribute, []).append(mark)
        if mark.sensitivity != "personal" or whose - {subject}:
            found.others.add(mark.attribute)
            if subject in whose and mark.subject:
                found.others.add(mark.subject)  # it names the others
    return found

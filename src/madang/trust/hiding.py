"""Hiding attributes of entities from one reader: as if an entity did not have them.

What an entity has of hidden attributes goes with all that tells of it: times, expiry, and the
entity's own ``modifiedAt``. Consent of the persons an attribute is about opens it to the reader.
Which text need not be read for that is told by :mod:`madang.trust.sight`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

import orjson

from madang.model.entity import Document, Entity
from madang.model.without import without
from madang.query.reach import Hidden
from madang.store.protocol import Row
from madang.store.rows import times_text

Consented = Callable[[str, str, list[str]], bool]
"""Tells whether a person lets this reader see an attribute of entities of these types."""
OnPersonal = Callable[[frozenset[str], frozenset[str], frozenset[str]], None]
"""Is told what was read: ids of entities, ids of the persons, names of the attributes."""


@dataclass(slots=True)
class Reading:
    """The personal data that one answer shows."""

    ids: set[str] = field(default_factory=set)
    subjects: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)

    def note(self, id: str, subjects: Iterable[str], attribute: str) -> None:
        self.ids.add(id)
        self.subjects.update(subjects)
        self.attributes.add(attribute)

    def tell(self, on_personal: OnPersonal) -> None:
        """Tell of the reading, if there is anything to tell."""
        if self.ids:
            on_personal(frozenset(self.ids), frozenset(self.subjects), frozenset(self.attributes))


class Hiding:
    """Which attributes one reader does not see, and which are seen but personal.

    Args:
        hidden: what is hidden; with a ``subject``, unless all persons it names have consented.
        personal: what may be seen, and is to be told of.
        consented: tells whether a person has; asked anew for every answer.
    """

    def __init__(
        self, hidden: tuple[Hidden, ...], personal: tuple[Hidden, ...], consented: Consented
    ) -> None:
        self._rules: dict[str, list[tuple[Hidden, bool]]] = {}
        for rules, hides in ((hidden, True), (personal, False)):
            for rule in rules:
                self._rules.setdefault(rule.attribute, []).append((rule, hides))
        self._consented = consented

    @property
    def is_none(self) -> bool:
        """Return whether there is nothing to look for."""
        return not self._rules

    def concerned(self, types: Collection[str]) -> list[str]:
        """Return the attributes of entities of these types that are hidden or personal."""
        return [name for name, rules in self._rules.items() if _any_about(rules, types)]

    def concerns(self, types: Collection[str], names: Collection[str]) -> bool:
        """Tell whether anything is hidden of, or personal in, entities with these attributes."""
        rules = self._rules
        return any(name in rules and _any_about(rules[name], types) for name in names)

    def entity(self, entity: Entity, reading: Reading) -> Entity:
        """Return an entity without what is hidden of it: the same object, if nothing is."""
        names = self.names(entity.document, reading)
        return without(entity, names) if names else entity

    def document(self, document: Document, reading: Reading) -> Document:
        """Return a document without what is hidden of it: the same object, if nothing is."""
        names = self.names(document, reading)
        if not names:
            return document
        return {name: value for name, value in document.items() if name not in names}

    def names(self, document: Document, reading: Reading) -> set[str]:
        """Return the attributes to hide of a document; note what is shown and personal."""
        found: set[str] = set()
        for name, rules in self._rules.items():
            if name not in document:
                continue
            applying = [(rule, hides) for rule, hides in rules if rule.concerns(document)]
            if any(hides and not self._is_open(rule, document) for rule, hides in applying):
                found.add(name)
            elif applying:
                subjects = {who for rule, _ in applying for who in rule.subjects(document)}
                reading.note(document["id"], subjects, name)
        return found

    def listed(self, types: Collection[str], names: Iterable[str]) -> list[str]:
        """Return those of the attributes of entities of these types that lists may name.

        What consent may open here and there is left out: lists cannot tell of one entity.
        """
        rules = self._rules
        return [
            name
            for name in names
            if name not in rules or not _any_about([r for r in rules[name] if r[1]], types)
        ]

    def _is_open(self, rule: Hidden, document: Document) -> bool:
        """Tell whether all persons that a hidden attribute is about have consented."""
        subjects = rule.subjects(document)
        kind = document["type"]
        types = [kind] if isinstance(kind, str) else kind
        return bool(subjects) and all(
            self._consented(subject, rule.attribute, types) for subject in subjects
        )


def _any_about(rules: list[tuple[Hidden, bool]], types: Collection[str]) -> bool:
    return any(not rule.types or not rule.types.isdisjoint(types) for rule, _ in rules)


def row_of(entity: Entity) -> Row:
    """Return the row that holds an entity."""
    times, expires = None, None
    if entity.times or entity.expires:
        text, expires = times_text(entity)
        times = text.encode()
    created, modified, written = entity.created, entity.modified, entity.written
    return Row(entity.id, orjson.dumps(entity.document), created, modified, written, expires, times)

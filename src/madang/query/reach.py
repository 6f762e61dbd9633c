"""What part of a tenant's entities somebody may reach, as something to narrow queries with.

Pure: whoever knows the policies makes a :class:`Reach`, and everything that reads or writes
entities applies it. A reader finds a city without what is out of reach: not in pages, counts, lists
of types, notifications or through the conditions of a query.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from madang.model.attributes import LINKS, instances
from madang.model.entity import Document
from madang.model.representation import links
from madang.query.tree import Condition, Or

NOTHING = Or(())
"""The condition that no entity meets."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """An attribute out of reach: as if the entity did not have it."""

    attribute: str
    types: frozenset[str] = frozenset()
    """Of entities of one of these types only; empty is of all."""
    subject: str | None = None
    """If consent opens it: the Relationship that names the person, ``""`` if that is the entity."""

    def concerns(self, document: Document) -> bool:
        """Tell whether the rule is about entities such as this one."""
        if not self.types:
            return True
        kind = document["type"]
        return kind in self.types if type(kind) is str else not self.types.isdisjoint(kind)

    def subjects(self, document: Document) -> list[str]:
        """Return the ids of the persons that the attribute is about, as far as they are named."""
        if not self.subject:
            return [] if self.subject is None else [document["id"]]
        named = instances(document.get(self.subject, []))
        return [target for one in named if one["type"] in LINKS for target in links(one)]


class HiddenNames:
    """The names of what is hidden of an entity, found by its types."""

    __slots__ = ("_by_type", "_everywhere", "_known")

    def __init__(self, hidden: Collection[Hidden]) -> None:
        self._everywhere = frozenset(one.attribute for one in hidden if not one.types)
        self._by_type: dict[str, set[str]] = {}
        for one in hidden:
            for kind in one.types:
                self._by_type.setdefault(kind, set()).add(one.attribute)
        self._known = {kind: self._everywhere | names for kind, names in self._by_type.items()}

    def of(self, types: str | list[str]) -> frozenset[str]:
        """Return the names hidden of an entity of a type, or of several."""
        if type(types) is str:
            return self._known.get(types, self._everywhere)
        return self._everywhere.union(*(self._by_type.get(kind, ()) for kind in types))


@dataclass(frozen=True, slots=True)
class Reach:
    """Which entities, and which attributes of them."""

    condition: Condition | None = None
    """What an entity must meet; None is every entity, :data:`NOTHING` is none."""
    hidden: tuple[Hidden, ...] = ()
    personal: tuple[Hidden, ...] = ()
    """Marked attributes that may be seen: nothing is left out, but each reading is recorded.
    Here ``subject`` tells whose data it is; None is unknown."""

    @property
    def is_whole(self) -> bool:
        """Return whether there is nothing that it leaves out."""
        return self.condition is None and not self.hidden

    @property
    def is_empty(self) -> bool:
        return self.condition == NOTHING


WHOLE = Reach()
EMPTY = Reach(NOTHING)

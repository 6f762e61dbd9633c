"""What the owner of a subscription may see: changes as they look from there.

A subscriber finds a city without what is out of its owner's reach. An entity that comes into reach
is created there, one that leaves it is deleted, and a hidden attribute neither shows nor triggers.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import fields, is_dataclass
from functools import lru_cache
from hashlib import sha256

from madang.hub.seen import seen_change
from madang.model.entity import Entity
from madang.model.view import View
from madang.model.without import without
from madang.query.fits import fits
from madang.query.reach import HiddenNames, Reach
from madang.store.protocol import Change

Lookup = Callable[[Collection[str]], Awaitable[dict[str, Entity]]]
"""Returns those of the entities that exist."""

OnPersonal = Callable[[str, frozenset[str], frozenset[str], frozenset[str]], None]
"""Is told of personal data put into a notification: its reader (the owner of the subscription), ids
of the entities, ids of the persons it is about, names of the attributes."""


class Sight:
    """A reach, ready to be applied to entities and changes.

    What consent could open stays hidden: a notification leaves the city, and nobody can take it
    back when the consent ends.
    """

    __slots__ = ("_fits", "_hidden", "_personal", "mark", "reach")

    def __init__(self, reach: Reach) -> None:
        self.reach = reach
        self.mark = _mark(reach)
        """Tells one reach from another, in any process."""
        self._fits = fits(reach.condition)
        self._hidden = HiddenNames(reach.hidden)
        self._personal = reach.personal

    def entity(self, entity: Entity) -> Entity | None:
        """Return an entity as it is seen, or None if it is not."""
        if self._fits is not None and not self._fits(entity):
            return None
        hidden = self._hidden.of(entity.document["type"])
        return entity if hidden.isdisjoint(entity.document) else without(entity, hidden)

    def change(self, change: Change) -> Change | None:
        """Return a change as it is seen, or None if there is nothing of it to see."""
        before = None if change.before is None else self.entity(change.before)
        after = None if change.after is None else self.entity(change.after)
        return seen_change(change, before, after)

    def lookup(self, lookup: Lookup) -> Lookup:
        """Return a look-up that finds what is seen only."""

        async def find(ids: Collection[str]) -> dict[str, Entity]:
            found = await lookup(ids)
            return {id: seen for id, one in found.items() if (seen := self.entity(one))}

        return find

    def tell(
        self, on_personal: OnPersonal, owner: str, shown: Iterable[tuple[Entity, View]]
    ) -> None:
        """Tell of the personal data in entities that are shown, if there is any."""
        if not self._personal:
            return
        ids, subjects, names = set(), set(), set()
        for entity, view in shown:
            for rule in self._personal:
                name = rule.attribute
                if name in entity.document and view.keeps(name) and rule.concerns(entity.document):
                    ids.add(entity.id)
                    subjects.update(rule.subjects(entity.document))
                    names.add(name)
        if ids:
            on_personal(owner, frozenset(ids), frozenset(subjects), frozenset(names))


@lru_cache(maxsize=4096)
def sight_of(reach: Reach) -> Sight | None:
    """Return what a reach lets see; None is everything, with nothing personal in it."""
    return None if reach.is_whole and not reach.personal else Sight(reach)


def _mark(reach: Reach) -> str:
    """Return a short text for what a reach leaves out; an empty one for nothing."""
    if reach.is_whole:
        return ""
    return sha256(_text((reach.condition, reach.hidden)).encode()).hexdigest()[:16]


def _text(value: object) -> str:
    """Return the same text for equal values in every process, which ``repr`` of a set does not."""
    if is_dataclass(value) and not isinstance(value, type):
        inner = ",".join(_text(getattr(value, field.name)) for field in fields(value))
        return f"{type(value).__name__}({inner})"
    if isinstance(value, frozenset):
        return "{" + ",".join(sorted(map(_text, value))) + "}"
    if isinstance(value, tuple):
        return "(" + ",".join(map(_text, value)) + ")"
    return repr(value)

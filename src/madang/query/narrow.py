"""Narrowing a query to what a reader may see, so that its answer tells nothing of the rest.

The narrowed query finds, counts and orders as the query itself would if entities out of reach did
not exist and no entity had an attribute that is hidden of it: not in ``q`` or behind a
relationship, not by place, order or ``attrs``. A query that the reach does not concern stays the
very same object, so plans and prepared statements are shared with everybody else.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache

from madang.query.decide import is_sure
from madang.query.reach import NOTHING, Hidden, Reach
from madang.query.tree import (
    And,
    Compare,
    Condition,
    Exists,
    Geo,
    HasType,
    Link,
    Not,
    Or,
    Order,
    Path,
    Query,
)


@lru_cache(maxsize=4096)
def narrowed(query: Query, reach: Reach) -> Query:
    """Return the query that finds of what this one asks for only what is within reach."""
    if reach.is_whole:
        return query
    narrower = Narrower(reach)
    demands: list[Condition] = []
    if reach.condition is not None and not is_sure(reach.condition, query.selectors):
        demands.append(reach.condition)
    if query.geo is not None:
        demands += narrower.shown((query.geo.attribute,))
    attributes = query.attributes
    if any(name in narrower.hidden for name in attributes):
        demands.append(Or(tuple(narrower.condition(Exists(Path(name))) for name in attributes)))
        attributes = ()
    q = None if query.q is None else narrower.condition(query.q)
    order = tuple(map(narrower.order, query.order))
    if not demands and (q, order, attributes) == (query.q, query.order, query.attributes):
        return query
    whole = query.reach if not demands else _all((*_given(query.reach), *demands))
    return replace(query, q=q, order=order, attributes=attributes, reach=whole)


class Narrower:
    """Rewrites the parts of a query for one reach."""

    def __init__(self, reach: Reach) -> None:
        self._reach = reach
        self.hidden = {rule.attribute for rule in reach.hidden}

    def condition(self, condition: Condition) -> Condition:
        """Return what a condition comes to where hidden attributes and entities are not there."""
        match condition:
            case And(items):
                return And(tuple(map(self.condition, items)))
            case Or(items):
                return Or(tuple(map(self.condition, items)))
            case Not(item):
                return Not(self.condition(item))
            case Compare(path) | Exists(path):
                first = path.links[0].relationship if path.links else path.attribute
                return _all((*self.shown((first,)), replace(condition, path=self.path(path))))
            case Geo():
                return _all((*self.shown((condition.attribute,)), condition))
            case _:
                return condition

    def order(self, order: Order) -> Order:
        """Return an order in which a hidden value counts as absent."""
        demands = self.shown((order.path.attribute,))
        seen = _all((*_given(order.seen), *demands)) if demands else order.seen
        return replace(order, path=self.path(order.path), seen=seen)

    def path(self, path: Path) -> Path:
        """Return a path that leads only over what is shown, and to times of what is shown."""
        if path.links:
            path = self._over_links(path)
        if path.attribute == "modifiedAt" and not path.subs:
            rules = ((rule.attribute, tuple(sorted(rule.types))) for rule in self._reach.hidden)
            return replace(path, without=(*path.without, *rules))
        return path

    def shown(self, names: Iterable[str]) -> list[Condition]:
        """Return what an entity must meet for none of these attributes to be hidden of it."""
        wanted = self.hidden.intersection(names)
        return [_shows(rule) for rule in self._reach.hidden if rule.attribute in wanted]

    def _over_links(self, path: Path) -> Path:
        """Let each step lead only to entities within reach that show what is looked at there."""
        looked_at = (*(link.relationship for link in path.links[1:]), path.attribute)
        links = zip(path.links, looked_at, strict=True)
        return replace(path, links=tuple(self._link(link, name) for link, name in links))

    def _link(self, link: Link, looked_at: str) -> Link:
        demands = (*_given(self._reach.condition), *self.shown((looked_at,)))
        return replace(link, seen=_all((*_given(link.seen), *demands))) if demands else link


def _shows(rule: Hidden) -> Condition:
    """Return the condition of entities that an attribute is not hidden of, consent left aside."""
    if not rule.types:
        return NOTHING
    return Not(Or(tuple(map(HasType, sorted(rule.types)))))


def _given(condition: Condition | None) -> tuple[Condition, ...]:
    return () if condition is None else (condition,)


def _all(demands: tuple[Condition, ...]) -> Condition:
    """Return the condition that all of these hold, those of a conjunction side by side."""
    if len(demands) == 1:
        return demands[0]
    flat: list[Condition] = []
    for demand in demands:
        flat += demand.items if isinstance(demand, And) else (demand,)
    return And(tuple(flat))

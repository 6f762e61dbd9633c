"""Conditions as tests of one entity alone, quick where its types decide."""

from __future__ import annotations

from collections.abc import Callable

from madang.model.entity import Entity
from madang.query import evaluate
from madang.query.tree import Condition, HasType, Or

Fits = Callable[[Entity], bool]


def fits(condition: Condition | None) -> Fits | None:
    """Return the test of a condition; None if every entity meets it.

    A choice of types, which is what most readers and writers have, takes one look-up in a set. What
    a condition asks of linked entities is not met, for none are at hand.
    """
    if condition is None:
        return None
    types = _types(condition)
    if types is None:
        test = evaluate.compile(condition)
        return lambda entity: test(entity, None)

    def of_type(entity: Entity) -> bool:
        kind = entity.document["type"]
        return kind in types if type(kind) is str else not types.isdisjoint(kind)

    return of_type


def _types(condition: Condition) -> frozenset[str] | None:
    """Return the types of a condition that asks for one of some types and nothing else."""
    items = condition.items if type(condition) is Or else (condition,)
    names = [item.name for item in items if type(item) is HasType]
    return frozenset(names) if len(names) == len(items) else None

"""What the types and the attribute names of an entity, known or asked for, decide of a condition.

Source: S. C. Kleene, Introduction to Metamathematics, 1952, section 64 (strong three-valued logic):
None is a condition that the rest of the entity decides.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import assert_never

from madang.query.q import SYSTEM
from madang.query.tree import (
    And,
    Compare,
    Condition,
    Exists,
    Geo,
    HasId,
    HasType,
    InScope,
    Not,
    Or,
    Path,
    Selector,
)

ALWAYS = And(())
NEVER = Or(())
MOST_WAYS = 64  # ways to meet a selection of types that are looked at one by one


def decided(
    condition: Condition,
    types: Collection[str],
    names: Collection[str] | None = None,
    *,
    may_have_more: bool = False,
) -> bool | None:
    """Return what a condition comes to for all such entities; None if not the same for all.

    Args:
        condition: what is asked.
        types: the types of the entity.
        names: the attributes of the entity; None if nothing is known of them.
        may_have_more: the entity may be of further types.
    """

    def inner(item: Condition) -> bool | None:
        return decided(item, types, names, may_have_more=may_have_more)

    match condition:
        case And(items):
            return _all(map(inner, items))
        case Or(items):
            return _turned(_all(_turned(inner(item)) for item in items))
        case Not(item):
            return _turned(inner(item))
        case HasType(name):
            return True if name in types else None if may_have_more else False
        case HasId(ids):
            return None if ids else False
        case InScope():
            return None
        case Geo():
            return None if names is None or condition.attribute in names else False
        case Compare(path):
            return _there(path, names)
        case Exists(path):
            found = _there(path, names)
            return True if found is None and names is not None and _is_plain(path) else found
    assert_never(condition)


def is_sure(condition: Condition, selectors: tuple[Selector, ...]) -> bool:
    """Tell whether all entities that selectors select meet a condition, judged by types alone."""
    ways = [way for selector in selectors for way in _ways(selector.types)] or [frozenset()]
    return all(decided(condition, way, may_have_more=True) is True for way in ways)


def rest_of(condition: Condition, decide: Callable[[Condition], bool | None]) -> Condition:
    """Return a condition without those parts of it that are decided."""
    found = decide(condition)
    if found is not None:
        return ALWAYS if found else NEVER
    match condition:
        case And(items):
            left = [one for one in (rest_of(item, decide) for item in items) if one != ALWAYS]
            return left[0] if len(left) == 1 else And(tuple(left))
        case Or(items):
            left = [one for one in (rest_of(item, decide) for item in items) if one != NEVER]
            return left[0] if len(left) == 1 else Or(tuple(left))
        case Not(item):
            return Not(rest_of(item, decide))
        case _:
            return condition


def is_of_shape(condition: Condition) -> bool:
    """Tell whether the types and attribute names of an entity always decide a condition."""
    match condition:
        case And(items) | Or(items):
            return all(map(is_of_shape, items))
        case Not(item):
            return is_of_shape(item)
        case HasType():
            return True
        case Exists(path):
            return _is_plain(path)
        case _:
            return False


def _is_plain(path: Path) -> bool:
    return path == Path(path.attribute) and path.attribute not in SYSTEM


def _there(path: Path, names: Collection[str] | None) -> bool | None:
    first = path.links[0].relationship if path.links else path.attribute
    return None if names is None or first in names or first in SYSTEM else False


def _ways(types: Condition | None) -> list[frozenset[str]]:
    """Return sets of types of which a selected entity has at least one set whole."""
    match types:
        case HasType(name):
            return [frozenset((name,))]
        case Or(items):
            ways = [way for item in items for way in _ways(item)]
        case And(items):
            ways = [frozenset()]
            for item in items:
                ways = [one | other for one in ways for other in _ways(item)][: MOST_WAYS + 1]
        case _:
            return [frozenset()]
    return ways if len(ways) <= MOST_WAYS else [frozenset()]


def _all(found: Iterable[bool | None]) -> bool | None:
    whole: bool | None = True
    for one in found:
        if one is False:
            return False
        if one is None:
            whole = None
    return whole


def _turned(found: bool | None) -> bool | None:
    return None if found is None else not found

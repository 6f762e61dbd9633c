"""An algebra of parts of the entities: all of them, none, or those that meet a condition.

What comes out is as simple as can be, because the fast ways of readers depend on it: a part that is
all or nothing is a bool, lists are flat and name nothing twice, ids are in one list.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from madang.query.reach import NOTHING
from madang.query.tree import And, Condition, HasId, InScope, Not, Or

Part = bool | Condition
"""All entities, none, or those that meet a condition."""

WIDEST = 250
"""Alternatives in one list; longer ones become lists of lists, for SQLite limits their depth."""

_SCOPE = re.compile(r"/[^\W\d_]\w*(?:/[^\W\d_]\w*)*")


def any_of(parts: Iterable[Part]) -> Part:
    """Return the entities that are in at least one of the parts."""
    found: dict[Condition, None] = {}
    ids: set[str] = set()
    for part in parts:
        if part is True:
            return True
        if part is False:
            continue
        for item in part.items if isinstance(part, Or) else (part,):
            if isinstance(item, HasId):
                ids.update(item.ids)
            else:
                found[item] = None
    if ids:
        found[HasId(tuple(sorted(ids)))] = None
    return _one_or(Or, tuple(found), False)


def all_of(parts: Iterable[Part]) -> Part:
    """Return the entities that are in each of the parts."""
    found: dict[Condition, None] = {}
    for part in parts:
        if part is False:
            return False
        if part is not True:
            found.update(dict.fromkeys(part.items if isinstance(part, And) else (part,)))
    return _one_or(And, tuple(found), True)


def opposite(part: Part) -> Part:
    """Return the entities that are not in a part."""
    if isinstance(part, bool):
        return not part
    return part.item if isinstance(part, Not) else Not(part)


def within(scope: str) -> Part:
    """Return the entities in a scope such as ``/Seoul/Water`` or below it; none if it is no scope.

    >>> within("/Seoul")
    InScope(levels=('Seoul',), below=True)
    """
    if not _SCOPE.fullmatch(scope):
        return False
    return InScope(tuple(scope[1:].split("/")), below=True)


def ancestry(scopes: Iterable[str]) -> set[str]:
    """Return scopes and all that lie above them, each with a leading slash.

    >>> sorted(ancestry(["Seoul/Water"]))
    ['/Seoul', '/Seoul/Water']
    """
    found = set()
    for scope in scopes:
        levels = scope.removeprefix("/").split("/")
        found |= {"/" + "/".join(levels[:depth]) for depth in range(1, len(levels) + 1)}
    return found


def condition_of(part: Part) -> Condition | None:
    """Return a part as a reach has it: None is every entity."""
    if isinstance(part, bool):
        return None if part else NOTHING
    return _in_groups(part)


def _one_or(
    combine: type[And] | type[Or], items: tuple[Condition, ...], empty: bool
) -> bool | Condition:
    if not items:
        return empty
    return items[0] if len(items) == 1 else combine(items)


def _in_groups(condition: Condition) -> Condition:
    match condition:
        case Not(item):
            return Not(_in_groups(item))
        case And(items) | Or(items):
            combine = And if isinstance(condition, And) else Or
            found = tuple(map(_in_groups, items))
            while len(found) > WIDEST:
                found = tuple(
                    combine(found[at : at + WIDEST]) for at in range(0, len(found), WIDEST)
                )
            return combine(found)
        case _:
            return condition

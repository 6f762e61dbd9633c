"""The scope query language, as in ``scopeQ=/Madrid/+/ParqueNorte,/CompanyA/#``.

Source: ETSI GS CIM 009 clauses 4.18 and 4.19.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from madang.query.reader import Reader
from madang.query.tree import Condition, InScope

_SCOPE = re.compile(r"[^\s\"'();|,]+")
_LEVEL = re.compile(r"[^\W\d_]\w*|\+")


def parse(text: str) -> Condition:
    """Return the condition that a scope query means.

    Raises:
        BadRequestData: it is no scope query.
    """
    reader = Reader(text, "scopeQ")

    def term() -> Condition:
        start = reader.position
        *levels, last = reader.match(_SCOPE).removeprefix("/").split("/")
        below = last == "#"
        if not below:
            levels.append(last)
        if not all(map(_LEVEL.fullmatch, levels)):
            reader.fail("a scope such as /Madrid/Gardens, /Madrid/+/North or /Madrid/#", start)
        return InScope(tuple(levels), below)

    return reader.whole(term, ",|")


@lru_cache(maxsize=4096)
def matcher(wanted: InScope) -> Callable[[str], bool]:
    """Return a test of one scope of an entity."""
    levels, below = wanted.levels, wanted.below
    if "+" not in levels:
        exact = "/".join(levels)
        start = f"{exact}/" if levels else ""
        if below:
            return lambda scope: f"{scope.lstrip('/')}/".startswith(start)
        return lambda scope: scope.lstrip("/") == exact

    def matches(scope: str) -> bool:
        found = scope.lstrip("/").split("/")
        if len(found) < len(levels) or (len(found) > len(levels) and not below):
            return False
        return all(level in ("+", own) for level, own in zip(levels, found, strict=False))

    return matches

"""Regular patterns of ``~=`` and ``idPattern``: searched anywhere, case-sensitive, bounded in work.

A stranger writes the pattern and perhaps the text as well, and Python's engine backtracks. So the
ways in which a pattern can be tried are counted beforehand, patterns with very many are refused,
and only the beginning of a long text is looked at.
Source: ETSI GS CIM 009 clauses 4.9 (patternOp) and 5.2.8 (idPattern).
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from re import _parser  # type: ignore[attr-defined]  # the only way to look into a pattern
from typing import Any, NamedTuple

from madang.model.errors import BadRequestData
from madang.model.names import shown

LONGEST = 512  # characters of a pattern
TEXT = 512  # characters of a text that are looked at
WIDE = 16  # a repeat that may go on longer than this is open-ended
MOST_OPEN = 2  # open-ended repeats: each multiplies the work by the length of the text
MOST_WAYS = 10_000
_BEYOND = 1e9

_REPEATS = {"MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"}
_REFERENCES = {"GROUPREF", "GROUPREF_EXISTS"}


class Work(NamedTuple):
    """How much there is to try: ways to match one piece of text, and open-ended repeats."""

    ways: float = 1.0
    open: int = 0


@lru_cache(maxsize=4096)
def compiled(pattern: str) -> re.Pattern[str]:
    """Return the pattern made ready.

    Raises:
        BadRequestData: it is no regular expression, or could take too long.
    """
    if len(pattern) > LONGEST:
        raise BadRequestData(f"a pattern has at most {LONGEST} characters, not {len(pattern)}")
    try:
        ready = re.compile(pattern)
        work = _work(list(_parser.parse(pattern)))
    except (re.error, OverflowError, RecursionError) as error:
        raise BadRequestData(f"{shown(pattern)} is no regular expression: {error}") from error
    if work.ways > MOST_WAYS or work.open > MOST_OPEN:
        raise BadRequestData(
            f"{shown(pattern)} could take too long: use at most {MOST_OPEN} open-ended repeats"
            " such as .* (one more after ^), none inside another, and no references to groups"
        )
    return ready


def found(pattern: str, text: str) -> bool:
    """Tell whether the pattern is somewhere in the text."""
    return compiled(pattern).search(text, 0, TEXT) is not None


def _work(parsed: list[Any]) -> Work:
    """Return the work of a whole pattern."""
    work = _sequence(parsed)
    if parsed and str(parsed[-1][0]) in _REPEATS:
        least, _, inner = parsed[-1][1]
        if int(least) == 0 and _sequence(inner) == Work():
            work = _sequence(parsed[:-1])  # .* at the end takes what comes, nothing is tried again
    anchored = parsed and str(parsed[0][1]) == "AT_BEGINNING"  # not tried at every character
    return Work(work.ways, work.open - 1) if anchored else work


def _sequence(parsed: Any) -> Work:
    ways, open_ended = 1.0, 0
    for operator, argument in parsed:
        step = _step(str(operator), argument)
        ways *= step.ways
        open_ended += step.open
    return Work(min(ways, _BEYOND), open_ended)


def _step(name: str, argument: Any) -> Work:
    if name in _REFERENCES:
        return Work(_BEYOND)
    if name in _REPEATS:
        return _repeat(int(argument[0]), int(argument[1]), _sequence(argument[2]))
    if name == "BRANCH":
        return _branch(argument[1])
    if isinstance(argument, _parser.SubPattern):  # an atomic group
        return _sequence(argument)
    if isinstance(argument, tuple):  # other groups, look-around
        parts = [_sequence(part) for part in argument if isinstance(part, _parser.SubPattern)]
        return Work(math.prod(part.ways for part in parts), sum(part.open for part in parts))
    return Work()


def _repeat(least: int, most: int, inner: Work) -> Work:
    if most <= 1:
        return Work(inner.ways + 1, inner.open)
    if inner.open:
        return Work(_BEYOND)
    if most > WIDE:
        return Work(1.0 if inner.ways == 1 else _BEYOND, 1)
    return Work(inner.ways**most * (most - least + 1))


def _branch(branches: list[Any]) -> Work:
    works = [_sequence(branch) for branch in branches]
    open_ended = max(work.open for work in works)
    starts = {str(branch[0]) if len(branch) else "" for branch in branches}
    literal = all(len(branch) and str(branch[0][0]) == "LITERAL" for branch in branches)
    if literal and len(starts) == len(branches):  # the first character decides which one
        return Work(max(work.ways for work in works), open_ended)
    return Work(sum(work.ways for work in works), open_ended)

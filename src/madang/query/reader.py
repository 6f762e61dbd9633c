"""Reading a query text from left to right, and saying well where it goes wrong.

What the query languages have in common: terms joined by ``;`` (and, binds tighter) and ``|`` or
``,`` (or), grouped by parentheses (ETSI GS CIM 009 clauses 4.9, 4.17, 4.19).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NoReturn

from madang.model.errors import BadRequestData
from madang.query.tree import And, Condition, Or

LONGEST = 16_384  # characters of one query text
DEEPEST = 32  # parentheses inside one another
MOST_TERMS = 512


class Reader:
    """A text, how far it has been read, and the name to call it by in an error."""

    __slots__ = ("_depth", "_terms", "name", "position", "text")

    def __init__(self, text: str, name: str) -> None:
        if len(text) > LONGEST:
            raise BadRequestData(f"{name} has {len(text)} characters; at most {LONGEST} are read")
        if not text.isascii() and not _is_unicode(text):
            raise BadRequestData(f"{name} holds half of a surrogate pair, which is no character")
        self.text = text
        self.name = name
        self.position = 0
        self._depth = 0
        self._terms = 0

    def fail(self, expected: str, at: int | None = None) -> NoReturn:
        """Raise BadRequestData: at this position something else was expected."""
        position = self.position if at is None else at
        rest = self.text[position : position + 20]
        found = f"found {rest!r}" if rest else "the text ends"
        raise BadRequestData(
            f"{self.name}: expected {expected} at character {position + 1}, {found}"
        )

    def refuse(self, reason: str, at: int) -> NoReturn:
        """Raise BadRequestData: what stands at this position cannot be."""
        raise BadRequestData(f"{self.name}: {reason} (at character {at + 1})")

    def at(self, literal: str) -> bool:
        return self.text.startswith(literal, self.position)

    def take(self, literal: str) -> bool:
        """Step over ``literal`` if it comes next; tell whether it did."""
        if not self.text.startswith(literal, self.position):
            return False
        self.position += len(literal)
        return True

    def need(self, literal: str) -> None:
        if not self.take(literal):
            self.fail(repr(literal))

    def match(self, pattern: re.Pattern[str]) -> str:
        """Step over what the pattern matches here, and return it: nothing, if it does not."""
        found = pattern.match(self.text, self.position)
        if found is None:
            return ""
        self.position = found.end()
        return found.group()

    def whole(self, term: Callable[[], Condition], alternatives: str) -> Condition:
        """Read the whole text as one expression.

        Args:
            term: reads one term.
            alternatives: the characters that mean *or*.
        """
        condition = self._any(term, alternatives)
        if self.position < len(self.text):
            self.fail(f"';', {', '.join(map(repr, alternatives))} or the end")
        return condition

    def _any(self, term: Callable[[], Condition], alternatives: str) -> Condition:
        items = [self._all(term, alternatives)]
        while any(map(self.take, alternatives)):
            items.append(self._all(term, alternatives))
        return items[0] if len(items) == 1 else Or(tuple(items))

    def _all(self, term: Callable[[], Condition], alternatives: str) -> Condition:
        items = [self._one(term, alternatives)]
        while self.take(";"):
            items.append(self._one(term, alternatives))
        return items[0] if len(items) == 1 else And(tuple(items))

    def _one(self, term: Callable[[], Condition], alternatives: str) -> Condition:
        start = self.position
        self._terms += 1
        if self._terms > MOST_TERMS:
            self.refuse(f"more than {MOST_TERMS} terms", start)
        if not self.take("("):
            return term()
        self._depth += 1
        if self._depth > DEEPEST:
            self.refuse(f"parentheses nested more than {DEEPEST} deep", start)
        condition = self._any(term, alternatives)
        self.need(")")
        self._depth -= 1
        return condition


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True

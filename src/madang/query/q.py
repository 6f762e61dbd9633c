"""The NGSI-LD query language ``q``: text to syntax tree.

Source: ETSI GS CIM 009 clause 4.9. A DateTime counts as one with and without quotes. A name with
dots must be an IRI, and only after the last ``/``, ``#`` or ``:`` of it a dot begins a
sub-attribute.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import cast
from urllib.parse import unquote

from madang.model.context import Names
from madang.model.errors import BadRequestData
from madang.query import literals, pattern
from madang.query.reader import Reader
from madang.query.tree import (
    And,
    Compare,
    Condition,
    Exists,
    Geo,
    Link,
    Not,
    Operator,
    Or,
    Path,
)

SYSTEM = frozenset({"id", "type", "scope", "createdAt", "modifiedAt"})
"""What every entity has beside its attributes, and q may name."""

_OPERATOR = re.compile(r"==|!=|>=|<=|>|<|~=|!~=")
_NAMES = re.compile(r"[^\s\"'()\[\]{};|,<>=!~\\^`]+")
_MEMBERS = re.compile(r"[^\[\]\"]+")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_ATTRIBUTE = "the name of an attribute"


def decoded(text: str) -> str:
    """Return a text from a JSON body without the percent-encoding it may still have."""
    if _ESCAPE.search(text) is None:
        return text
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        return text


def parse(
    text: str,
    names: Names,
    *,
    expand_values: Collection[str] = (),
    json_keys: Collection[str] = (),
    max_links: int = 0,
) -> Condition:
    """Return the condition that a ``q`` means.

    Args:
        text: percent-decoded.
        names: the @context of the request.
        expand_values: attributes whose values in ``text`` are names to expand.
        json_keys: attributes whose members are raw JSON, so that no key is an IRI to compact.
        max_links: how many relationships a path may follow (``joinLevel``; 0 without ``join``).

    Raises:
        BadRequestData: it is no query, or follows too many relationships.
    """
    return _Parser(text, names, expand_values, json_keys, max_links).whole()


def attributes(condition: Condition) -> frozenset[str]:
    """Return the attributes of the entity itself that a condition looks at (clause 5.7.2.4)."""
    match condition:
        case And(items) | Or(items):
            return frozenset().union(*map(attributes, items))
        case Not(item):
            return attributes(item)
        case Compare(path) | Exists(path):
            name = path.links[0].relationship if path.links else path.attribute
            return frozenset() if name in SYSTEM else frozenset((name,))
        case Geo():
            return frozenset((condition.attribute,))
        case _:
            return frozenset()


def split(text: str) -> list[str]:
    """Return the names of a path, of which each may be an IRI with dots.

    >>> split("https://schema.org/speed.observedAt")
    ['https://schema.org/speed', 'observedAt']
    """
    parts: list[str] = []
    while True:
        dot, colon = text.find("."), text.find(":")
        if colon >= 0 and (dot < 0 or colon < dot):
            dot = text.find(".", max(map(text.rfind, "/#:")))
        if dot < 0:
            return [*parts, text]
        parts.append(text[:dot])
        text = text[dot + 1 :]


class _Parser:
    def __init__(
        self,
        text: str,
        names: Names,
        expand_values: Collection[str],
        json_keys: Collection[str],
        max_links: int,
    ) -> None:
        self._reader = Reader(text, "q")
        self._names = names
        self._expandable = {names.expand(name) for name in expand_values}
        self._raw = {names.expand(name) for name in json_keys}
        self._max_links = max_links

    def whole(self) -> Condition:
        return self._reader.whole(self._term, "|")

    def _term(self) -> Condition:
        reader = self._reader
        if reader.take("!"):
            return Not(Exists(self._path(())))
        path = self._path(())
        operator = reader.match(_OPERATOR)
        if not operator:
            return Exists(path)
        start = reader.position
        value = literals.read(reader, operator, self._expansion(path))
        if operator in ("~=", "!~="):
            self._at(start, pattern.compiled, cast(str, value))
        return Compare(path, cast(Operator, operator), value)

    def _path(self, links: tuple[Link, ...]) -> Path:
        """Read a path that begins after these links."""
        reader, start = self._reader, self._reader.position
        text = reader.match(_NAMES)
        if not text:
            reader.fail(_ATTRIBUTE)
        types: list[str] = []
        if links:
            types, text = self._types(text)
            links = (*links[:-1], replace(links[-1], types=tuple(types)))
        names = [self._at(start, self._names.expand, name) for name in split(text)]
        if reader.take("{"):
            if len(names) > 1:
                reader.refuse("only a relationship of the entity itself can be followed", start)
            return self._linked(links, names[0], start)
        path = Path(names[0], tuple(names[1:]), (), links)
        return replace(path, members=self._members(path)) if reader.take("[") else path

    def _linked(self, links: tuple[Link, ...], relationship: str, start: int) -> Path:
        if len(links) >= self._max_links:
            self._reader.refuse(
                "relationships can be followed only with join, and no more than joinLevel of them",
                start,
            )
        path = self._path((*links, Link(relationship)))
        self._reader.need("}")
        return path

    def _types(self, text: str) -> tuple[list[str], str]:
        """Return the types that stand before the path in ``rel{Type:path}``, and the path."""
        reader, types = self._reader, []
        while reader.take(","):
            types.append(text)
            text = reader.match(_NAMES)
        hint, path = self._hint(text)
        if types and not hint:
            reader.fail("':' and an attribute after the types")
        start = reader.position
        wanted = [*types, hint] if hint else []
        return [self._at(start, self._names.expand, name) for name in wanted], path

    def _hint(self, text: str) -> tuple[str, str]:
        """Part ``Type:path``, where each of the two may be ``prefix:name``, but no full IRI.

        ``a:b`` is a name if ``a`` is a prefix the @context knows, else a type and an attribute.
        """
        parts = text.split(":")
        if len(parts) == 1 or "//" in text:
            return "", text
        if not all(parts):
            self._reader.fail("a name on both sides of ':'")
        first_is_prefixed = self._names.expand(":".join(parts[:2])) != ":".join(parts[:2])
        if len(parts) == 2 and first_is_prefixed:
            return "", text
        cut = 2 if first_is_prefixed else 1
        return ":".join(parts[:cut]), ":".join(parts[cut:])

    def _members(self, path: Path) -> tuple[str, ...]:
        start = self._reader.position
        members = self._reader.match(_MEMBERS).split(".")
        if not all(members):
            self._reader.fail("members such as [city] or [address.city]", start)
        self._reader.need("]")
        if path.attribute in self._raw:
            return tuple(members)
        return tuple(
            self._names.compact(self._names.expand(member)) if ":" in member else member
            for member in members
        )

    def _expansion(self, path: Path) -> literals.Expand | None:
        """Return how values of this path become names, if they are names."""
        if not path.subs and path.attribute == "type":
            return self._value
        return self._value if path.attribute in self._expandable else None

    def _value(self, text: str) -> str:
        try:
            return self._names.expand(text)
        except BadRequestData:
            return text  # no valid name, so no vocabulary holds it: it stays what it is

    def _at(self, start: int, work: Callable[[str], object], text: str) -> str:
        """Do ``work`` on a text; an error names the position."""
        try:
            return str(work(text))
        except BadRequestData as error:
            self._reader.refuse(error.detail, start)

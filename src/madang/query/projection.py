"""Attribute projection: ``pick`` keeps only the members it names, ``omit`` drops them.

Source: ETSI GS CIM 009 clause 4.21.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from madang.model.context import Names
from madang.model.errors import BadRequestData
from madang.query.reader import Reader

MOST_LINKS = 10
"""How deep braces may nest, whatever ``joinLevel`` says."""

_NAME = re.compile(r"[^\s\"'()\[\]{};|,<>=!~\\^`]+")


@dataclass(frozen=True, slots=True)
class Projection:
    """Members of an entity, by canonical name, and of the entities it links to."""

    leaves: frozenset[str]
    """Members named without braces."""
    links: tuple[tuple[str, Projection], ...] = ()
    """Relationships named with braces, by name, and what the braces hold."""
    members: frozenset[str] = frozenset()
    """All members named at this level: leaves and relationships."""

    def below(self, relationship: str) -> Projection | None:
        """Return what holds for the entities that a relationship links to; None: nothing said."""
        return next((inner for name, inner in self.links if name == relationship), None)


class Projections(NamedTuple):
    pick: Projection | None
    omit: Projection | None


def parse(text: str | Sequence[str], names: Names, name: str, max_links: int = 0) -> Projection:
    """Return the projection that a ``pick`` or ``omit`` means.

    Args:
        text: a list with commas or bars, or the array of a JSON body.
        names: the @context of the request.
        name: ``pick`` or ``omit``, for errors.
        max_links: how many relationships it may reach over (``joinLevel``; 0 without ``join``).

    Raises:
        BadRequestData: it is no projection, or reaches too far.
    """
    whole = text if isinstance(text, str) else ",".join(_item(item, name) for item in text)
    reader = Reader(whole, name)
    projection = _list(reader, names, min(max_links, MOST_LINKS))
    if reader.position < len(whole):
        reader.fail("',', '|' or the end")
    return projection


def pair(
    pick: str | Sequence[str] | None,
    omit: str | Sequence[str] | None,
    names: Names,
    *,
    attrs: bool = False,
    max_links: int = 0,
) -> Projections:
    """Return the projections of a request; ``attrs`` tells whether it has that parameter too.

    Raises:
        BadRequestData: one of them is wrong, or they clash.
    """
    if attrs and (pick is not None or omit is not None):
        raise BadRequestData("attrs goes with neither pick nor omit; use pick alone")
    picked = None if pick is None else parse(pick, names, "pick", max_links)
    omitted = None if omit is None else parse(omit, names, "omit", max_links)
    if picked is not None and omitted is not None:
        _check_apart(picked, omitted)
    return Projections(picked, omitted)


def _item(item: object, name: str) -> str:
    if not isinstance(item, str):
        raise BadRequestData(f"{name} must be an array of names of entity members")
    return item


def _list(reader: Reader, names: Names, max_links: int) -> Projection:
    leaves: set[str] = set()
    links: dict[str, Projection] = {}
    while True:
        start = reader.position
        text = reader.match(_NAME)
        if not text:
            reader.fail("the name of an entity member")
        name = names.expand(text)
        if not reader.take("{"):
            leaves.add(name)
        else:
            if max_links == 0:
                reader.refuse(
                    "linked entities can be reached only with join, and no deeper than joinLevel",
                    start,
                )
            inner = _list(reader, names, max_links - 1)
            reader.need("}")
            links[name] = _joined(links[name], inner) if name in links else inner
        if not (reader.take(",") or reader.take("|")):
            return _made(leaves, links)


def _made(leaves: set[str] | frozenset[str], links: dict[str, Projection]) -> Projection:
    ordered = sorted(links.items(), key=lambda link: link[0])
    return Projection(frozenset(leaves), tuple(ordered), frozenset({*leaves, *links}))


def _joined(one: Projection, other: Projection) -> Projection:
    links = dict(one.links)
    for name, inner in other.links:
        links[name] = _joined(links[name], inner) if name in links else inner
    return _made(one.leaves | other.leaves, links)


def _check_apart(pick: Projection, omit: Projection) -> None:
    """Refuse a member that is both picked and omitted; ``a{b}`` beside ``a{c}`` is well."""
    clash = sorted(pick.members & omit.leaves)
    if clash:
        raise BadRequestData(f"pick and omit both name {', '.join(clash)}")
    for name, inner in pick.links:
        other = omit.below(name)
        if other is not None:
            _check_apart(inner, other)

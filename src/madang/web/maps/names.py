"""An index in memory that finds entities by parts of their names, in any language.

A linear look at one text an entity: at 100,000 entities a few milliseconds, and some 40 MB. Unlike
an index of whole words it finds parts of words, which Korean needs ("종로" in "종로구청").
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterable
from typing import Final

from madang.model.entity import Document
from madang.web.maps import told

LONGEST: Final = 100  # characters of what is looked for
_TEXT: Final = 400  # characters kept of one entity
_END: Final = "\n"  # between two texts of one entity; what people type has none


def folded(text: str) -> str:
    """Return a text as it is compared: compatibility forms, letter case and blanks are one."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def text_of(document: Document) -> str:
    """Return what an entity is found by: its names, its address, then its id."""
    found: list[str] = []
    address: list[str] = []
    for name, attribute in told.attributes(document):
        if told.short(name) in told.NAMES:
            found += told.texts_of(told.content(attribute))
        elif told.short(name) == told.ADDRESS:
            address += told.texts_of(told.content(attribute))
    texts = [folded(one)[:_TEXT] for one in (*found, *address)]
    return _END.join(dict.fromkeys((*texts, document["id"].casefold())))[:_TEXT]


def words_of(text: str) -> list[str]:
    """Return the words of what somebody looks for."""
    return folded(text[:LONGEST]).split()


def matches(text: str, words: Iterable[str]) -> bool:
    """Tell whether a text has all the words, each anywhere."""
    return all(word in text for word in words)


def rank(text: str, words: Collection[str]) -> tuple[int, int, str]:
    """Return a key that sorts what fits best first: whole names, beginnings, then parts."""
    wanted = " ".join(words)
    if any(one == wanted for one in text.split(_END)):
        place = 0
    elif text.startswith(wanted):
        place = 1
    elif any(one.startswith(wanted) for one in text.split(_END)):
        place = 2
    elif f" {wanted}" in text:
        place = 3
    else:
        place = 4
    return place, text.find(_END), text


class Names:
    """The texts of one tenant's entities, with their types."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._types: dict[str, tuple[str, ...]] = {}

    def __len__(self) -> int:
        return len(self._texts)

    def put(self, id: str, types: Iterable[str], text: str) -> None:
        self._texts[id] = text
        self._types[id] = tuple(types)

    def drop(self, id: str) -> None:
        self._texts.pop(id, None)
        self._types.pop(id, None)

    def find(self, words: Collection[str], types: Collection[str], most: int) -> list[str]:
        """Return ids of entities that have all the words, the best first.

        Args:
            words: see :func:`words_of`; none of them finds nothing.
            types: entities must be of one of these; none named is any.
            most: ids.
        """
        if not words:
            return []
        first, *others = sorted(words, key=len, reverse=True)
        found = [(id, text) for id, text in self._texts.items() if first in text]
        if others:
            found = [(id, text) for id, text in found if matches(text, others)]
        if types:
            wanted = set(types)
            found = [pair for pair in found if not wanted.isdisjoint(self._types[pair[0]])]
        found.sort(key=lambda pair: rank(pair[1], words))
        return [id for id, _ in found[:most]]

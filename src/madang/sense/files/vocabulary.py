"""What the words in the header of a table mean, in Korean and English."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources

from madang.sense.files.cells import Kind

_IN_BRACKETS = re.compile(r"[(\[（【]([^()\[\]（）【】]*(?:\([a-zA-Z]\))?)[)\]）】]")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+(?:\.\d+)?|[^\W\d_a-zA-Z]+")
_HANGUL = re.compile(r"[가-힣]")


@dataclass(frozen=True, slots=True)
class Meaning:
    """An attribute that a header may name."""

    name: str
    types: tuple[str, ...]
    """Entity types that have it; empty: all."""
    words: tuple[str, ...]
    unit: str | None = None
    korean_unit: str | None = None
    """The unit where the header is Korean."""
    kind: Kind | None = None
    whole: bool = False
    """It is a number of things: only columns of whole numbers are meant."""
    share: bool = False
    """It goes from 0 to 1; what is written as per cent is divided."""
    observed: bool | None = None
    weak: bool = False
    """Its words are said of many things: they need another word beside them to tell the type."""


@dataclass(frozen=True, slots=True)
class Match:
    """A meaning, and how well a header says it."""

    meaning: Meaning
    length: int
    """Characters of the word that matched: the longest is the most exact."""
    rest: int
    """Parts of the header that it leaves over."""


@cache
def _table() -> tuple[tuple[Meaning, ...], dict[str, str]]:
    place = resources.files("madang.sense.files") / "vocabulary.toml"
    content = tomllib.loads(place.read_text("utf-8"))
    meanings = tuple(
        Meaning(**{**one, "types": tuple(one["types"]), "words": tuple(one["words"])})
        for one in content["attribute"]
    )
    return meanings, content["units"]


def place_of(meaning: Meaning) -> int:
    """Return where a meaning stands in the table: the first wins where nothing else decides."""
    return _table()[0].index(meaning)


def unit_of(header: str) -> str | None:
    """Return the unit that a header names: in brackets, or as its last part.

    >>> unit_of("기온(℃)"), unit_of("Energy [kWh]"), unit_of("volume_l"), unit_of("name")
    ('CEL', 'KWH', 'LTR', None)
    """
    units = _table()[1]
    for written in _IN_BRACKETS.findall(header):
        code = units.get("".join(written.split()).casefold())
        if code is not None:
            return code
    before, mark, last = header.rpartition("_")
    return units.get(last.casefold()) if mark and before else None


def matches(header: str) -> list[Match]:
    """Return what a header may mean, the best first.

    >>> [match.meaning.name for match in matches("초미세먼지(㎍/㎥)")]
    ['pm25', 'pm10']
    >>> matches("avg_temperature")[0].meaning.name, matches("country")
    ('temperature', [])
    """
    bare = _IN_BRACKETS.sub(" ", header)
    parts = [part.casefold() for part in _WORDS.findall(bare)] or [bare.casefold()]
    joined = "".join(bare.split()).casefold()
    found = []
    for meaning in _table()[0]:
        fits = [fit for word in meaning.words for fit in _fits(word, parts, joined)]
        if fits:
            length, rest = max(fits, key=lambda fit: (fit[0], -fit[1]))
            found.append(Match(meaning, length, rest))
    return sorted(found, key=lambda match: (-match.length, match.rest))


def _fits(word: str, parts: list[str], joined: str) -> Iterator[tuple[int, int]]:
    """Yield how much of a header a word is, and how much it leaves over."""
    if _HANGUL.search(word):
        if word in joined:
            yield len(word), len(joined) - len(word)
        return
    wanted = word.split()
    if joined == word:
        yield len(word), 0
    for start in range(len(parts)):
        for end in range(start + 1, min(start + 3, len(parts)) + 1):
            if parts[start:end] == wanted or "".join(parts[start:end]) == word:
                yield len(word), len(parts) - (end - start)

"""The order of texts for readers: an approximation of the ICU root collation.

Without a collation texts are ordered by code point. With one, as in a dictionary: base letters
decide first, then accents, then small before capital; blanks and punctuation come before digits,
digits before letters. Every language gets this root order; what languages change about it (Swedish
å after z, German phone books) is not followed.
Source: ETSI GS CIM 009 clause 4.23; RFC 6067; Unicode Technical Standard 10 (levels of comparison).
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from madang.model.errors import BadRequestData
from madang.model.names import shown

Key = tuple[tuple[tuple[int, str], ...], str, str]

_TAG = re.compile(r"[A-Za-z]{2,8}(?:[-_][A-Za-z0-9]{1,8})*", re.ASCII)


def parse(tag: object) -> str:
    """Return a collation tag as it is.

    Raises:
        BadRequestData: it is no language tag.
    """
    if isinstance(tag, str) and _TAG.fullmatch(tag):
        return tag
    raise BadRequestData(f"collation must be a tag such as und or de, not {shown(tag)}")


@lru_cache(maxsize=65536)
def key(text: str) -> Key:
    """Return what a text is sorted by.

    >>> sorted(["b", "á", "B", "a", "A", "ab", "1", "-"], key=key)
    ['-', '1', 'a', 'A', 'á', 'ab', 'b', 'B']
    """
    parted = unicodedata.normalize("NFKD", text)
    base = [letter for letter in parted if not unicodedata.combining(letter)]
    accents = "".join(letter if unicodedata.combining(letter) else " " for letter in parted)
    primary = tuple((_group(letter), letter.casefold()) for letter in base)
    return primary, accents, "".join(base).swapcase()


def _group(letter: str) -> int:
    if letter.isalpha():
        return 2
    return 1 if letter.isdigit() else 0

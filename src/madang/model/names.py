"""Names and URIs: what may identify an entity, a type or an attribute. Pure.

Source: ETSI GS CIM 009 clauses 4.5.1 (ids are URIs) and 4.6.2 (names), RFC 3986, RFC 3987.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from madang.model.errors import BadRequestData

# Whitespace, control characters and the marks of markup and quoting are in no URI (RFC 3986).
_URI = re.compile(r'[A-Za-z][A-Za-z0-9+.\-]*:[^\x00-\x20\x7f<>"{}|\\^`]+')
_WORD = re.compile(r"[^\W\d_]\w*")

# Controls, zero-width and bidi marks, surrogates, private use, and every kind of space.
_HIDDEN_CATEGORIES = {"Cc", "Cf", "Cs", "Co", "Zs", "Zl", "Zp"}
# Letters and marks that show nothing: Hangul, Khmer and Braille fillers, combining joiner.
_FILLERS = set("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_VARIATION_SELECTORS = (range(0x180B, 0x1810), range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
LONGEST = 2048  # characters of a URI or a name
_SHOWN = 80  # characters of a bad value that an error repeats


def is_uri(text: str) -> bool:
    """Return whether ``text`` is a URI, or an IRI in which every character can be seen."""
    return len(text) <= LONGEST and _is_uri(text)


@lru_cache(maxsize=65536)
def _is_uri(text: str) -> bool:
    return _URI.fullmatch(text) is not None and (text.isascii() or not _has_hidden(text))


def is_word(text: str) -> bool:
    """Return whether ``text`` is a short name: a letter, then letters, digits and ``_``."""
    return len(text) <= LONGEST and _is_word(text)


@lru_cache(maxsize=65536)
def _is_word(text: str) -> bool:
    return _WORD.fullmatch(text) is not None and (text.isascii() or not _has_hidden(text))


def check_uri(value: object, member: str) -> str:
    """Return ``value`` if it is a URI, else raise BadRequestData naming the member."""
    if isinstance(value, str) and is_uri(value):
        return value
    raise BadRequestData(f"{member} must be a URI such as urn:ngsi-ld:Sensor:1, not {shown(value)}")


def check_name(value: object, member: str = "a name") -> str:
    """Return ``value`` if it may name a type or an attribute, else raise BadRequestData."""
    if isinstance(value, str) and (is_word(value) or is_uri(value)):
        return value
    raise BadRequestData(
        f"{member} must be a letter followed by letters, digits and _, or prefix:name, or an IRI, "
        f"not {shown(value)}"
    )


def shown(value: object) -> str:
    """Return a value as an error message may repeat it: escaped and not too long."""
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def _has_hidden(text: str) -> bool:
    return any(_is_hidden(character) for character in text if character > "\x7f")


def _is_hidden(character: str) -> bool:
    code = ord(character)
    return (
        unicodedata.category(character) in _HIDDEN_CATEGORIES
        or character in _FILLERS
        or any(code in selectors for selectors in _VARIATION_SELECTORS)
        or 0xFDD0 <= code <= 0xFDEF
        or code & 0xFFFE == 0xFFFE  # the last two code points of every plane
    )

"""Natural languages: which text of a LanguageProperty a reader is served.

Source: ETSI GS CIM 009 clause 4.15 (language filter), RFC 4647 section 3.4 (lookup).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from madang.model.errors import BadRequestData
from madang.model.names import shown

NEUTRAL = "@none"
"""The key of a languageMap whose text belongs to no language."""

_RANGE = re.compile(r"(?:[a-z]{1,8}|\*)(?:-(?:[a-z0-9]{1,8}|\*))*", re.ASCII)


@lru_cache(maxsize=1024)
def ranges(text: str) -> tuple[str, ...]:
    """Return the language ranges of a ``lang`` parameter, the most wanted first.

    >>> ranges("fr;q=0.2, NL-be")
    ('nl-be', 'fr')
    """
    weighted: list[tuple[float, str]] = []
    for item in text.split(","):
        name, *parameters = item.split(";")
        language = name.strip().lower()
        if not _RANGE.fullmatch(language):
            raise BadRequestData(
                f"lang must be a list of language tags such as fr,en-GB;q=0.8, not {shown(text)}"
            )
        weight = _weight(parameters)
        if weight > 0:
            weighted.append((-weight, language))
    weighted.sort(key=lambda entry: entry[0])  # stable: equal weights keep the client's order
    return tuple(language for _, language in weighted)


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.strip().partition("=")
        if name.strip().lower() == "q":
            try:
                return min(max(float(value), 0.0), 1.0)
            except ValueError:
                return 1.0
    return 1.0


@lru_cache(maxsize=16384)
def choose(tags: tuple[str, ...], wanted: str) -> str:
    """Return the one of ``tags`` that serves a ``lang`` parameter best.

    A range takes its own tag, then a longer one (``en`` takes ``en-US``), then ever shorter ones
    (``nl-BE`` takes ``nl``). If no range finds anything, relatives do (``en-GB`` takes ``en-US``),
    and at last any language, the neutral text before others.
    """
    known = {tag.lower(): tag for tag in reversed(tags)}
    languages = [language for language in ranges(wanted) if language != "*"]
    for language in languages:
        found = known.get(language) or _longer(language, known) or _shorter(language, known)
        if found is not None:
            return found
    for language in languages:
        found = _longer(language.partition("-")[0], known)
        if found is not None:
            return found
    return NEUTRAL if NEUTRAL in tags else tags[0]


def _longer(language: str, known: dict[str, str]) -> str | None:
    stem = language + "-"
    return next((tag for lower, tag in reversed(known.items()) if lower.startswith(stem)), None)


def _shorter(language: str, known: dict[str, str]) -> str | None:
    while "-" in language:
        language = language.rpartition("-")[0]
        if language in known:
            return known[language]
    return None


def in_language(languages: dict[str, Any], wanted: str) -> tuple[str, Any]:
    """Return the language chosen from a ``languageMap`` and its text (or texts)."""
    tag = choose(tuple(languages), wanted)
    return tag, languages[tag]

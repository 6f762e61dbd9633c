"""The catalogue of everything pages say, one folder a language; and which language somebody reads.

A text may hold ``{name}`` for values and simple HTML; values are escaped when they are put in. The
texts of the control room lie in the folder ``ui`` of each language; they are plain, without HTML.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Final

from markupsafe import Markup

LANGUAGES: Final[Mapping[str, str]] = {"ko": "한국어", "en": "English"}
"""The languages there are, each in its own name."""
FALLBACK: Final = "en"
_LONGEST_HEADER: Final = 500


class Texts:
    """The texts of one language, called with a key such as ``sign_in.title``."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.ui = _read(language, "ui")
        """The texts of the control room, by their keys."""
        whole = {**_read(language), **self.ui}
        self._texts = {key: Markup(text) for key, text in whole.items()}  # ours, not a user's

    def __call__(self, key: str, **values: object) -> Markup:
        """Return a text with its values.

        Raises:
            KeyError: there is no such text, or a value is missing.
        """
        return self._texts[key].format(**values)

    def __contains__(self, key: str) -> bool:
        return key in self._texts

    def __iter__(self) -> Iterator[str]:
        """Go through the keys."""
        return iter(self._texts)

    def template(self, key: str) -> str:
        """Return a text as it is written, with its places for values."""
        return str(self._texts[key])


@cache
def _read(*folder: str) -> Mapping[str, str]:
    """Return the texts of all files of a folder of texts.

    Raises:
        ValueError: two files have a section of one name.
    """
    found: dict[str, dict[str, str]] = {}
    place = files("madang.web").joinpath("texts", *folder)
    for file in sorted(place.iterdir(), key=lambda one: one.name):
        if not file.name.endswith(".toml"):
            continue
        for section, texts in tomllib.loads(file.read_text("utf-8")).items():
            if section in found:
                raise ValueError(f"{file.name}: there is a section [{section}] already")
            found[section] = texts
    return {
        f"{section}.{key}": text for section, texts in found.items() for key, text in texts.items()
    }


def preferred(chosen: str, accept_language: str) -> str:
    """Return the language for somebody.

    Args:
        chosen: what they chose before, if anything.
        accept_language: what their browser asks for (RFC 9110 section 12.5.4).

    >>> preferred("", "ko-KR,ko;q=0.9,en;q=0.8")
    'ko'
    >>> preferred("en", "ko")
    'en'
    """
    if chosen in LANGUAGES:
        return chosen
    best, most = FALLBACK, 0.0
    for part in accept_language[:_LONGEST_HEADER].split(","):
        tag, _, weight = part.partition(";")
        language = tag.strip().lower().partition("-")[0]
        quality = _quality(weight)
        if language in LANGUAGES and quality > most:
            best, most = language, quality
    return best


def _quality(weight: str) -> float:
    name, _, value = weight.strip().partition("=")
    if name != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0

"""JSON-LD @contexts: short names to canonical names and back. Pure: fetching is the hub's work.

Source: ETSI GS CIM 009 clauses 4.4 (core and user @context), 5.5.4, 5.5.7; JSON-LD 1.1 Processing
Algorithms 4 (context processing), 5.2 (IRI expansion) and 6.2 (IRI compaction).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol
from urllib.parse import urljoin, urlsplit

from madang.model.core_context import (
    CORE_URL,
    PREFIXES,
    TERMS,
    canonical,
    iri_of,
    is_core,
    shortened,
)
from madang.model.errors import BadRequestData
from madang.model.names import check_name, is_uri, is_word, shown
from madang.model.terms import Definitions

MOST_NAMES = 8192  # names a context remembers in each direction before it starts afresh
MOST_STEPS = 1000  # URLs, arrays and objects met while reading one @context
MOST_REMOTE = 32  # remote @contexts one may lead to
DEEPEST = 16  # arrays and remote @contexts inside one another


class Names(Protocol):
    """What the rest of the model needs of an @context."""

    def expand(self, term: str, /) -> str:
        """Return the canonical name (see :mod:`madang.model`) of a term, compact IRI or IRI.

        Raises:
            BadRequestData: it is no valid name.
        """

    def compact(self, name: str, /) -> str:
        """Return what this @context calls a canonical name."""


class Context:
    """An @context on top of the core one. Compare and hash it by identity.

    The four methods are look-ups in a dictionary once a name has been seen.
    """

    __slots__ = (
        "__weakref__",
        "_prefixes",
        "_terms",
        "compact",
        "compact_value",
        "expand",
        "expand_value",
        "is_core_only",
        "link",
        "source",
        "url",
    )

    def __init__(self, source: object, terms: dict[str, str], prefixes: dict[str, str]) -> None:
        self.source: Final = source
        """What to serve as ``@context``: the URL or the value, as the user gave it."""
        self.url: Final = _url_of(source)
        """The URL to name in a Link header; None if the value is not that of one URL."""
        self.link: Final = None if self.url is None else link_header(self.url)
        self.is_core_only: Final = not terms
        """Compaction changes nothing, so canonical text can be served as it is."""
        self._terms = terms
        self._prefixes = PREFIXES | prefixes
        self.expand: Final[Callable[[str], str]] = _Remembered(self._expand).__getitem__
        self.compact: Final[Callable[[str], str]] = _Remembered(
            _Compaction(terms, self._prefixes, is_word)
        ).__getitem__
        self.expand_value: Final[Callable[[str], str]] = _Remembered(self._expand_value).__getitem__
        """Like ``expand`` for a ``vocab`` value, which may be any text: it never raises."""
        self.compact_value: Final[Callable[[str], str]] = _Remembered(
            _Compaction(terms, self._prefixes, bool)
        ).__getitem__
        """Like ``compact`` for a ``vocab`` value: terms that are no valid names serve too."""

    def _expand(self, term: str) -> str:
        if term in TERMS:
            return term
        if ":" not in term:
            check_name(term)
        iri = check_name(self._resolve(term), f"what {shown(term)} stands for")
        return canonical(iri) if ":" in iri else iri

    def _expand_value(self, text: str) -> str:
        iri = self._resolve(text)
        return canonical(iri) if is_uri(iri) else text

    def _resolve(self, text: str) -> str:
        """Return the IRI of a term or compact IRI; text of the default vocabulary as it is."""
        iri = TERMS.get(text) or self._terms.get(text)
        if iri is not None:
            return iri
        prefix, colon, suffix = text.partition(":")
        base = self._prefixes.get(prefix) if colon and not suffix.startswith("//") else None
        return text if base is None else base + suffix


def _url_of(source: object) -> str | None:
    if isinstance(source, list) and len(source) == 1:
        source = source[0]
    return source if isinstance(source, str) else None


def link_header(url: str) -> str:
    """Return the value of the Link header that names an @context (JSON-LD 1.1, 6.1)."""
    return f'<{url}>; rel="http://www.w3.org/ns/json-ld#context"; type="application/ld+json"'


class _Remembered(dict[str, str]):
    """Answers by name, worked out on first demand; strangers' names cannot make it grow."""

    __slots__ = ("_find",)

    def __init__(self, find: Callable[[str], str]) -> None:
        self._find = find

    def __missing__(self, name: str) -> str:
        found = self._find(name)
        if len(self) >= MOST_NAMES:
            self.clear()
        self[name] = found
        return found


class _Compaction:
    """The way from canonical names to the words of one @context."""

    __slots__ = ("_prefixes", "_term_of", "_terms")

    def __init__(
        self, terms: dict[str, str], prefixes: dict[str, str], usable: Callable[[str], bool]
    ) -> None:
        self._terms = terms
        self._prefixes = prefixes
        self._term_of: dict[str, str] = {}
        # The worst first, so that the shortest, and of these the first in order, stays.
        for term in sorted(terms, key=lambda term: (len(term), term), reverse=True):
            if usable(term):
                self._term_of[terms[term]] = term

    def __call__(self, name: str) -> str:
        if name in TERMS:
            return name
        iri = iri_of(name)
        term = self._term_of.get(iri)
        if term is not None:
            return term
        if ":" not in name and name not in self._terms:
            return name
        return shortened(iri, self._prefixes) or iri


CORE = Context(CORE_URL, {}, {})
"""The core @context and nothing else."""


# --- building ----------------------------------------------------------------------------------


def build(source: object, load: Callable[[str], object], base: str = "") -> Context:
    """Return the Context that a value of ``@context`` describes.

    Args:
        source: a URL, an object of terms, or an array of these.
        load: returns the document fetched from a URL; all of :func:`missing` are there.
        base: what relative URLs in ``source`` are relative to.

    Raises:
        BadRequestData: the value is no JSON-LD context, or one that NGSI-LD rules out.
    """
    definitions = Definitions()
    for part in _Reading(load).parts(source, base, ()):
        definitions.add(part)
    return Context(source, definitions.terms, definitions.prefixes)


def missing(source: object, documents: Mapping[str, object], base: str = "") -> set[str]:
    """Return the URLs still to be fetched before ``source`` can be built.

    Each round of fetching may bring up more, so call it until nothing is missing.
    """
    absent: set[str] = set()
    seen: set[str] = set()
    todo = [(source, base)]
    while todo:
        for url in _references(*todo.pop(), 0):
            if url in seen:
                continue
            seen.add(url)
            if len(seen) > MOST_REMOTE:
                raise BadRequestData(f"the @context leads to more than {MOST_REMOTE} others")
            if url in documents:
                todo.append((context_in(documents[url], url), url))
            else:
                absent.add(url)
    return absent


def check(source: object, base: str = "") -> None:
    """Raise BadRequestData if a value cannot be an ``@context``, as far as it tells by itself."""
    build(source, lambda url: {"@context": {}}, base)


def context_in(document: object, url: str) -> object:
    """Return the ``@context`` of a fetched document."""
    if isinstance(document, dict) and "@context" in document:
        return document["@context"]
    raise BadRequestData(f"{url} is no JSON-LD context: it has no member @context")


def _references(source: object, base: str, depth: int) -> Iterator[str]:
    """Yield the URLs in a value of ``@context``, those of the core left out."""
    if isinstance(source, str):
        if not is_core(source):
            yield _absolute(source, base)
    elif isinstance(source, list):
        _check_depth(depth)
        for item in source:
            yield from _references(item, base, depth + 1)
    elif isinstance(source, dict):
        if "@import" in source:
            yield _absolute(source["@import"], base)
    else:
        raise BadRequestData(f"@context must be a URL, an object or an array, not {shown(source)}")


class _Reading:
    """One walk through a value of ``@context`` and everything it leads to."""

    def __init__(self, load: Callable[[str], object]) -> None:
        self._load = load
        self._steps = 0

    def parts(self, source: object, base: str, trail: tuple[str, ...]) -> Iterator[dict[str, Any]]:
        """Yield the objects of terms in the order they apply."""
        self._steps += 1
        if self._steps > MOST_STEPS:  # a few that name one another many times would never end
            raise BadRequestData(f"the @context is made of more than {MOST_STEPS} parts")
        _check_depth(len(trail))
        if isinstance(source, list):
            for item in source:
                yield from self.parts(item, base, (*trail, ""))
        elif isinstance(source, dict):
            yield self._with_import(source, base)
        else:
            for url in _references(source, base, 0):
                if url in trail:
                    raise BadRequestData(f"the @context {url} includes itself")
                inside = context_in(self._load(url), url)
                yield from self.parts(inside, url, (*trail, url))

    def _with_import(self, part: dict[str, Any], base: str) -> dict[str, Any]:
        if "@import" not in part:
            return part
        url = _absolute(part["@import"], base)
        imported = context_in(self._load(url), url)
        if not isinstance(imported, dict) or "@import" in imported:
            raise BadRequestData(f"{url}, imported by an @context, must hold one object of terms")
        return imported | part


def _check_depth(depth: int) -> None:
    if depth > DEEPEST:
        raise BadRequestData(f"the @context is nested more than {DEEPEST} deep")


def _absolute(reference: object, base: str) -> str:
    """Return the absolute URL of a reference to a remote @context."""
    if isinstance(reference, str):
        try:
            url = urljoin(base, reference)
            parts = urlsplit(url)
        except ValueError:
            pass
        else:
            if parts.scheme in ("http", "https") and parts.hostname and is_uri(url):
                return url
    raise BadRequestData(f"@context names {shown(reference)}, which is no http or https URL")

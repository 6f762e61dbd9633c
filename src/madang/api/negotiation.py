"""Media types and preferences: what a client sends, and what it wants back.

Headers repeat, so every answer is remembered by the header's text.
Source: ETSI GS CIM 009 clauses 6.3.4 (Accept, Content-Type), 6.3.6 (Prefer), RFC 9110 section 12.5,
RFC 7240.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

from madang.model.errors import MadangError
from madang.model.version import OWN, Version

Media = Literal["application/json", "application/ld+json", "application/geo+json"]

JSON: Final = "application/json"
LD_JSON: Final = "application/ld+json"
GEO_JSON: Final = "application/geo+json"
_PATCH: Final = "application/merge-patch+json"

# In the order of clause 6.3.4, which decides between equal weights.
_ALWAYS: Final[tuple[Media, ...]] = (JSON, LD_JSON)
_WITH_GEO: Final[tuple[Media, ...]] = (JSON, LD_JSON, GEO_JSON)


class BareStatus(MadangError):
    """A refusal that HTTP expresses by the status alone, without a problem document."""

    status = 400


class NotAcceptable(BareStatus):
    """The client accepts none of the media types there are."""

    status = 406


class UnsupportedMediaType(BareStatus):
    """The body is of a media type that the hub does not read."""

    status = 415


@lru_cache(maxsize=1024)
def accepted(header: str | None, geo: bool = False) -> Media:
    """Return the media type to answer with.

    Args:
        header: the Accept header; None or empty if there is none.
        geo: GeoJSON is a choice, as it is where entities are retrieved or queried.

    Raises:
        NotAcceptable: the client wants none of the choices.

    >>> accepted("application/json;q=0, */*")
    'application/ld+json'
    """
    if not header or header.isspace():
        return JSON
    ranges = [_range(item) for item in header.split(",") if item.strip()]
    choices = _WITH_GEO if geo else _ALWAYS
    best = max(choices, key=lambda choice: _weight(choice, ranges))  # the first of equals
    if _weight(best, ranges) > 0:
        return best
    raise NotAcceptable(f"none of {', '.join(choices)} is acceptable to {header!r}")


def _range(item: str) -> tuple[str, float]:
    media, *parameters = item.split(";")
    weight = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "q":
            weight = _quality(value.strip())
            break
    return media.strip().lower(), weight


def _quality(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        return 1.0
    return value if 0.0 <= value <= 1.0 else 1.0


def _weight(choice: str, ranges: list[tuple[str, float]]) -> float:
    """Return the weight that the most specific matching range gives a media type."""
    for pattern in (choice, "application/*", "*/*"):
        weights = [weight for media, weight in ranges if media == pattern]
        if weights:
            return max(weights)
    return 0.0


@lru_cache(maxsize=1024)
def content_type(header: str | None, patch: bool = False) -> Media:
    """Return which kind of JSON a body is; ``patch`` also allows merge-patch+json, read as JSON.

    Raises:
        UnsupportedMediaType: it is none that the hub reads.
    """
    media = (header or "").partition(";")[0].strip().lower()
    if media == JSON or (patch and media == _PATCH):
        return JSON
    if media == LD_JSON:
        return LD_JSON
    raise UnsupportedMediaType(
        f"a body must be {JSON} or {LD_JSON}, not {media or 'of no stated Content-Type'}"
    )


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a Prefer header asks for, as far as the hub knows it."""

    version: Version | None = None
    """``ngsi-ld=1.5``: the version of NGSI-LD that the client understands."""
    plain_body: bool = False
    """``body=json``: the @context goes to the Link header rather than into a GeoJSON body."""

    @property
    def applied(self) -> str | None:
        """The Preference-Applied header that goes with the version."""
        if self.version is None:
            return None
        major, minor = min(self.version, OWN)
        return f"ngsi-ld={major}.{minor}"


@lru_cache(maxsize=1024)
def preferences(header: str | None) -> Preferences:
    """Return what a Prefer header asks for; what it does not understand is left alone (RFC 7240).

    >>> preferences('respond-async, NGSI-LD="1.5"').applied
    'ngsi-ld=1.5'
    """
    version: Version | None = None
    plain = False
    for item in (header or "").split(","):
        name, _, value = item.partition(";")[0].partition("=")
        word, text = name.strip().lower(), value.strip().strip('"')
        if word == "ngsi-ld" and version is None:
            version = _version(text)
        elif word == "body":
            plain = plain or text == "json"
    return Preferences(version, plain)


def _version(text: str) -> Version | None:
    major, _, rest = text.partition(".")
    minor = rest.partition(".")[0]
    if major.isdecimal() and minor.isdecimal() and len(major) < 4 and len(minor) < 4:
        return int(major), int(minor)
    return None

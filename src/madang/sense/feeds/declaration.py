"""What is said of a feed: the TOML file in which a city declares it. Data only, no code.

The page ``docs/reference/feeds.md`` describes the file.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, Generic, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from madang.model.names import shown
from madang.sense.feeds.errors import BadFeed
from madang.sense.feeds.kinds import kind_of
from madang.sense.files.mapping import Mapping
from madang.sense.message import Reading
from madang.sense.quality.limits import Limits

LONGEST_TEXT = 256 * 1024  # characters of a declaration
MOST_URLS = 20
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?")
_EVERY = re.compile(r"(\d{1,6}) ?(s|min|h|d)")
_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86_400}
SHORTEST_S = 5
LONGEST_S = 31 * 86_400
KEY = "{key}"
"""Stands in a URL or header for the key that the settings hold."""

_HEADER = re.compile(r"[A-Za-z0-9-]{1,64}")
_OWN_HEADERS = frozenset(
    ("host", "connection", "content-length", "transfer-encoding", "user-agent", "accept-encoding")
)

P = TypeVar("P", bound=BaseModel)


def seconds(text: str) -> float:
    """Return a span such as ``5min`` in seconds.

    >>> seconds("5min")
    300.0
    """
    found = _EVERY.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no span of time such as 30s, 5min, 1h or 1d")
    return float(int(found[1]) * _SECONDS[found[2]])


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def _spanned(value: object) -> object:
    return seconds(value) if isinstance(value, str) else value


Urls = Annotated[list[str], BeforeValidator(_listed), Field(min_length=1, max_length=MOST_URLS)]


class Declaration(BaseModel):
    """A feed as its file says it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    """Name of a folder of ``sense/feeds``."""
    url: Urls
    every: Annotated[float, BeforeValidator(_spanned), Field(ge=SHORTEST_S, le=LONGEST_S)]  # [s]
    title: str = Field(default="", max_length=200)
    provider: str = Field(min_length=1, max_length=200)
    """Who publishes it and answers for its quality."""
    licence: str = Field(min_length=1, max_length=200)
    """Under what its data may be used: an SPDX name or words."""
    tenant: str = ""
    key: str = ""
    """Name of one of the settings' ``feed_keys``."""
    headers: dict[str, str] = Field(default={}, max_length=20)
    parameters: dict[str, Any] = {}
    """What else its kind wants to know."""
    mapping: Mapping | None = None
    """How its records become entities, for kinds that cannot know."""
    limits: dict[str, Limits] = Field(default={}, max_length=200)
    """What may be expected of values, by name of the attribute."""

    @field_validator("url")
    @classmethod
    def _is_web(cls, urls: list[str]) -> list[str]:
        for url in urls:
            _check_url(url)
        return urls

    @field_validator("headers")
    @classmethod
    def _can_be_sent(cls, headers: dict[str, str]) -> dict[str, str]:
        for name, value in headers.items():
            if not _HEADER.fullmatch(name) or name.lower() in _OWN_HEADERS:
                raise ValueError(f"{name!r} is no header that a feed may set")
            if not value.isprintable() or len(value) > 2000:
                raise ValueError(f"the value of {name} cannot be sent as a header")
        return headers

    @model_validator(mode="after")
    def _key_is_named(self) -> Self:
        texts = [*self.url, *self.headers.values()]
        if not self.key and any(KEY in text for text in texts):
            raise ValueError(f"{KEY} is used, so key must name one of the settings' feed_keys")
        return self


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a broken IPv6 address
        is_good = False
    if not is_good or len(url) > 2000 or any(mark <= " " for mark in url):
        raise ValueError(f"{url[:100]!r} is no http or https URL with a host")
    if parts.username is not None or parts.password is not None:
        raise ValueError(
            "holds a user or password; put it into feed_keys of the settings, name it with key,"
            f" and write {KEY} in its place"
        )
    if KEY in parts.netloc:
        raise ValueError(f"{KEY} cannot be part of a host")


@dataclass(frozen=True)
class Feed(Generic[P]):
    """A declared feed whose kind and parameters have been checked."""

    name: str
    declaration: Declaration
    parameters: P
    """The model ``Parameters`` of its kind."""
    text: str
    """The file as it was given."""

    @property
    def urls(self) -> list[str]:
        return self.declaration.url

    @property
    def every_s(self) -> float:
        return self.declaration.every

    @property
    def mapping(self) -> Mapping | None:
        return self.declaration.mapping

    def reading(self, entity: dict[str, Any]) -> Reading:
        """Return what a kind has made of a record, with what the declaration says of it."""
        said = self.declaration
        entity.setdefault("dataProvider", {"type": "Property", "value": said.provider})
        entity.setdefault("license", {"type": "Property", "value": said.licence})
        return Reading(entity, said.limits, self.name, said.provider)


def parse(text: str, name: str) -> Feed[Any]:
    """Return the feed that TOML text declares.

    Raises:
        BadFeed: it cannot be used; the text names the member and what was expected.
    """
    if not _NAME.fullmatch(name):
        raise BadFeed(
            f"{shown(name)} cannot be the name of a feed; expected up to 64 of a-z, 0-9 and -"
        )
    if len(text) > LONGEST_TEXT:
        raise BadFeed(f"the feed {name} has more than {LONGEST_TEXT:,} characters")
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadFeed(f"the feed {name} is not valid TOML: {error}") from None
    except RecursionError:
        raise BadFeed(f"the feed {name} is nested too deeply") from None
    try:
        declaration = Declaration.model_validate(content)
    except ValidationError as error:
        raise _bad(name, "", error) from None
    kind = kind_of(declaration.kind)
    try:
        parameters = kind.Parameters.model_validate(declaration.parameters)
    except ValidationError as error:
        raise _bad(name, "parameters.", error, kind.Parameters) from None
    feed = Feed(name, declaration, parameters, text)
    kind.check(feed)
    return feed


def _bad(
    name: str, prefix: str, error: ValidationError, model: type[BaseModel] = Declaration
) -> BadFeed:
    first = error.errors(include_url=False)[0]
    where = prefix + ".".join(str(part) for part in first["loc"])
    where = where.rstrip(".")
    reason = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        reason = "is missing"
    elif first["type"] == "extra_forbidden":
        word = str(first["loc"][-1])
        near = get_close_matches(word, model.model_fields, n=1, cutoff=0.5)
        hint = f"; did you mean {near[0]!r}?" if near and len(first["loc"]) == 1 else ""
        reason = f"there is no such member{hint}"
    return BadFeed(": ".join(filter(None, [f"the feed {name}", where, reason])))

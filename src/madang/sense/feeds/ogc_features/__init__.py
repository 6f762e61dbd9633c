"""Collections of an OGC API Features service (OGC 17-069r4): GeoJSON pages by their next links.

The URL is that of the items, ``…/collections/<collection>/items``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated, Any
from urllib.parse import urljoin, urlsplit

from pydantic import BaseModel, ConfigDict, Field

from madang.sense.feeds.declaration import Feed
from madang.sense.feeds.errors import BadFeed, Unusable
from madang.sense.feeds.fetch import Fetch
from madang.sense.feeds.kinds import Bad
from madang.sense.feeds.records import Record, listed, readings
from madang.sense.message import Reading

_HEADERS = {"Accept": "application/geo+json, application/json;q=0.9"}
_MOST_PAGES = 1_000


class Parameters(BaseModel):
    """What this kind wants to know."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bbox: Annotated[list[float], Field(min_length=4, max_length=4)] | None = None
    """West, south, east, north in WGS 84."""
    datetime: str = Field(default="", max_length=100)
    """An instant or an interval, such as ``2026-01-01T00:00:00Z/..``."""
    limit: int = Field(default=1000, ge=1, le=10_000)
    """Features a request."""
    query: dict[str, str] = Field(default={}, max_length=50)
    """More parameters that the collection knows."""
    type: str = Field(default="", max_length=200)
    """Entity type, where there is no mapping."""


def check(feed: Feed[Parameters]) -> None:
    """Raise BadFeed for a URL that is not that of items."""
    for url in feed.urls:
        if not urlsplit(url).path.rstrip("/").endswith("/items"):
            raise BadFeed(
                f"the feed {feed.name}: url must be that of the items of a collection, such as"
                f" https://example.org/collections/trees/items, not {url[:200]}"
            )


async def read(feed: Feed[Parameters], fetch: Fetch) -> AsyncIterator[Reading | Bad]:
    """Yield what the features become."""
    for url in feed.urls:
        async for one in readings(feed, _features(feed, fetch, url), feed.parameters.type):
            yield one


async def _features(feed: Feed[Parameters], fetch: Fetch, url: str) -> AsyncIterator[Record | Bad]:
    asked: dict[str, str] | None = _asked(feed.parameters)
    onward: str | None = url
    seen: set[str] = set()
    for _ in range(_MOST_PAGES):
        if onward is None or onward in seen:
            return
        seen.add(onward)
        answer = await fetch(onward, asked, _HEADERS)
        content = answer.members()
        if content.get("type") != "FeatureCollection":
            raise Unusable(f"{answer.url} answered no FeatureCollection in GeoJSON")
        if answer.changed:
            for feature in listed(content.get("features"), answer.url, "features"):
                yield feature
        onward, asked = _next(content, answer.url), None


def _asked(wanted: Parameters) -> dict[str, str]:
    asked = dict(wanted.query) | {"limit": str(wanted.limit)}
    if wanted.bbox is not None:
        asked["bbox"] = ",".join(f"{one:g}" for one in wanted.bbox)
    if wanted.datetime:
        asked["datetime"] = wanted.datetime
    return asked


def _next(content: dict[str, Any], url: str) -> str | None:
    """Return where the next page is, as the answer links to it."""
    links = content.get("links")
    for link in links if isinstance(links, list) else ():
        if isinstance(link, dict) and link.get("rel") == "next" and link.get("href"):
            return urljoin(url, str(link["href"]))
    return None

"""Warnings in the Common Alerting Protocol 1.2 (OASIS): one by one, or by an Atom or RSS index.

Signatures are not checked: a feed is trusted as far as its host and its TLS are.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Literal
from urllib.parse import urljoin
from xml.etree.ElementTree import Element, tostring

from pydantic import BaseModel, ConfigDict, Field

from madang.sense.feeds.cap.alert import ended, entities
from madang.sense.feeds.cap.document import Alert, Link, alert_of, index_of, is_alert, parsed
from madang.sense.feeds.declaration import Feed
from madang.sense.feeds.errors import BadFeed, Refused, Unusable
from madang.sense.feeds.fetch import Fetch
from madang.sense.feeds.kinds import Bad
from madang.sense.message import Reading

_MOST_ALERTS = 1_000
_HEADERS = {"Accept": "application/cap+xml, application/atom+xml, application/rss+xml, text/xml"}

Status = Literal["Actual", "Exercise", "System", "Test", "Draft"]


class Parameters(BaseModel):
    """What this kind wants to know."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    language: str = Field(default="", max_length=35)
    """Of texts, such as ``ko-KR``; the first of an alert if it has not this one."""
    status: list[Status] = Field(default=["Actual"], min_length=1)
    """Which alerts are taken: exercises and tests are not, unless named."""


def check(feed: Feed[Parameters]) -> None:
    """Raise BadFeed for a declaration that says what CAP says itself."""
    if feed.mapping is not None:
        raise BadFeed(f"the feed {feed.name}: CAP needs no mapping; leave it out")


async def read(feed: Feed[Parameters], fetch: Fetch) -> AsyncIterator[Reading | Bad]:
    """Yield the alerts that are new, and the ends of those that they update or cancel."""
    for url in feed.urls:
        answer = await fetch(url, None, _HEADERS)
        if not answer.changed:
            continue
        root = parsed(answer.read(), answer.url)
        if is_alert(root):
            for one in _told(feed, fetch, root):
                yield one
            continue
        async for one in _listed(feed, fetch, index_of(root, answer.url), answer.url):
            yield one


async def _listed(
    feed: Feed[Parameters], fetch: Fetch, links: list[Link], base: str
) -> AsyncIterator[Reading | Bad]:
    """Yield what an index leads to; what was read before is not asked for again."""
    note = f"alerts {base}"
    seen: dict[str, str] = {} if fetch.everything else dict(fetch.notes.get(note, {}))
    read: dict[str, str] = {}
    for link in links[-_MOST_ALERTS:]:
        if link.inside is not None:
            for one in _told(feed, fetch, link.inside):
                yield one
            continue
        url = urljoin(base, link.url)
        read[url] = link.updated
        if seen.get(url) == link.updated:
            continue
        try:
            answer = await fetch(url, None, _HEADERS)
            root = parsed(answer.read(), url)
        except (Refused, Unusable) as error:  # one that was taken away does not stop the others
            yield Bad(url, str(error))
            continue
        if not is_alert(root):
            yield Bad(url, f"{url} is no CAP alert")
            continue
        for one in _told(feed, fetch, root):
            yield one
    fetch.notes[note] = read


def _told(feed: Feed[Parameters], fetch: Fetch, root: Element) -> list[Reading | Bad]:
    """Return the readings of one alert."""
    alert: Alert | None = None
    try:
        alert = alert_of(root)
        if alert.status not in feed.parameters.status:
            return []
        parts: dict[str, int] = fetch.notes.setdefault("parts", {})
        made = entities(alert, feed.parameters.language)
        if len(made) > 1:
            parts[alert.identifier] = len(made)
            while len(parts) > _MOST_ALERTS:
                del parts[next(iter(parts))]
        over: list[dict[str, Any]] = []
        if alert.kind in ("Update", "Cancel"):
            for _, identifier, _ in alert.references:
                over += ended(alert, identifier, parts.get(identifier, 1))
        if alert.kind == "Cancel":
            made = []
    except ValueError as error:
        name = "" if alert is None else f" {alert.identifier}"
        return [Bad(tostring(root, "unicode"), f"alert{name}: {error}")]
    return [feed.reading(entity) for entity in [*over, *made]]

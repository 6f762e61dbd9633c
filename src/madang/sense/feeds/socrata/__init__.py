"""Tables of a Socrata portal: SODA 2.1, in pages, after the first time only what has changed.

The URL is that of the table, ``https://<portal>/resource/<id>.json``. System fields
(``:id``, ``:updated_at``) come with each row.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from madang.sense.feeds.declaration import Feed
from madang.sense.feeds.errors import BadFeed
from madang.sense.feeds.fetch import Fetch
from madang.sense.feeds.kinds import Bad
from madang.sense.feeds.records import Record, listed, readings
from madang.sense.message import Reading

_MOST_ROWS = 1_000_000


class Parameters(BaseModel):
    """What this kind wants to know."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    where: str = Field(default="", max_length=2000)
    """SoQL condition."""
    select: str = Field(default=":*, *", min_length=1, max_length=2000)
    """SoQL columns; ``:updated_at`` must be among them unless all rows are read each time."""
    only_changes: bool = True
    """Whether, after the first time, only rows are read that have changed."""
    page: int = Field(default=5000, ge=1, le=50_000)
    """Rows a request."""
    type: str = Field(default="", max_length=200)
    """Entity type, where there is no mapping."""


def check(feed: Feed[Parameters]) -> None:
    """Raise BadFeed for a URL that is not that of a table."""
    for url in feed.urls:
        if not urlsplit(url).path.endswith(".json"):
            raise BadFeed(
                f"the feed {feed.name}: url must end in .json, such as"
                f" https://data.example.org/resource/abcd-1234.json, not {url[:200]}"
            )


async def read(feed: Feed[Parameters], fetch: Fetch) -> AsyncIterator[Reading | Bad]:
    """Yield what the rows become."""
    for url in feed.urls:
        async for one in readings(feed, _rows(feed, fetch, url), feed.parameters.type):
            yield one


async def _rows(feed: Feed[Parameters], fetch: Fetch, url: str) -> AsyncIterator[Record | Bad]:
    wanted = feed.parameters
    since = fetch.notes.get(url) if wanted.only_changes and not fetch.everything else None
    latest = since or ""
    conditions = [f"({wanted.where})"] if wanted.where else []
    if since:
        # "From then on", for rows changed in the same instant may have come later.
        conditions.append(f":updated_at >= '{since}'")
    asked = {"$select": wanted.select, "$order": ":updated_at, :id", "$limit": str(wanted.page)}
    if conditions:
        asked["$where"] = " AND ".join(conditions)
    for offset in range(0, _MOST_ROWS, wanted.page):
        answer = await fetch(url, asked | {"$offset": str(offset)})
        number = 0
        for record in listed(answer.json(), url):
            number += 1
            if not isinstance(record, Bad):
                latest = max(latest, str(record.get(":updated_at", "")))
            if answer.changed:
                yield record
        if number < wanted.page:
            break
    if latest:
        fetch.notes[url] = latest

"""CSV, JSON, GeoJSON or JSON lines at a URL: records of anything, with a mapping or a guess."""

from __future__ import annotations

from collections.abc import AsyncIterator

from pydantic import BaseModel, ConfigDict, Field

from madang.sense.feeds.declaration import Feed
from madang.sense.feeds.errors import BadFeed
from madang.sense.feeds.fetch import Fetch
from madang.sense.feeds.kinds import Bad
from madang.sense.feeds.records import readings
from madang.sense.feeds.tables import Form, records_of
from madang.sense.message import Reading


class Parameters(BaseModel):
    """What this kind wants to know."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Form = ""
    """How it is written; empty finds out. GeoJSON is ``json``."""
    records: str = Field(default="", max_length=200)
    """Path of the array of records in JSON, such as ``data.stations``."""
    type: str = Field(default="", max_length=200)
    """Entity type, where there is no mapping."""


def check(feed: Feed[Parameters]) -> None:
    """Raise BadFeed for parameters that do not go together."""
    wanted = feed.parameters
    if wanted.records and wanted.format not in ("", "json"):
        raise BadFeed(f"the feed {feed.name}: parameters.records is for JSON, not {wanted.format}")
    if feed.mapping is not None and wanted.type:
        raise BadFeed(f"the feed {feed.name}: the mapping says the type, leave out parameters.type")


async def read(feed: Feed[Parameters], fetch: Fetch) -> AsyncIterator[Reading | Bad]:
    """Yield what the records of each URL become."""
    wanted = feed.parameters
    for url in feed.urls:
        answer = await fetch(url)
        if answer.changed:
            records = records_of(answer, wanted.format, wanted.records, feed.mapping)
            async for one in readings(feed, records, wanted.type):
                yield one

"""Tables and files of a CKAN catalogue (Action API v3): ``datastore_search`` pages, or the file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field

from madang.sense.feeds.answer import Answer
from madang.sense.feeds.declaration import Feed
from madang.sense.feeds.errors import BadFeed, Refused, Unusable
from madang.sense.feeds.fetch import Fetch
from madang.sense.feeds.kinds import Bad
from madang.sense.feeds.records import Record, listed, readings
from madang.sense.feeds.tables import Form, records_of
from madang.sense.message import Reading

_MOST_ROWS = 1_000_000


class Parameters(BaseModel):
    """What this kind wants to know. The URL is that of the portal."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    resource: str = Field(min_length=1, max_length=100)
    """Id of the resource."""
    source: Literal["", "datastore", "file"] = ""
    """Where from; empty takes the datastore if the resource is in it."""
    filters: dict[str, Any] = Field(default={}, max_length=50)
    """Values that columns must have (datastore)."""
    sort: str = Field(default="", max_length=200)
    page: int = Field(default=5000, ge=1, le=32_000)
    """Rows a request (datastore)."""
    format: Form = ""
    records: str = Field(default="", max_length=200)
    """Path of the records in a JSON file."""
    type: str = Field(default="", max_length=200)
    """Entity type, where there is no mapping."""


def check(feed: Feed[Parameters]) -> None:
    """Raise BadFeed for parameters that do not go together."""
    wanted = feed.parameters
    if wanted.source == "file" and (wanted.filters or wanted.sort):
        raise BadFeed(
            f"the feed {feed.name}: filters and sort are for the datastore, not for files"
        )


async def read(feed: Feed[Parameters], fetch: Fetch) -> AsyncIterator[Reading | Bad]:
    """Yield what the rows of the resource become."""
    wanted = feed.parameters
    for url in feed.urls:
        base = f"{url.rstrip('/')}/api/3/action"
        source, told = wanted.source, None
        if source != "datastore":
            told = result_of(await fetch(f"{base}/resource_show", {"id": wanted.resource}))
            source = source or ("datastore" if told.get("datastore_active") else "file")
        if source == "datastore":
            records = _rows(wanted, fetch, base)
        else:
            records = _file(feed, fetch, told or {})
        async for one in readings(feed, records, wanted.type):
            yield one


async def _rows(wanted: Parameters, fetch: Fetch, base: str) -> AsyncIterator[Record | Bad]:
    asked = {"resource_id": wanted.resource, "limit": str(wanted.page)}
    if wanted.filters:
        asked["filters"] = orjson.dumps(wanted.filters).decode()
    # Without an order, rows may move from page to page while they are read.
    asked["sort"] = wanted.sort or "_id"
    for offset in range(0, _MOST_ROWS, wanted.page):
        answer = await fetch(f"{base}/datastore_search", asked | {"offset": str(offset)})
        result = result_of(answer)
        records = result.get("records")
        if answer.changed:
            for record in listed(records, answer.url, "result.records"):
                yield record
        if not isinstance(records, list) or len(records) < wanted.page:
            return
        if isinstance(total := result.get("total"), int) and offset + wanted.page >= total:
            return


async def _file(feed: Feed[Parameters], fetch: Fetch, told: Record) -> AsyncIterator[Record | Bad]:
    url = told.get("url")
    if not isinstance(url, str) or not url:
        raise Unusable(f"the resource {feed.parameters.resource} has no url of a file")
    answer = await fetch(url)
    if answer.changed:
        wanted = feed.parameters
        form = wanted.format or _form(str(told.get("format", "")))
        async for record in records_of(answer, form, wanted.records, feed.mapping):
            yield record


def _form(written: str) -> Form:
    """Return a format as publishers write it in the catalogue; empty if it tells nothing."""
    forms: dict[str, Form] = {"csv": "csv", "tsv": "csv", "json": "json", "geojson": "json"}
    return forms.get(written.strip().lower(), "")


def result_of(answer: Answer) -> Record:
    """Return ``result`` of an answer of the Action API.

    Raises:
        Refused: it is an error.
        Unusable: it is no such answer.
    """
    content = answer.members()
    if content.get("success") is False:
        error = content.get("error")
        said = error.get("message") or error.get("__type") if isinstance(error, dict) else error
        raise Refused(f"{answer.url} answers: {str(said)[:200]}")
    result = content.get("result")
    if not isinstance(result, dict):
        raise Unusable(f"{answer.url} answered no result; expected the address of a CKAN portal")
    return result

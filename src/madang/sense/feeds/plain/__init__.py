"""CSV, JSON, GeoJSON or JSON lines at a URL: records of anything, with a mapping or a guess."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from pathlib import PurePosixPath
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field

from madang.sense.feeds.answer import Answer
from madang.sense.feeds.declaration import Feed
from madang.sense.feeds.errors import BadFeed, Unusable
from madang.sense.feeds.fetch import Fetch
from madang.sense.feeds.kinds import Bad
from madang.sense.feeds.records import Record, at_path, listed, readings
from madang.sense.files.mapping import Reading as Writing
from madang.sense.files.source import FileError, Format, Source
from madang.sense.message import Reading

_AT_ONCE = 500
_BY_TYPE: dict[str, Format] = {
    "text/csv": "csv",
    "text/tab-separated-values": "csv",
    "application/csv": "csv",
    "application/json": "json",
    "application/geo+json": "json",
    "application/vnd.geo+json": "json",
    "application/ld+json": "json",
    "application/x-ndjson": "lines",
    "application/ndjson": "lines",
    "application/jsonl": "lines",
    "application/geo+json-seq": "lines",
}
_BY_ENDING: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".geojson": "json",
    ".jsonld": "json",
    ".ndjson": "lines",
    ".jsonl": "lines",
}


class Parameters(BaseModel):
    """What this kind wants to know."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["", "csv", "json", "lines"] = ""
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
    for url in feed.urls:
        answer = await fetch(url)
        if answer.changed:
            wanted = feed.parameters
            records = records_of(answer, wanted.format, wanted.records, feed)
            async for one in readings(feed, records, wanted.type):
                yield one


async def records_of(
    answer: Answer, form: Format | Literal[""], path: str, feed: Feed[Parameters]
) -> AsyncIterator[Record | Bad]:
    """Yield the records in an answer.

    Args:
        answer: a file in any of the formats.
        form: its format; empty finds out.
        path: where the records are in JSON.
        feed: its mapping says how text is written.

    Raises:
        Unusable: it cannot be read.
    """
    form = form or format_of(answer)
    if form == "json" and path:
        for record in listed(at_path(answer.json(), path, answer.url), answer.url, path):
            yield record
        return
    writing = Writing() if feed.mapping is None else feed.mapping.read
    with (
        answer.path.open("rb", buffering=0) as raw,
        Source(answer.path, form, raw, writing) as file,
    ):
        records = _records(file, answer.url)
        # In a thread, for a file may be large and decoding it takes the processor.
        while some := await asyncio.to_thread(lambda: list(islice(records, _AT_ONCE))):
            for record in some:
                yield record


def _records(file: Source, url: str) -> Iterator[Record | Bad]:
    try:
        for record in file.records():
            if record.problem:
                yield Bad(record.values or record.row, f"row {record.row} {record.problem}")
            else:
                yield record.values
    except FileError as error:
        raise Unusable(f"{url}: {str(error).replace(str(file.path), 'it')}") from None


def format_of(answer: Answer) -> Format:
    """Return how an answer is written: by its media type, its name, or its first character."""
    known = _BY_TYPE.get(answer.content_type)
    name = urlsplit(answer.url).path.lower().removesuffix(".gz")
    ending = PurePosixPath(name).suffix
    known = known or _BY_ENDING.get(ending)
    if known is not None:
        return known
    with answer.path.open("rb") as file:
        begin = file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
    if begin[:1] == b"<":
        raise Unusable(f"{answer.url} is a web page or XML, expected CSV or JSON")
    return "json" if begin[:1] in (b"{", b"[") else "csv"

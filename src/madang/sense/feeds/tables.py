"""Files with records, as publishers offer them: CSV, JSON, GeoJSON, JSON lines."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from pathlib import PurePosixPath
from typing import Literal
from urllib.parse import urlsplit

from madang.sense.feeds.answer import Answer
from madang.sense.feeds.errors import Unusable
from madang.sense.feeds.kinds import Bad
from madang.sense.feeds.records import Record, at_path, listed
from madang.sense.files.mapping import Mapping
from madang.sense.files.mapping import Reading as Writing
from madang.sense.files.source import FileError, Format, Source

Form = Literal["", "csv", "json", "lines"]
"""How a file is written; empty finds out. GeoJSON is ``json``."""

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


async def records_of(
    answer: Answer, form: Form, path: str, mapping: Mapping | None
) -> AsyncIterator[Record | Bad]:
    """Yield the records in an answer.

    Args:
        answer: a file in any of the formats.
        form: its format; empty finds out.
        path: where the records are in JSON.
        mapping: says how text is written.

    Raises:
        Unusable: it cannot be read.
    """
    known = form or format_of(answer)
    if known == "json" and path:
        for record in listed(at_path(answer.json(), path, answer.url), answer.url, path):
            yield record
        return
    writing = Writing() if mapping is None else mapping.read
    with (
        answer.path.open("rb", buffering=0) as raw,
        Source(answer.path, known, raw, writing) as file,
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
    known = known or _BY_ENDING.get(PurePosixPath(name).suffix)
    if known is not None:
        return known
    with answer.path.open("rb") as file:
        begin = file.read(4096).lstrip(b"\xef\xbb\xbf \t\r\n")
    if begin[:1] == b"<":
        raise Unusable(f"{answer.url} is a web page or XML, expected CSV or JSON")
    return "json" if begin[:1] in (b"{", b"[") else "csv"

"""Seoul's open API (data.seoul.go.kr): S-DoT environment sensors, public bicycles, other services.

``http://openapi.seoul.go.kr:8088/<key>/json/<service>/<first>/<last>/``, at most 1,000 rows a
request. Services that Madang does not know need a mapping.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, Field

from madang.sense.feeds.answer import Answer
from madang.sense.feeds.declaration import KEY, Feed
from madang.sense.feeds.errors import BadFeed, Refused, Unavailable, Unusable
from madang.sense.feeds.fetch import Fetch
from madang.sense.feeds.kinds import Bad
from madang.sense.feeds.records import readings
from madang.sense.feeds.seoul.bikes import bike_station
from madang.sense.feeds.seoul.sdot import sdot
from madang.sense.message import Reading

Record = dict[str, Any]

PAGE = 1000
_MOST_ROWS = 200_000
_GOOD, _NOTHING = "INFO-000", "INFO-200"
# Faults of their server, which pass: server, database, SQL statement.
_TEMPORARY = frozenset(("ERROR-500", "ERROR-600", "ERROR-601"))

KNOWN: dict[str, Callable[[Record], list[Record]]] = {
    "sDoTEnv": sdot,
    "IotVdata017": sdot,
    "bikeList": bike_station,
}
"""What makes entities of a row, by service."""


class Parameters(BaseModel):
    """What this kind wants to know."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    service: str = Field(pattern=r"^[A-Za-z0-9_]{1,64}$")
    """Name of the service, such as ``sDoTEnv`` or ``bikeList``."""
    arguments: list[str] = Field(default=[], max_length=10)
    """What the service wants behind the row numbers, such as a date."""


def check(feed: Feed[Parameters]) -> None:
    """Raise BadFeed for a declaration without key, or of an unknown service without mapping."""
    if not feed.declaration.key:
        raise BadFeed(
            f"the feed {feed.name}: key is missing; it names a [feed_keys] of the settings that has"
            " the key of data.seoul.go.kr"
        )
    service = feed.parameters.service
    if service not in KNOWN and feed.mapping is None:
        raise BadFeed(
            f"the feed {feed.name}: the service {service} needs a [mapping]; known without one are"
            f" {', '.join(KNOWN)}"
        )


async def read(feed: Feed[Parameters], fetch: Fetch) -> AsyncIterator[Reading | Bad]:
    """Yield what the rows of the service become."""
    rows = _rows(feed, fetch)
    if feed.mapping is not None:
        async for one in readings(feed, rows):
            yield one
        return
    make = KNOWN[feed.parameters.service]
    async for row in rows:
        try:
            entities = make(row)
        except ValueError as error:
            yield Bad(row, f"row {row.get('SERIAL') or row.get('stationId') or ''}: {error}")
        else:
            for entity in entities:
                yield feed.reading(entity)


async def _rows(feed: Feed[Parameters], fetch: Fetch) -> AsyncIterator[Record]:
    for url in feed.urls:
        for first in range(1, _MOST_ROWS, PAGE):
            answer = await fetch(_address(url, feed.parameters, first))
            rows = rows_of(answer)
            if answer.changed:
                for row in rows:
                    yield row
            # The total that bikeList tells is only that of the page, so a short page is the end.
            if len(rows) < PAGE:
                break


def _address(base: str, wanted: Parameters, first: int) -> str:
    more = "".join(f"{quote(one, safe='')}/" for one in wanted.arguments)
    root = base.rstrip("/")
    return f"{root}/{KEY}/json/{wanted.service}/{first}/{first + PAGE - 1}/{more}"


def rows_of(answer: Answer) -> list[Record]:
    """Return the rows of an answer, in the order in which they are to be written.

    Raises:
        Unavailable: a fault of the service that passes.
        Refused: it says no, for example to the key.
        Unusable: it is not an answer of this API.
    """
    content = answer.members()
    body = next((one for one in content.values() if isinstance(one, dict) and "row" in one), None)
    result = content.get("RESULT") if body is None else body.get("RESULT")
    code = str(result.get("CODE", "")) if isinstance(result, dict) else ""
    if body is None and code == _NOTHING:
        return []
    if code != _GOOD and code != _NOTHING:
        if not code:
            raise Unusable(f"{answer.url} answered neither rows nor a RESULT with a CODE")
        said = f"{answer.url} answers {code}: {str((result or {}).get('MESSAGE', ''))[:200]}"
        raise Unavailable(said) if code in _TEMPORARY else Refused(said)
    rows = body.get("row") if body is not None else []
    if not isinstance(rows, list):
        raise Unusable(f"{answer.url}: row is no array")
    found = [row for row in rows if isinstance(row, dict)]
    # A correction (DATA_NO 2) of the same hour comes after what it corrects.
    return sorted(found, key=lambda row: str(row.get("DATA_NO", "")))

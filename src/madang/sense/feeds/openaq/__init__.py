"""Air quality of an OpenAQ v3 API: the latest values of each place, or all since the last time.

The URL is that of the API, ``https://api.openaq.org/v3``; its key goes into the header
``X-API-Key``. Source: docs.openaq.org, version 3.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from madang.sense.feeds.answer import Answer
from madang.sense.feeds.declaration import Feed, seconds
from madang.sense.feeds.errors import BadFeed, Unusable
from madang.sense.feeds.fetch import Fetch
from madang.sense.feeds.kinds import Bad
from madang.sense.feeds.openaq.air import (
    Sensor,
    entity_of,
    is_missing,
    sensors_of,
    told_at,
    values_at,
)
from madang.sense.message import Reading

Record = dict[str, Any]

PAGE = 1000
_MOST_PAGES = 100


class Parameters(BaseModel):
    """What this kind wants to know. One of the ways of choosing places is needed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    locations: list[int] = Field(default=[], max_length=500)
    """Ids of places."""
    bbox: Annotated[list[float], Field(min_length=4, max_length=4)] | None = None
    """West, south, east, north."""
    country: str = Field(default="", pattern=r"^([A-Z]{2})?$")
    """ISO 3166-1 code."""
    measurements: bool = False
    """Whether all measurements since the last reading are wanted, not only the latest."""
    since: str = "1d"
    """How far the first reading goes back, for ``measurements``."""


def check(feed: Feed[Parameters]) -> None:
    """Raise BadFeed if no places are chosen, or in two ways."""
    wanted = feed.parameters
    ways = [bool(wanted.locations), wanted.bbox is not None, bool(wanted.country)]
    if ways.count(True) != 1:
        raise BadFeed(
            f"the feed {feed.name}: parameters needs exactly one of locations, bbox, country"
        )
    try:
        seconds(wanted.since)
    except ValueError as error:
        raise BadFeed(f"the feed {feed.name}: parameters.since: {error}") from None


async def read(feed: Feed[Parameters], fetch: Fetch) -> AsyncIterator[Reading | Bad]:
    """Yield what was measured at each place."""
    for url in feed.urls:
        base = url.rstrip("/")
        async for place in _places(feed.parameters, fetch, base):
            try:
                async for one in _of_place(feed, fetch, base, place):
                    yield one
            except ValueError as error:
                yield Bad(place, f"location {place.get('id')}: {error}")


async def _places(wanted: Parameters, fetch: Fetch, base: str) -> AsyncIterator[Record]:
    for id in wanted.locations:
        for place in results_of(await fetch(f"{base}/locations/{id}")):
            yield place
    if wanted.locations:
        return
    asked = {"iso": wanted.country} if wanted.country else {}
    if wanted.bbox is not None:
        asked["bbox"] = ",".join(f"{one:g}" for one in wanted.bbox)
    async for place in _pages(fetch, f"{base}/locations", asked):
        yield place


async def _of_place(
    feed: Feed[Parameters], fetch: Fetch, base: str, place: Record
) -> AsyncIterator[Reading | Bad]:
    """Yield the readings of a place, unless it has told nothing since the last time."""
    id = place.get("id")
    if not isinstance(id, int):
        raise ValueError("has no id")
    note, last = f"{base}#{id}", told_at(place)
    if last is not None and fetch.notes.get(note) == last and not fetch.everything:
        return
    sensors = sensors_of(place)
    if feed.parameters.measurements:
        since = fetch.notes.get(note) or _ago(feed.parameters.since)
        for sensor in sensors.values():
            async for one in _measured(feed, fetch, base, place, sensor, since):
                yield one
    else:
        found = results_of(await fetch(f"{base}/locations/{id}/latest", {"limit": str(PAGE)}))
        yield feed.reading(entity_of(place, values_at(found, sensors)))
    if last is not None:
        fetch.notes[note] = last


async def _measured(
    feed: Feed[Parameters], fetch: Fetch, base: str, place: Record, sensor: Sensor, since: str
) -> AsyncIterator[Reading | Bad]:
    url = f"{base}/sensors/{sensor.id}/measurements"
    async for record in _pages(fetch, url, {"datetime_from": since}):
        try:
            period = record.get("period")
            end = period.get("datetimeTo") if isinstance(period, dict) else None
            one = {"sensorsId": sensor.id, "value": record.get("value"), "datetime": end}
            if not is_missing(one["value"]):
                yield feed.reading(entity_of(place, values_at([one], {sensor.id: sensor})))
        except ValueError as error:
            yield Bad(record, f"sensor {sensor.id}: {error}")


async def _pages(fetch: Fetch, url: str, asked: dict[str, str]) -> AsyncIterator[Record]:
    for page in range(1, _MOST_PAGES + 1):
        answer = await fetch(url, asked | {"limit": str(PAGE), "page": str(page)})
        found = results_of(answer)
        for record in found:
            yield record
        if len(found) < PAGE:
            return


def results_of(answer: Answer) -> list[Record]:
    """Return ``results`` of an answer, or raise Unusable."""
    results = answer.members().get("results")
    if not isinstance(results, list):
        raise Unusable(
            f"{answer.url} answered no results; expected the address of an OpenAQ v3 API"
        )
    return [one for one in results if isinstance(one, dict)]


def _ago(span: str) -> str:
    then = datetime.now(UTC) - timedelta(seconds=seconds(span))
    return then.strftime("%Y-%m-%dT%H:%M:%SZ")

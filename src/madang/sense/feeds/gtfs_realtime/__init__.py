"""Public transport as it runs: GTFS Realtime, with vehicles, trip updates and alerts.

Vehicles become Vehicle, trip updates GtfsTrip with a delay and ArrivalEstimation, alerts Alert
(Smart Data Models). Trips are held against the timetable (``static``): how many of them it knows is
told, and nothing is left out for being unknown. Source: gtfs.org, GTFS Realtime Reference.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from madang.sense.feeds.declaration import Feed, seconds
from madang.sense.feeds.errors import BadFeed, FeedError
from madang.sense.feeds.fetch import Fetch
from madang.sense.feeds.gtfs_realtime import delays
from madang.sense.feeds.gtfs_realtime.alerts import alert
from madang.sense.feeds.gtfs_realtime.known import Known, Scheduled, known
from madang.sense.feeds.gtfs_realtime.match import Match
from madang.sense.feeds.gtfs_realtime.message import Message, Record, observed, parsed
from madang.sense.feeds.gtfs_realtime.vehicle import vehicle
from madang.sense.feeds.kinds import Bad
from madang.sense.message import Reading

TIMETABLE = "timetable"
"""The note that says how many trips the timetable knows."""


def _spanned(value: object) -> object:
    return seconds(value) if isinstance(value, str) else value


class Parameters(BaseModel):
    """What this kind wants to know."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: str = Field(default="", max_length=100)
    """Part of all ids, the same as in the feed of the timetable; the name of the feed if empty."""
    static: str = Field(default="", max_length=2000)
    """URL of the timetable (GTFS Schedule)."""
    static_every: Annotated[float, BeforeValidator(_spanned), Field(ge=60, le=31 * 86_400)] = 86_400
    """How often it is asked for. [s]"""
    estimates: bool = True
    """Whether each stop ahead of each trip becomes an ArrivalEstimation."""
    language: str = Field(default="", max_length=35)
    """Of alerts; the publisher's first if empty."""


def check(feed: Feed[Parameters]) -> None:
    """Raise BadFeed for a declaration that cannot work."""
    if feed.mapping is not None:
        raise BadFeed(f"the feed {feed.name}: GTFS Realtime needs no mapping; leave it out")
    if feed.parameters.static and not feed.parameters.static.startswith(("http://", "https://")):
        raise BadFeed(f"the feed {feed.name}: static must be the http or https URL of a timetable")


async def read(feed: Feed[Parameters], fetch: Fetch) -> AsyncIterator[Reading | Bad]:
    """Yield what each URL tells that is newer than what it told last."""
    timetable = await _timetable(feed, fetch)
    match = Match(timetable)
    for url in feed.urls:
        answer = await fetch(url)
        body = await asyncio.to_thread(answer.read)
        message = await asyncio.to_thread(parsed, body, answer.url)
        if not _is_new(fetch, answer.url, message):
            continue
        scheduled = await asyncio.to_thread(_scheduled, timetable, message)
        for one in _entities(feed, message, timetable, scheduled, match):
            yield one if isinstance(one, Bad) else feed.reading(one)
    if match.total:
        fetch.notes[TIMETABLE] = match.counts()
        fetch.progress.problems += match.problems()


async def _timetable(feed: Feed[Parameters], fetch: Fetch) -> Known | None:
    """Return the timetable; None if there is none, or if it cannot be had now."""
    url = feed.parameters.static
    if not url:
        return None
    try:
        answer = await fetch(url)
        found = await asyncio.to_thread(known, answer)
    except FeedError as error:
        fetch.progress.problems.append(f"trips are not checked: {error}")
        return None
    answer.fresh_for(feed.parameters.static_every)
    return found


def _is_new(fetch: Fetch, url: str, message: Message) -> bool:
    """Return whether a message is newer than the last, by the time it bears."""
    made, seen = message.header.timestamp, fetch.notes.get(url)
    fetch.notes[url] = made
    return fetch.everything or not made or made != seen


def _scheduled(timetable: Known | None, message: Message) -> Scheduled:
    """Return the times of the trips that a message is about."""
    if timetable is None:
        return {}
    trips = {one.trip_update.trip.trip_id for one in message.entity if one.HasField("trip_update")}
    return timetable.scheduled(trips)


def _entities(
    feed: Feed[Parameters],
    message: Message,
    timetable: Known | None,
    scheduled: Scheduled,
    match: Match,
) -> Iterator[Record | Bad]:
    for entity in message.entity:
        if entity.is_deleted:
            continue
        try:
            yield from _of(feed, message, entity, timetable, scheduled)
        except ValueError as error:
            yield Bad({"id": entity.id, "text": str(entity)[:2000]}, f"entity {entity.id}: {error}")
        match.count(entity)


def _of(
    feed: Feed[Parameters],
    message: Message,
    entity: Message,
    timetable: Known | None,
    scheduled: Scheduled,
) -> Iterator[Record]:
    """Yield what one entity of a message becomes."""
    wanted = feed.parameters
    system = wanted.system or feed.name
    made = message.header.timestamp
    sent = observed(made)
    if entity.HasField("vehicle"):
        yield vehicle(system, entity, sent, timetable)
    if entity.HasField("trip_update"):
        yield from delays.entities(
            system, entity.trip_update, made, timetable, scheduled, estimates=wanted.estimates
        )
    if entity.HasField("alert"):
        yield alert(system, entity, sent, wanted.language)


__all__ = ["Parameters", "check", "read"]

"""Shared bicycles, scooters and cars: General Bikeshare Feed Specification 2.x and 3.x.

Stations become BikeHireDockingStation, single vehicles Vehicle (Smart Data Models). The URL is that
of ``gbfs.json``, which names the files. Source: github.com/MobilityData/gbfs, v2.3 and v3.0.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from madang.sense.feeds.answer import Answer
from madang.sense.feeds.declaration import Feed
from madang.sense.feeds.errors import BadFeed, Unusable
from madang.sense.feeds.fetch import Fetch
from madang.sense.feeds.gbfs.stations import station
from madang.sense.feeds.gbfs.vehicles import forms_of, vehicle
from madang.sense.feeds.kinds import Bad
from madang.sense.message import Reading

Files = dict[str, str]


class Parameters(BaseModel):
    """What this kind wants to know."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: str = Field(default="", max_length=100)
    """Part of the ids of stations and vehicles; the name of the feed if empty."""
    language: str = Field(default="", max_length=35)
    """Of names and addresses; the publisher's first if empty."""
    vehicles: bool = True
    """Whether vehicles that stand free become entities too."""


def check(feed: Feed[Parameters]) -> None:
    """Raise BadFeed for a declaration that says what GBFS says itself."""
    if feed.mapping is not None:
        raise BadFeed(f"the feed {feed.name}: GBFS needs no mapping; leave it out")


async def read(feed: Feed[Parameters], fetch: Fetch) -> AsyncIterator[Reading | Bad]:
    """Yield stations and vehicles of each system."""
    for url in feed.urls:
        files = _files(await _file(fetch, url), feed.parameters.language)
        async for one in _stations(feed, fetch, files):
            yield one
        if feed.parameters.vehicles:
            async for one in _vehicles(feed, fetch, files):
                yield one


async def _stations(
    feed: Feed[Parameters], fetch: Fetch, files: Files
) -> AsyncIterator[Reading | Bad]:
    if "station_status" not in files and "station_information" not in files:
        return
    told = await _optional(fetch, files.get("station_information"))
    state = await _optional(fetch, files.get("station_status"))
    new = [_is_new(fetch, answer) for answer in (told, state)]
    if not any(new):
        return
    known = _by_id(_records(told, "stations"), "station_id")
    states = _by_id(_records(state, "stations"), "station_id")
    updated = None if state is None else state.members().get("last_updated")
    system, language = _system(feed), feed.parameters.language
    for id in dict.fromkeys([*states, *known]):
        try:
            entity = station(system, id, known.get(id, {}), states.get(id), updated, language)
        except ValueError as error:
            yield Bad({**known.get(id, {}), **states.get(id, {})}, f"station {id}: {error}")
        else:
            yield feed.reading(entity)


async def _vehicles(
    feed: Feed[Parameters], fetch: Fetch, files: Files
) -> AsyncIterator[Reading | Bad]:
    url = files.get("vehicle_status") or files.get("free_bike_status")
    state = await _optional(fetch, url)
    if state is None:
        return
    forms = forms_of(_records(await _optional(fetch, files.get("vehicle_types")), "vehicle_types"))
    if not _is_new(fetch, state):
        return
    member = "vehicles" if "vehicle_status" in files else "bikes"
    updated, system = state.members().get("last_updated"), _system(feed)
    for record in _records(state, member):
        try:
            entity = vehicle(system, record, forms, updated, feed.every_s)
        except ValueError as error:
            name = record.get("vehicle_id", record.get("bike_id"))
            yield Bad(record, f"vehicle {name}: {error}")
        else:
            if entity is not None:
                yield feed.reading(entity)


async def _optional(fetch: Fetch, url: str | None) -> Answer | None:
    return None if url is None else await _file(fetch, url)


async def _file(fetch: Fetch, url: str) -> Answer:
    """Return a file, and let it be kept for as long as its publisher says."""
    answer = await fetch(url)
    ttl = answer.members().get("ttl")
    if isinstance(ttl, (int, float)) and not isinstance(ttl, bool):
        answer.fresh_for(float(ttl))
    return answer


def _is_new(fetch: Fetch, answer: Answer | None) -> bool:
    """Return whether a file is newer than what was last written, by the time it bears."""
    if answer is None or not answer.changed:
        return False
    updated = answer.members().get("last_updated")
    seen = fetch.notes.get(answer.url)
    fetch.notes[answer.url] = updated
    return fetch.everything or updated is None or seen != updated


def _files(answer: Answer, language: str) -> Files:
    """Return the URLs of the files by name, as ``gbfs.json`` lists them."""
    data = answer.members().get("data")
    if isinstance(data, dict) and "feeds" not in data:  # before 3.0: by language
        data = data.get(language) or next(iter(data.values()), None)
    feeds = data.get("feeds") if isinstance(data, dict) else None
    if not isinstance(feeds, list):
        raise Unusable(f"{answer.url} lists no feeds; expected the gbfs.json of a system")
    return {
        str(one["name"]): str(one["url"])
        for one in feeds
        if isinstance(one, dict) and "name" in one and "url" in one
    }


def _records(answer: Answer | None, member: str) -> list[dict[str, Any]]:
    if answer is None:
        return []
    data = answer.members().get("data")
    found = data.get(member) if isinstance(data, dict) else None
    if not isinstance(found, list):
        raise Unusable(f"{answer.url} has no array data.{member}")
    return [one for one in found if isinstance(one, dict)]


def _by_id(records: Iterable[dict[str, Any]], member: str) -> dict[str, dict[str, Any]]:
    return {str(one[member]): one for one in records if one.get(member) not in (None, "")}


def _system(feed: Feed[Parameters]) -> str:
    return feed.parameters.system or feed.name

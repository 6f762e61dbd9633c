"""Timetables: the General Transit Feed Specification, a ZIP archive with tables (GTFS Schedule).

Agencies, stops, routes, trips, shapes and calendars become entities of the Smart Data Models
UrbanMobility. The times of all trips at all stops are many, so they are summed up at trips and
stops; ``stop_times`` asks for each. Source: gtfs.org, GTFS Schedule Reference.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, Field

from madang.sense.feeds.answer import Answer
from madang.sense.feeds.declaration import Feed
from madang.sense.feeds.errors import BadFeed
from madang.sense.feeds.fetch import Fetch
from madang.sense.feeds.gtfs import network, trips
from madang.sense.feeds.gtfs.archive import COLUMNS, tables
from madang.sense.feeds.gtfs.timetable import Timetable, timetable
from madang.sense.feeds.kinds import Bad
from madang.sense.message import Reading

Record = dict[str, Any]
Made = Iterator[Record | Bad]
EXAMPLES = 5  # rows told of those that cannot be used for one reason


class Parameters(BaseModel):
    """What this kind wants to know."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    system: str = Field(default="", max_length=100)
    """Part of all ids; the name of the feed if empty."""
    trips: bool = True
    """Whether trips become entities; without them agencies, stops, routes and shapes do."""
    shapes: bool = True
    """Whether the lines that vehicles follow do."""
    stop_times: bool = False
    """Whether each call of each trip does. A city has some hundred thousand of them."""


def check(feed: Feed[Parameters]) -> None:
    """Raise BadFeed for a declaration that says what GTFS says itself."""
    if feed.mapping is not None:
        raise BadFeed(f"the feed {feed.name}: GTFS needs no mapping; leave it out")
    if feed.parameters.stop_times and not feed.parameters.trips:
        raise BadFeed(f"the feed {feed.name}: stop_times belong to trips; let trips be true")


async def read(feed: Feed[Parameters], fetch: Fetch) -> AsyncIterator[Reading | Bad]:
    """Yield the timetable of each archive that has changed."""
    for url in feed.urls:
        answer = await fetch(url)
        if not answer.changed:
            continue
        found, times = await asyncio.to_thread(_loaded, answer)
        for one in _entities(feed, found, times):
            yield one if isinstance(one, Bad) else feed.reading(one)


def _loaded(answer: Answer) -> tuple[dict[str, pl.DataFrame], Timetable]:
    """Read an archive and work out what takes long; to be run in a thread."""
    found = tables(answer.path, tuple(COLUMNS), answer.url)
    found["shapes"] = network.lines(found["shapes"])
    return found, timetable(found)


def _entities(feed: Feed[Parameters], found: dict[str, pl.DataFrame], times: Timetable) -> Made:
    """Yield the entities of an archive, and what of it cannot be one."""
    system, wanted = feed.parameters.system or feed.name, feed.parameters
    for reason, rows in times.lost:
        examples = rows.head(EXAMPLES).to_dicts()
        yield Bad({"rows": rows.height, "examples": examples}, f"{reason} ({rows.height:,} rows)")
    agencies = [network.agency_name(row) for row in found["agency"].to_dicts()]
    operators = {
        row["route_id"]: row["agency_id"] or (agencies[0] if len(agencies) == 1 else None)
        for row in found["routes"].to_dicts()
    }
    yield from _each(found["agency"], "agency_name", lambda row: network.agency(system, row))
    yield from _each(
        found["routes"],
        "route_id",
        lambda row: network.route(system, row, operators[row["route_id"]]),
    )
    yield from _each(
        times.stops,
        "stop_id",
        lambda row: network.stop(system, row, _serving(row["routes"], operators, agencies)),
    )
    yield from _services(system, found, agencies)
    if wanted.shapes:
        yield from network.shapes(system, found["shapes"])
    if wanted.trips:
        yield from _each(times.trips, "trip_id", lambda row: trips.trip(system, row))
        yield from _each(found["frequencies"], "trip_id", lambda row: trips.frequency(system, row))
    if wanted.stop_times:
        yield from _each(times.times, "trip_id", lambda row: trips.stop_time(system, row))


def _services(system: str, found: dict[str, pl.DataFrame], agencies: list[str]) -> Made:
    named = (found[name]["service_id"] for name in ("calendar", "calendar_dates", "trips"))
    for id in dict.fromkeys(id for column in named for id in column if id):
        yield network.service(system, id, agencies)
    yield from _each(
        found["calendar"], "service_id", lambda row: network.calendar_rule(system, row)
    )
    yield from _each(
        found["calendar_dates"],
        "service_id",
        lambda row: network.calendar_date_rule(system, row),
    )


def _serving(
    routes: Iterable[str] | None, operators: dict[str, str | None], agencies: list[str]
) -> list[str]:
    """Return the agencies whose routes serve a stop."""
    if len(agencies) == 1:
        return agencies
    return sorted({name for route in routes or () if (name := operators.get(route))})


def _each(table: pl.DataFrame, key: str, make: Callable[[Record], Record | None]) -> Made:
    """Yield what is made of each row, and those of which nothing can be, told by their key."""
    for row in table.iter_rows(named=True):
        try:
            entity = make(row)
        except ValueError as error:
            given = {name: value for name, value in row.items() if value is not None}
            yield Bad(given, f"{key} {row[key]}: {error}")
        else:
            if entity is not None:
                yield entity

"""What a timetable says of trips, for realtime messages to be held against it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

import polars as pl

from madang.sense.feeds.answer import Answer
from madang.sense.feeds.errors import Unusable
from madang.sense.feeds.gtfs.archive import tables
from madang.sense.feeds.gtfs.clock import seconds
from madang.sense.files import cells

_NOON: Final = timedelta(hours=12)
_TABLES: Final = ("agency", "stops", "routes", "trips", "stop_times")


class Trip(NamedTuple):
    route: str
    head_sign: str | None


Scheduled = dict[tuple[str, int | str], int]
"""When a trip is at a stop, by its sequence and by the id of the stop; [s] of the service day."""


@dataclass(frozen=True)
class Known:
    """The trips, stops and routes of a timetable."""

    trips: dict[str, Trip]
    stops: frozenset[str]
    routes: dict[str, str]
    """Types of routes, by id."""
    times: pl.DataFrame
    """``trip_id``, ``stop_id``, ``sequence``, ``at`` [s]."""
    zone: tzinfo

    def scheduled(self, trips: Collection[str]) -> Scheduled:
        """Return the times of some trips."""
        found: Scheduled = {}
        wanted = self.times.filter(pl.col("trip_id").is_in(list(trips)))
        for trip, stop, sequence, at in wanted.iter_rows():
            found.setdefault((trip, stop), at)
            found[trip, sequence] = at
        return found

    def instant(self, day: str, second: int) -> float | None:
        """Return a time of a service day in seconds since 1970; None if the day is none.

        Args:
            day: such as 20250608.
            second: since noon minus twelve hours.
        """
        try:
            noon = datetime.strptime(day, "%Y%m%d").replace(hour=12, tzinfo=self.zone)
        except ValueError:
            return None
        return (noon.astimezone(UTC) - _NOON + timedelta(seconds=second)).timestamp()


def known(answer: Answer) -> Known:
    """Return what a timetable says; read anew only if the archive has changed.

    Raises:
        Unusable, Refused: it is no GTFS archive, or too large.
    """
    state = answer.path.stat()
    return _known(answer.path, state.st_mtime_ns, state.st_size, answer.url)


@lru_cache(maxsize=4)
def _known(path: Path, _changed: int, _size: int, url: str) -> Known:
    found = tables(path, _TABLES, url)
    trips = found["trips"].select("trip_id", "route_id", "trip_headsign").drop_nulls("trip_id")
    times = found["stop_times"].select(
        "trip_id",
        "stop_id",
        pl.col("stop_sequence").cast(pl.Int32, strict=False).alias("sequence"),
        pl.coalesce(seconds("arrival_time"), seconds("departure_time")).alias("at"),
    )
    return Known(
        {trip: Trip(route, sign) for trip, route, sign in trips.iter_rows()},
        frozenset(found["stops"]["stop_id"].drop_nulls()),
        dict(found["routes"].select("route_id", "route_type").drop_nulls().iter_rows()),
        times.drop_nulls(),
        _zone(found["agency"], url),
    )


def _zone(agency: pl.DataFrame, url: str) -> tzinfo:
    name = next(iter(agency["agency_timezone"].drop_nulls()), "UTC")
    try:
        return cells.zone(name)
    except ValueError as error:
        raise Unusable(f"{url}: agency_timezone: {error}") from None

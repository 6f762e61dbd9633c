"""One weekday of a timetable: which buses call where and when.

Source: GTFS Schedule Reference (calendar, calendar_dates, route types).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

from madang.twin.network.programs import NetworkError

if TYPE_CHECKING:
    import polars as pl

_BUS: Final = {"3", "11", "800", *(str(number) for number in range(700, 717))}
"""Route types that drive on roads."""
_WEEKDAYS: Final = ("tuesday", "wednesday", "thursday")
_ALL_DAYS: Final = (
    "monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday",
)  # fmt: skip
_MOST_DAYS: Final = 10_000
"""Of a calendar that are looked at."""


class Stop(NamedTuple):
    """A stop of the timetable."""

    id: str
    name: str
    place: tuple[float, float]
    """Longitude and latitude. [degree]"""


class Trip(NamedTuple):
    """A bus that goes along a pattern."""

    id: str
    times: tuple[int, ...]
    """Of departure from each stop. [s after midnight]"""


@dataclass(slots=True)
class Pattern:
    """Trips of one line that call at the same stops."""

    line: str
    stops: tuple[str, ...]
    trips: list[Trip] = field(default_factory=list)


class Day(NamedTuple):
    """A weekday."""

    date: date
    stops: dict[str, Stop]
    patterns: list[Pattern]


def weekday(frames: Mapping[str, pl.DataFrame]) -> Day:
    """Return the Tuesday, Wednesday or Thursday on which most buses go; the last of equals.

    Args:
        frames: the tables ``routes``, ``trips``, ``calendar``, ``calendar_dates`` and ``stops`` as
            texts, and ``times`` with ``trip_id``, ``stop_id``, ``sequence`` and ``departure`` [s].

    Raises:
        NetworkError: no bus goes on such a day.
    """
    import polars as pl

    routes = frames["routes"].filter(pl.col("route_type").is_in(sorted(_BUS)))
    names = {
        row["route_id"]: row["route_short_name"] or row["route_long_name"] or row["route_id"]
        for row in routes.iter_rows(named=True)
    }
    trips = frames["trips"].filter(pl.col("route_id").is_in(sorted(names)))
    per_service = dict(trips.group_by("service_id").len().iter_rows())
    day, services = _busiest(frames, per_service)
    chosen = trips.filter(pl.col("service_id").is_in(sorted(services)))
    line_of = {trip: names[route] for trip, route in chosen.select("trip_id", "route_id").rows()}
    calls = (
        frames["times"]
        .filter(pl.col("trip_id").is_in(sorted(line_of)))
        .sort("trip_id", "sequence")
        .with_columns(at=pl.coalesce("departure", "arrival").interpolate().over("trip_id"))
        .group_by("trip_id", maintain_order=True)
        .agg("stop_id", "at")
    )
    patterns: dict[tuple[str, tuple[str, ...]], Pattern] = {}
    for trip, stops, times in calls.iter_rows():
        if len(stops) > 1 and None not in times:
            key = line_of[trip], tuple(stops)
            pattern = patterns.setdefault(key, Pattern(*key))
            pattern.trips.append(Trip(trip, tuple(round(at) for at in times)))
    if not patterns:
        raise NetworkError("the timetable has no bus on any Tuesday, Wednesday or Thursday")
    return Day(day, _stops(frames["stops"]), [patterns[key] for key in sorted(patterns)])


def _busiest(
    frames: Mapping[str, pl.DataFrame], per_service: Mapping[str, int]
) -> tuple[date, set[str]]:
    rules = frames["calendar"].to_dicts()
    extra: dict[date, dict[str, str]] = {}
    for row in frames["calendar_dates"].to_dicts():
        if (on := _date(row["date"])) is not None:
            extra.setdefault(on, {})[row["service_id"]] = row["exception_type"]
    ends = [_date(row[name]) for row in rules for name in ("start_date", "end_date")]
    known = sorted({*(end for end in ends if end is not None), *extra})
    best: tuple[int, date, set[str]] | None = None
    span = (known[-1] - known[0]).days + 1 if known else 0
    for number in range(min(span, _MOST_DAYS)):
        day = known[0] + timedelta(days=number)
        if _ALL_DAYS[day.weekday()] in _WEEKDAYS:
            services = _running(rules, extra.get(day, {}), day)
            count = sum(per_service.get(one, 0) for one in services)
            if count and (best is None or count >= best[0]):
                best = count, day, services
    if best is None:
        raise NetworkError("the timetable has no bus on any Tuesday, Wednesday or Thursday")
    return best[1], best[2]


def _running(rules: list[dict[str, str]], extra: Mapping[str, str], day: date) -> set[str]:
    running = set()
    for row in rules:
        start, end = _date(row["start_date"]), _date(row["end_date"])
        is_on = row[_ALL_DAYS[day.weekday()]] == "1"
        if is_on and start is not None and end is not None and start <= day <= end:
            running.add(row["service_id"])
    added = {service for service, kind in extra.items() if kind == "1"}
    removed = {service for service, kind in extra.items() if kind == "2"}
    return running - removed | added


def _date(text: str | None) -> date | None:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        return None


def _stops(table: pl.DataFrame) -> dict[str, Stop]:
    found = {}
    for row in table.iter_rows(named=True):
        try:
            place = float(row["stop_lon"]), float(row["stop_lat"])
        except (TypeError, ValueError):
            continue
        found[row["stop_id"]] = Stop(row["stop_id"], row["stop_name"] or row["stop_id"], place)
    return found

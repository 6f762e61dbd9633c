"""What the times of all trips come to: of each trip, and of each stop. Pure.

A city has hundreds of thousands of stop times; what a map or a rule asks is when a trip runs and
what serves a stop.
"""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from madang.sense.feeds.gtfs.archive import Tables
from madang.sense.feeds.gtfs.clock import LATEST_S, seconds


class Timetable(NamedTuple):
    """Trips and stops with what their stop times come to."""

    trips: pl.DataFrame
    """As in ``trips.txt``, those of known routes, with ``start`` and ``end`` [s], ``origin``,
    ``destination``, ``calls``."""
    stops: pl.DataFrame
    """As in ``stops.txt``, with ``first`` and ``last`` departure [s], ``trips`` (how many call
    there) and ``routes`` (a list)."""
    times: pl.DataFrame
    """As in ``stop_times.txt``, of known trips and stops, with ``arrival``, ``departure`` [s] and
    ``sequence``."""
    lost: list[tuple[str, pl.DataFrame]]
    """Rows that cannot be used, with the reason."""


def timetable(tables: Tables) -> Timetable:
    """Return what the stop times of an archive come to."""
    lost: list[tuple[str, pl.DataFrame]] = []
    stops = _unique(tables["stops"], "stop_id", "stops.txt", lost)
    trips = _unique(tables["trips"], "trip_id", "trips.txt", lost)
    trips = _known(trips, tables["routes"], "route_id", "trips.txt", lost)
    times = _times(tables["stop_times"], lost)
    times = _known(times, trips, "trip_id", "stop_times.txt", lost)
    times = _known(times, stops, "stop_id", "stop_times.txt", lost)
    calls = times.sort("trip_id", "sequence").group_by("trip_id", maintain_order=True)
    of_trips = calls.agg(
        start=pl.coalesce("departure", "arrival").drop_nulls().first(),
        end=pl.coalesce("arrival", "departure").drop_nulls().last(),
        origin=pl.col("stop_id").first(),
        destination=pl.col("stop_id").last(),
        calls=pl.len(),
    )
    # The last call of a trip is no departure.
    leaves = pl.col("sequence") < pl.col("sequence").max().over("trip_id")
    of_stops = (
        times.with_columns(leaving=pl.when(leaves).then(pl.coalesce("departure", "arrival")))
        .join(trips.select("trip_id", "route_id"), on="trip_id")
        .group_by("stop_id")
        .agg(
            first=pl.col("leaving").min(),
            last=pl.col("leaving").max(),
            trips=pl.col("trip_id").n_unique(),
            routes=pl.col("route_id").unique().sort(),
        )
    )
    return Timetable(
        trips.join(of_trips, on="trip_id", how="left", maintain_order="left"),
        stops.join(of_stops, on="stop_id", how="left", maintain_order="left"),
        times,
        lost,
    )


def _times(table: pl.DataFrame, lost: list[tuple[str, pl.DataFrame]]) -> pl.DataFrame:
    times = table.with_columns(
        arrival=seconds("arrival_time"),
        departure=seconds("departure_time"),
        sequence=pl.col("stop_sequence").cast(pl.Int32, strict=False),
    )
    wrong = (
        pl.col("sequence").is_null()
        | (pl.col("arrival_time").is_not_null() & pl.col("arrival").is_null())
        | (pl.col("departure_time").is_not_null() & pl.col("departure").is_null())
        | (pl.max_horizontal("arrival", "departure").fill_null(0) > LATEST_S)
    )
    return _split(times, wrong, "stop_times.txt: no time such as 25:10:00, or no sequence", lost)


def _unique(
    table: pl.DataFrame, key: str, file: str, lost: list[tuple[str, pl.DataFrame]]
) -> pl.DataFrame:
    wrong = pl.col(key).is_null() | ~pl.col(key).is_first_distinct()
    return _split(table, wrong, f"{file}: {key} is missing or there twice", lost)


def _known(
    table: pl.DataFrame,
    other: pl.DataFrame,
    key: str,
    file: str,
    lost: list[tuple[str, pl.DataFrame]],
) -> pl.DataFrame:
    wrong = ~pl.col(key).is_in(other[key].implode()).fill_null(value=False)
    return _split(table, wrong, f"{file}: {key} names nothing that is there", lost)


def _split(
    table: pl.DataFrame, wrong: pl.Expr, reason: str, lost: list[tuple[str, pl.DataFrame]]
) -> pl.DataFrame:
    bad = table.filter(wrong)
    if bad.height:
        lost.append((reason, bad))
        return table.filter(~wrong)
    return table

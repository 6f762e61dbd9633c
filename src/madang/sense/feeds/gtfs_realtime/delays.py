"""Trip updates of GTFS Realtime: how late a trip runs, when it will be at its stops. Pure.

A publisher gives delays, times or both. Where only times are given, the timetable tells how late
that is; where only delays are, when the trip will be there.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from google.transit import gtfs_realtime_pb2 as proto

from madang.sense.feeds.attributes import prop, relationship, urn
from madang.sense.feeds.gtfs_realtime.known import Known, Scheduled
from madang.sense.feeds.gtfs_realtime.message import (
    Message,
    Record,
    day,
    moment,
    observed,
    present,
    seconds,
    word,
)

_LIFE_S = 3600
_Stop = proto.TripUpdate.StopTimeUpdate


class Call(NamedTuple):
    """What is expected of a trip at one stop."""

    update: Message
    at: int | None
    """When it will be there. [s since 1970]"""
    delay: int | None
    """[s]"""


def entities(
    system: str,
    update: Message,
    sent: int,
    known: Known | None,
    scheduled: Scheduled,
    *,
    estimates: bool,
) -> Iterator[Record]:
    """Yield a GtfsTrip with its delay, and an ArrivalEstimation for each stop that is told of.

    Args:
        system: of which they are.
        update: the TripUpdate.
        sent: when the message was made. [s since 1970], 0 if it does not say.
        known: the timetable, if there is one.
        scheduled: times of its trips.
        estimates: whether stops are wanted.

    Raises:
        ValueError: the trip has no id.
    """
    trip = update.trip
    if not trip.trip_id:
        raise ValueError("has no trip_id")
    now = seconds(update.timestamp or sent)
    at = observed(now)
    calls = [_call(trip, one, known, scheduled) for one in update.stop_time_update]
    yield _trip(system, update, at, calls, known)
    if estimates:
        for call in calls:
            found = _estimate(system, trip, call, now, known)
            if found is not None:
                yield found


def _call(trip: Message, told: Message, known: Known | None, scheduled: Scheduled) -> Call:
    event = told.arrival if told.HasField("arrival") else told.departure
    at = event.time if event.HasField("time") and event.time > 0 else None
    delay = event.delay if event.HasField("delay") else None
    if known is not None and trip.start_date and (at is None) != (delay is None):
        second = scheduled.get((trip.trip_id, told.stop_sequence), None)
        if second is None or not told.HasField("stop_sequence"):
            second = scheduled.get((trip.trip_id, told.stop_id), second)
        planned = None if second is None else known.instant(trip.start_date, second)
        if planned is not None and at is not None:
            delay = round(at - planned)
        elif planned is not None and delay is not None:
            at = round(planned + delay)
    return Call(told, at, delay)


def _trip(
    system: str, update: Message, at: str | None, calls: list[Call], known: Known | None
) -> Record:
    trip, vehicle = update.trip, update.vehicle
    delays = [call.delay for call in calls if call.delay is not None]
    delay = update.delay if update.HasField("delay") else delays[0] if delays else None
    relation = word(proto.TripDescriptor.ScheduleRelationship, trip.schedule_relationship)
    date = day(trip.start_date)
    who = vehicle.id or vehicle.label
    return {
        "id": urn("GtfsTrip", system, trip.trip_id),
        "type": "GtfsTrip",
        "scheduleRelationship": prop(relation, at),
        **present(
            delay=None if delay is None else prop(delay, at, "SEC"),
            serviceDate=None if date is None else prop(date, at),
            hasVehicle=relationship(urn("Vehicle", system, who), at) if who else None,
            inTimetable=None if known is None else prop(trip.trip_id in known.trips, at),
        ),
    }


def _estimate(
    system: str, trip: Message, call: Call, now: int, known: Known | None
) -> Record | None:
    """Return the ArrivalEstimation of one stop; None if nothing is said of it."""
    told, at = call.update, observed(now)
    skipped = told.schedule_relationship == _Stop.SKIPPED
    if not (told.stop_id and (skipped or call.at is not None)):
        return None
    place = told.stop_sequence if told.HasField("stop_sequence") else told.stop_id
    scheduled = None if known is None else known.trips.get(trip.trip_id)
    sign = None if scheduled is None else scheduled.head_sign
    left = None if skipped or call.at is None or not now else max(call.at - now, 0)
    when = None if skipped or call.at is None else moment(call.at)
    return {
        "id": urn("ArrivalEstimation", system, trip.trip_id, trip.start_date or "-", place),
        "type": "ArrivalEstimation",
        "expiresAt": _end(call.at or now),
        "hasTrip": relationship(urn("GtfsTrip", system, trip.trip_id), at),
        "hasStop": _one_of(urn("GtfsStop", system, told.stop_id), at),
        "scheduleRelationship": prop("skipped" if skipped else "scheduled", at),
        **present(
            headSign=prop(sign) if sign else None,
            remainingTime=None if left is None else prop(_duration(left), at),
            arrivalTime=None if when is None else prop(when, at),
            delay=None if skipped or call.delay is None else prop(call.delay, at, "SEC"),
        ),
    }


def _one_of(target: str, at: str | None) -> Record:
    """Return a Relationship to a list of one, which is what the model wants here."""
    return {**relationship(target, at), "object": [target]}


def _duration(span: int) -> str:
    """Return a span in ISO 8601, as Smart Data Models have it.

    >>> _duration(485), _duration(7205)
    ('PT8M5S', 'PT2H0M5S')
    """
    minutes, left = divmod(span, 60)
    hours, minutes = divmod(minutes, 60)
    return f"PT{hours}H{minutes}M{left}S" if hours else f"PT{minutes}M{left}S"


def _end(at: int) -> str:
    """Return when an estimate ends: in whole hours, so that it is not new in every reading."""
    end = -(-(max(at, time.time()) + _LIFE_S) // _LIFE_S) * _LIFE_S
    return datetime.fromtimestamp(end, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

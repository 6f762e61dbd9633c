"""The temporal query: ``timerel``, ``timeAt``, ``endTimeAt``, ``timeproperty``.

Source: ETSI GS CIM 009 clauses 4.11 and 5.2.22 (TemporalQuery).
"""

from __future__ import annotations

from typing import Any, cast, get_args, get_type_hints

from madang.model import time
from madang.model.errors import BadRequestData
from madang.model.names import shown
from madang.query.tree import Temporal

_HINTS = get_type_hints(Temporal)
RELATIONS: tuple[str, ...] = get_args(_HINTS["relation"])
PROPERTIES: tuple[str, ...] = get_args(_HINTS["property"])
_MEMBERS = {"timerel", "timeAt", "endTimeAt", "timeproperty"}


def parse(
    timerel: object = None,
    time_at: object = None,
    end_time_at: object = None,
    timeproperty: object = None,
) -> Temporal | None:
    """Return the temporal query that these parameters mean; None if none of them is given.

    Raises:
        BadRequestData: they do not make a temporal query.
    """
    if timerel is None:
        if time_at is None and end_time_at is None and timeproperty is None:
            return None
        raise BadRequestData("timeAt, endTimeAt and timeproperty need timerel beside them")
    if timerel not in RELATIONS:
        raise BadRequestData(f"timerel must be before, after or between, not {shown(timerel)}")
    if time_at is None:
        raise BadRequestData(f"timerel={timerel} needs timeAt beside it")
    return Temporal(
        cast(Any, timerel),
        time.parse(time.checked(time_at, "timeAt")),
        _end(timerel, end_time_at),
        cast(Any, _property(timeproperty)),
    )


def from_object(value: object) -> Temporal:
    """Return the temporal query of a JSON body (``temporalQ``).

    Raises:
        BadRequestData: it is none.
    """
    if not isinstance(value, dict):
        raise BadRequestData("temporalQ must be an object with timerel and timeAt")
    temporal = parse(*map(value.get, ("timerel", "timeAt", "endTimeAt", "timeproperty")))
    if temporal is None:
        raise BadRequestData("temporalQ must hold timerel and timeAt")
    return temporal


def holds(temporal: Temporal, instant: int) -> bool:
    """Tell whether an instant lies in the interval: its start belongs to it, its end does not."""
    if temporal.relation == "before":
        return instant < temporal.time_at
    if temporal.relation == "after":
        return instant >= temporal.time_at
    return temporal.time_at <= instant < cast(int, temporal.end_time_at)


def _end(timerel: object, end_time_at: object) -> int | None:
    if timerel != "between":
        if end_time_at is not None:
            raise BadRequestData(f"endTimeAt goes with timerel=between, not with {timerel}")
        return None
    if end_time_at is None:
        raise BadRequestData("timerel=between needs endTimeAt beside timeAt")
    return time.parse(time.checked(end_time_at, "endTimeAt"))


def _property(timeproperty: object) -> object:
    if timeproperty is None:
        return "observedAt"
    if timeproperty not in PROPERTIES:
        raise BadRequestData(
            f"timeproperty must be one of {', '.join(PROPERTIES)}, not {shown(timeproperty)}"
        )
    return timeproperty

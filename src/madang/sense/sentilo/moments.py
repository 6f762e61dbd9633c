"""Instants and places as Sentilo writes them: ``17/09/2012T12:34:45CET`` and ``41.38 2.15``.

Source: Sentilo 2.0, API documentation, "General model" and "Publish observations of a sensor".
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from madang.model import time

FORM = "dd/MM/yyyyTHH:mm:ss, with a zone such as +0200 or CET if it is not UTC"

_TEXT = re.compile(r"(\d\d)/(\d\d)/(\d{4})T(\d\d):(\d\d):(\d\d) ?(\S{0,10})", re.ASCII)
_OFFSET = re.compile(r"(?:GMT|UTC)?([+-])(\d\d?):?(\d\d)", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ZONES = {
    "": 0, "Z": 0, "UTC": 0, "GMT": 0, "UT": 0, "WET": 0, "WEST": 60, "BST": 60, "CET": 60,
    "MET": 60, "CEST": 120, "MEST": 120, "EET": 120, "EEST": 180, "MSK": 180, "TRT": 180,
    "KST": 540, "JST": 540, "EST": -300, "EDT": -240, "CST": -360, "CDT": -300, "MST": -420,
    "MDT": -360, "PST": -480, "PDT": -420,
}  # fmt: skip
"""Names of zones that have one distance from UTC the whole year. [min]"""

_PAIR = re.compile(r"(-?\d{1,3}(?:\.\d+)?)\s+(-?\d{1,3}(?:\.\d+)?)", re.ASCII)
_DECIMAL_COMMAS = re.compile(r"\s*(-?\d{1,3}),(\d+)\s+(-?\d{1,3}),(\d+)\s*", re.ASCII)
LONGEST_PLACE = 4_000  # [characters]

Position = list[float]
"""Longitude and latitude, as GeoJSON has them. [deg]"""


def parse(text: str) -> int:
    """Return an instant in microseconds since 1970.

    A zone is one of those abbreviations that mean the same in summer and winter (CET is one hour
    before UTC in September as well, as Sentilo has it), or a distance.

    Raises:
        ValueError: it is no such text.

    >>> parse("17/02/2016T11:43:45CET") == parse("17/02/2016T10:43:45") == 1455705825000000
    True
    """
    found = _TEXT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:60]!r} is no time of the form {FORM}")
    day, month, year, hour, minute, second = map(int, found.groups()[:6])
    zone = timezone(timedelta(minutes=_distance(found[7])))
    try:
        moment = datetime(year, month, day, hour, minute, second, tzinfo=zone)
    except ValueError as error:
        raise ValueError(f"{text[:60]!r} is no time: {error}") from None
    instant = (moment - _EPOCH) // _MICROSECOND
    if not 0 <= instant <= time.LAST:
        raise ValueError(f"{text[:60]!r} lies before 1970 or after the year 9999")
    return instant


def _distance(zone: str) -> int:
    """Return how far a zone is before UTC. [min]"""
    known = _ZONES.get(zone.upper())
    if known is not None:
        return known
    found = _OFFSET.fullmatch(zone)
    if found is None or int(found[2]) > 14 or int(found[3]) > 59:
        raise ValueError(f"{zone!r} is no zone known here; write the distance, such as +0200")
    minutes = int(found[2]) * 60 + int(found[3])
    return -minutes if found[1] == "-" else minutes


def render(instant: int) -> str:
    """Return an instant in UTC without fractions of a second, as Sentilo answers it.

    >>> render(1347885285000000)
    '17/09/2012T12:34:45'
    """
    moment = _EPOCH + timedelta(microseconds=min(instant, time.LAST))
    return moment.strftime("%d/%m/") + f"{moment.year:04d}" + moment.strftime("T%H:%M:%S")


def positions(text: str) -> list[Position]:
    """Return the places of a location: one of a place, several of a line, none of an empty text.

    Decimal commas are read as well (``41,385063 2,1734034``).

    Raises:
        ValueError: it is no location.

    >>> positions("41.39479 2.148768")
    [[2.148768, 41.39479]]
    >>> positions("41.1 2.1, 41.2 2.2")
    [[2.1, 41.1], [2.2, 41.2]]
    """
    if not text.strip():
        return []
    if len(text) > LONGEST_PLACE:
        raise ValueError(f"a location has {LONGEST_PLACE:,} characters at most")
    commas = _DECIMAL_COMMAS.fullmatch(text)
    if commas is not None:
        text = f"{commas[1]}.{commas[2]} {commas[3]}.{commas[4]}"
    return [_position(part) for part in text.split(",")]


def _position(text: str) -> Position:
    found = _PAIR.fullmatch(text.strip())
    if found is None:
        raise ValueError(
            f"{text.strip()[:60]!r} is no location; expected latitude and longitude in degrees,"
            " such as 41.39479 2.148768"
        )
    latitude, longitude = float(found[1]), float(found[2])
    if abs(latitude) > 90 or abs(longitude) > 180:
        raise ValueError(
            f"{text.strip()[:60]!r} is no place on Earth: latitudes are within 90, longitudes"
            " within 180 degrees"
        )
    return [longitude, latitude]


def place(position: Position) -> str:
    """Return a position as Sentilo writes it: latitude, then longitude."""
    longitude, latitude = position[0], position[1]
    return f"{latitude} {longitude}"

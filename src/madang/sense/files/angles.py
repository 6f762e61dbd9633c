"""Geographic coordinates as people write them: degrees, or degrees, minutes and seconds."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

_PARTS = re.compile(
    r"""(?P<before>[NSEW])?\s*
    (?P<sign>[+-])?\s*(?P<degrees>\d{1,3}(?:\.\d+)?)\s*(?:°|º|˚|도|d(?:eg)?|[:\s-])\s*
    (?:(?P<minutes>\d{1,2}(?:\.\d+)?)\s*(?:'|′|’|분|m(?:in)?|[:\s-]|$)\s*)?
    (?:(?P<seconds>\d{1,2}(?:\.\d+)?)\s*(?:"|″|”|''|′′|초|s(?:ec)?|$)?\s*)?
    (?P<after>[NSEW])?""",
    re.VERBOSE | re.IGNORECASE,
)
_DIRECTED = re.compile(r"(?:([NSEW])\s*)?(\d+(?:\.\d+)?)\s*([NSEW])?", re.IGNORECASE)


@lru_cache(maxsize=65536)
def degrees(written: str) -> float:
    """Return an angle in degrees; south and west are negative.

    Raises:
        ValueError: it is none.

    >>> degrees("37°33'59.4\\"N"), degrees("126도 58분 48초"), degrees("122-19.5 W")
    (37.5665, 126.98, -122.325)
    """
    text = written.strip()
    plain = _DIRECTED.fullmatch(text)
    if plain is not None and (plain[1] is None) != (plain[3] is None):
        return float(plain[2]) * _turn(plain[1] or plain[3])
    found = _PARTS.fullmatch(text)
    if found is None or (found["before"] and found["after"]):
        raise ValueError(
            f"{text!r} is no coordinate; expected degrees such as 37.5665 or 37°33'59.4\"N"
        )
    minutes, seconds = float(found["minutes"] or 0), float(found["seconds"] or 0)
    if minutes >= 60 or seconds >= 60:
        raise ValueError(f"{text!r} has 60 minutes or seconds or more")
    size = float(found["degrees"]) + minutes / 60 + seconds / 3600
    letter = found["before"] or found["after"]
    sign = -1.0 if found["sign"] == "-" else 1.0
    return round(size * sign * (_turn(letter) if letter else 1.0), 9)


def _turn(letter: str) -> float:
    return -1.0 if letter.upper() in "SW" else 1.0


def reader(number: Callable[[object], float]) -> Callable[[object], float]:
    """Return what reads a coordinate: a number as the file writes them, or an angle."""

    def read(cell: object) -> float:
        try:
            return float(number(cell))
        except ValueError:
            if not isinstance(cell, str):
                raise
        return degrees(cell)

    return read

"""Cells of a table turned into values: numbers, switches, instants. Pure functions.

Each raises ValueError with a sentence that says what the cell holds and what was expected.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any, Literal
from urllib.parse import quote
from zoneinfo import ZoneInfo

Kind = Literal["text", "number", "integer", "boolean", "datetime", "bearing", "json"]

TRUE_WORDS = frozenset(["true", "1", "yes", "y", "on", "t"])
FALSE_WORDS = frozenset(["false", "0", "no", "n", "off", "f"])
_COMPASS = "N NNE NE ENE E ESE SE SSE S SSW SW WSW W WNW NW NNW".split()  # noqa: SIM905
_BEARINGS = {word: 22.5 * position for position, word in enumerate(_COMPASS)}
_URI_SAFE = "-._~:/@!$&'()*+,;="
_MILLISECONDS_FROM = 100_000_000_000  # as seconds this would be the year 5138


def text(cell: object) -> str:
    """Return the cell as text.

    >>> text(3.0), text(" a ")
    ('3.0', 'a')
    """
    return cell.strip() if isinstance(cell, str) else str(cell)


def number(cell: object) -> int | float:
    """Return the cell as a number, whole if it is written so.

    >>> number("6"), number("-2.50"), number(7)
    (6, -2.5, 7)
    """
    if isinstance(cell, str):
        return _parse_number(cell)
    if isinstance(cell, (int, float)) and not isinstance(cell, bool):
        return cell
    return _parse_number(str(cell))


@lru_cache(maxsize=65536)  # measured values repeat
def _parse_number(cell: str) -> int | float:
    written = cell.strip()
    try:
        value: int | float = int(written) if written.lstrip("+-").isdigit() else float(written)
    except ValueError:
        raise ValueError(f"{written!r} is no number") from None
    if "_" in written or not math.isfinite(value):
        raise ValueError(f"{written!r} is no number")
    return value


def integer(cell: object) -> int:
    """Return the cell as a whole number; ``3.0`` is one.

    >>> integer("3.0")
    3
    """
    value = number(cell)
    if value != int(value):
        raise ValueError(f"{text(cell)!r} is no whole number")
    return int(value)


def boolean(cell: object) -> bool:
    """Return the cell as a switch.

    >>> boolean("Yes"), boolean(0)
    (True, False)
    """
    word = text(cell).lower()
    if word in TRUE_WORDS:
        return True
    if word in FALSE_WORDS:
        return False
    raise ValueError(f"{text(cell)!r} is neither true nor false")


def bearing(cell: object) -> float:
    """Return a bearing, in degrees or as a compass word, as the Smart Data Models count it.

    They want -180 to 180, 0 is north and 90 is east.

    >>> bearing("NNE"), bearing("270"), bearing(180), bearing("W")
    (22.5, -90.0, 180.0, -90.0)
    """
    word = text(cell)
    try:
        degrees = _BEARINGS.get(word.upper())
        degrees = float(number(cell)) if degrees is None else degrees
    except ValueError:
        raise ValueError(f"{word!r} is neither degrees nor a compass word such as NNE") from None
    if not -360.0 <= degrees <= 360.0:
        raise ValueError(f"{word} degrees is not within 0 and 360")
    turned = degrees % 360.0
    return turned - 360.0 if turned > 180.0 else turned


def _read_or_kept(number: Callable[[object], int | float], cell: object) -> object:
    try:
        return number(cell)
    except ValueError:
        return cell


def uri_part(cell: object) -> str:
    """Return a cell as a part of a URI: letters of every script stay, the rest is escaped.

    >>> uri_part("NIA South"), uri_part("강남구")
    ('NIA%20South', '강남구')
    """
    return _escaped(text(cell))


@lru_cache(maxsize=16384)
def _escaped(written: str) -> str:
    return "".join(mark if mark.isalnum() or mark in _URI_SAFE else quote(mark) for mark in written)


def from_json(cell: object) -> Any:
    """Return what a cell of JSON text holds; what is no text already is returned as it is."""
    if not isinstance(cell, str):
        return cell
    try:
        return json.loads(cell)
    except ValueError:
        raise ValueError(f"{cell[:40]!r} is no JSON") from None


def plain(cell: object) -> Any:
    """Return a typed cell (of Parquet, of JSON) as JSON can hold it.

    >>> plain(date(2026, 1, 31)), plain("a")
    ('2026-01-31', 'a')
    """
    if isinstance(cell, datetime):
        return instant(cell, "", UTC)
    if isinstance(cell, date):
        return cell.isoformat()
    if isinstance(cell, time):
        return cell.isoformat()
    if isinstance(cell, list):
        return [plain(item) for item in cell]
    if isinstance(cell, dict):
        return {key: plain(item) for key, item in cell.items()}
    return cell if isinstance(cell, (str, int, float, bool)) else str(cell)


def zone(name: str) -> tzinfo:
    """Return a time zone by its name or as a fixed offset from UTC.

    >>> zone("+08:00"), zone("Asia/Seoul")
    (datetime.timezone(datetime.timedelta(seconds=28800)), zoneinfo.ZoneInfo(key='Asia/Seoul'))
    """
    if name in ("", "UTC", "Z"):
        return UTC
    if name[0] in "+-":
        sign = -1 if name[0] == "-" else 1
        hours, _, minutes = name[1:].partition(":")
        return timezone(sign * timedelta(hours=int(hours), minutes=int(minutes or 0)))
    try:
        return ZoneInfo(name)
    except (OSError, ValueError):  # ZoneInfoNotFoundError is a KeyError, see below
        raise ValueError(f"there is no time zone {name!r}") from None
    except KeyError:
        raise ValueError(
            f"there is no time zone {name!r}; expected a name such as Asia/Seoul or +09:00"
        ) from None


def instant(cell: object, form: str, where: tzinfo) -> str:
    """Return the cell as a UTC DateTime of NGSI-LD (clause 4.6.3).

    Args:
        cell: text, a datetime, or seconds or milliseconds since 1970.
        form: format of the text as in ``strptime``; empty is ISO 8601.
        where: time zone of a text that names none. An hour that a change of clocks repeats
            is taken as the first of the two.

    >>> instant("2013-03-01 00:00", "", zone("+08:00"))
    '2013-02-28T16:00:00Z'
    """
    if isinstance(cell, datetime):
        return _render(cell if cell.tzinfo else cell.replace(tzinfo=where))
    if isinstance(cell, date):
        return _render(datetime(cell.year, cell.month, cell.day, tzinfo=where))
    if isinstance(cell, (int, float)) and not form:
        return _from_epoch(cell)
    return _from_text(text(cell), form, where)


@lru_cache(maxsize=16384)
def _from_text(written: str, form: str, where: tzinfo) -> str:
    if not form and len(written) in (10, 13) and written.isdigit():
        return _from_epoch(int(written))
    try:
        moment = _in_form(written, form) if form else _in_iso_8601(written)
    except ValueError:
        wanted = f"the form {form!r}" if form else "a time such as 2026-01-31T12:00:00"
        raise ValueError(f"{written!r} is no time; expected {wanted}") from None
    return _render(moment if moment.tzinfo else moment.replace(tzinfo=where))


def _in_iso_8601(written: str) -> datetime:
    try:
        return datetime.fromisoformat(written)
    except ValueError:
        return _at_midnight(written, datetime.fromisoformat)


def _in_form(written: str, form: str) -> datetime:
    if "%p" in form:
        written = written.replace("오전", "AM").replace("오후", "PM")
    try:
        return datetime.strptime(written, form)
    except ValueError:
        if "%H" not in form:
            raise
        return _at_midnight(written, lambda text: datetime.strptime(text, form))


def _at_midnight(written: str, parse: Callable[[str], datetime]) -> datetime:
    """Read a day that ends at 24 h, as ISO 8601 allows and air quality in Korea is published."""
    before, hour, after = written.rpartition("24")
    start = parse(before + "00" + after) if hour else None
    if start is None or (start.hour, start.minute, start.second) != (0, 0, 0):
        raise ValueError("no midnight")
    return start + timedelta(days=1)


def _from_epoch(value: float) -> str:
    seconds = value / 1000 if abs(value) >= _MILLISECONDS_FROM else value
    try:
        return _render(datetime.fromtimestamp(seconds, UTC))
    except (OverflowError, OSError, ValueError):
        raise ValueError(f"{value} is no time in seconds or milliseconds since 1970") from None


def _render(moment: datetime) -> str:
    try:
        return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"
    except OverflowError:
        raise ValueError(f"{moment.isoformat()} cannot be told in UTC") from None


def converter(
    kind: Kind | None, form: str, where: tzinfo, number: Callable[[object], int | float] = number
) -> Callable[[object], Any]:
    """Return the function that makes values of a kind; None keeps what the file holds.

    ``number`` reads numbers as the file writes them.
    """
    if kind == "datetime":
        return lambda cell: instant(cell, form, where)
    if kind is None:
        return plain
    by_kind: dict[str, Callable[[object], Any]] = {
        "text": text,
        "number": number,
        "integer": lambda cell: integer(number(cell)),
        "boolean": boolean,
        "bearing": lambda cell: bearing(_read_or_kept(number, cell)),
        "json": from_json,
    }
    return by_kind[kind]

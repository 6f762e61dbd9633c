"""The values of a ``q`` term: numbers, texts, times, URIs, lists and ranges of them.

Source: ETSI GS CIM 009 clause 4.9 (Value, ComparableValue, Range, ValueList), RFC 8259 (numbers,
strings).
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import date
from functools import lru_cache

import orjson

from madang.model import time
from madang.query.reader import Reader
from madang.query.tree import Boolean, Date, DateTime, Range, Scalar, Time, Uri, Values

_UNQUOTED = re.compile(r"[^\s;|(),\"]+")
_PATTERN = re.compile(r"[^\s;|()\"]+")
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_TIME = re.compile(r"((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)(?:[.,](\d{1,9}))?Z", re.ASCII)
_WORD = re.compile(r"[^\W\d_][\w\-]*")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[^<>\"{}\\^`]+")
_INTEGERS = range(-(2**63), 2**63)  # what SQLite, PostgreSQL and JSON readers agree on

_EXPECTED = 'a number, a "text", true, false, a DateTime, Date, Time or URI'
_COMPARABLE = 'a number, a "text", a DateTime, Date or Time'

Expand = Callable[[str], str]


@lru_cache(maxsize=65536)
def instant(text: str) -> int | None:
    """Return the instant a DateTime text means; None if it is none. [us since 1970]"""
    if len(text) < 20:  # the shortest DateTime; most texts end here
        return None
    try:
        return time.parse(text)
    except ValueError:
        return None


@lru_cache(maxsize=4096)
def time_of_day(text: str) -> int | None:
    """Return the time a Time text means; None if it is none. [us since midnight]"""
    found = _TIME.fullmatch(text)
    if found is None:
        return None
    hours, minutes, seconds = map(int, found[1].split(":"))
    whole = (hours * 60 + minutes) * 60 + seconds
    return whole * 1_000_000 + int((found[2] or "0").ljust(6, "0")[:6])


def is_date(text: str) -> bool:
    """Tell whether a text looks like a Date, so that text order is the order of days."""
    return _DATE.fullmatch(text) is not None


def kind(value: Scalar) -> type:
    """Return what values must share to be compared."""
    return float if isinstance(value, int) else type(value)


def read(reader: Reader, operator: str, expand: Expand | None) -> Scalar | Range | Values:
    """Read the value of a term with this operator; ``expand`` makes names of texts."""
    if operator in ("~=", "!~="):
        return _pattern(reader)
    if operator not in ("==", "!="):
        return _ordered(reader)
    start = reader.position
    first = _scalar_or_range(reader)
    if not reader.at(","):
        return first if isinstance(first, Range) else _expanded(first, expand)
    items = [first]
    while reader.take(","):
        items.append(_scalar_or_range(reader))
    scalars = tuple(_expanded(item, expand) for item in items if not isinstance(item, Range))
    if len(scalars) < len(items):
        reader.refuse("a list holds no ranges", start)
    return Values(scalars)


def _ordered(reader: Reader) -> Scalar:
    start, quoted = reader.position, reader.at('"')
    value = _scalar_or_range(reader)
    if isinstance(value, Range) or reader.at(","):
        reader.refuse("only == and != take a range or a list", start)
    if isinstance(value, Uri | Boolean) or (isinstance(value, str) and not quoted):
        reader.fail(_COMPARABLE, start)
    return value


def _scalar_or_range(reader: Reader) -> Scalar | Range:
    start = reader.position
    if reader.at('"'):
        low: Scalar = _text(_quoted(reader, reader.position))
        if not reader.take(".."):
            return low
        high = _text(_quoted(reader, reader.position))
        return _range(reader, low, high, start)
    text = reader.match(_UNQUOTED)
    value = _unquoted(text)
    if value is not None and not isinstance(value, Uri):
        return value
    first, dots, second = text.partition("..")
    if dots:
        ends = _unquoted(first), _unquoted(second)
        if isinstance(ends[0], _ENDS) and isinstance(ends[1], _ENDS):
            return _range(reader, ends[0], ends[1], start)
    if value is None:
        reader.fail(_EXPECTED, start)
    return value


_ENDS = (int, float, DateTime, Date, Time)


def _range(reader: Reader, low: Scalar, high: Scalar, start: int) -> Range:
    if kind(low) is not kind(high):
        reader.refuse("both ends of a range must be of one kind", start)
    return Range(low, high)


def _unquoted(text: str) -> Scalar | None:
    if text in ("true", "false"):
        return Boolean(text == "true")
    if _NUMBER.fullmatch(text):
        return _number(text)
    found = instant(text)
    if found is not None:
        return DateTime(found, text)
    if is_date(text):
        return Date(text) if _exists(text) else None
    if time_of_day(text) is not None:
        return Time(text)
    if _URI.fullmatch(text):
        return Uri(text)
    return text if _WORD.fullmatch(text) else None


def _number(text: str) -> int | float | None:
    if text.lstrip("-").isdigit() and len(text) <= 20 and int(text) in _INTEGERS:
        return int(text)
    value = float(text)
    return value if math.isfinite(value) else None


def _exists(day: str) -> bool:
    try:
        date.fromisoformat(day)
    except ValueError:
        return False
    return True


def _text(text: str) -> Scalar:
    """Return a quoted text; a DateTime is one in quotes too, to be compared as an instant."""
    found = instant(text)
    return text if found is None else DateTime(found, text)


def _quoted(reader: Reader, start: int) -> str:
    """Read a JSON string (RFC 8259 section 7), in which control characters may also stand."""
    raw = _raw(reader, start)
    if "\\" not in raw:
        return raw
    try:
        return str(orjson.loads(f'"{raw}"'))
    except orjson.JSONDecodeError:
        reader.refuse("the text in quotes has an escape that JSON does not know", start)


def _raw(reader: Reader, start: int) -> str:
    """Read a text in quotes, backslashes as they are."""
    reader.need('"')
    text, end = reader.text, reader.position
    while True:
        end = text.find('"', end)
        if end < 0:
            reader.refuse("the text that begins here lacks its closing quote", start)
        before = text[reader.position : end]
        if (len(before) - len(before.rstrip("\\"))) % 2 == 0:
            break
        end += 1
    reader.position = end + 1
    return before


def _pattern(reader: Reader) -> str:
    """Read a regular pattern; only ``\\"`` is an escape of ours, the others are the pattern's."""
    if reader.at('"'):
        return _raw(reader, reader.position).replace('\\"', '"')
    pattern = reader.match(_PATTERN)
    if not pattern:
        reader.fail('a pattern in quotes, such as "^A"')
    return pattern


def _expanded(value: Scalar, expand: Expand | None) -> Scalar:
    if expand is None:
        return value
    if isinstance(value, Uri):
        return Uri(expand(value.text))
    return Uri(expand(value)) if isinstance(value, str) else value

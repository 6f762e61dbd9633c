"""Which columns of a table say when its rows were measured."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from madang.sense.files import dates
from madang.sense.files.mapping import Observed
from madang.sense.files.sample import Column

_NAMES = (
    "timestamp", "observedat", "dateobserved", "datetime", "time", "date", "measuredon",
    "lastupdated", "timeutc", "측정시간", "측정일시", "측정일", "일시", "관측일시", "등록일시",
    "수집일시", "시간", "날짜", "일자",
)  # fmt: skip
_WORDS = {"time", "timestamp", "datetime", "date", "measured", "observed", "일시", "날짜"}
_OF_OTHER_THINGS = {
    "created", "closed", "due", "start", "end", "opening", "begin", "birth", "expiry", "resolution",
    "peak", "arrival", "departure", "modified", "install", "installed", "built", "close",
}  # fmt: skip
_KOREAN_TIME = re.compile(r"(측정|관측|수집|계측|검침|조사).*(일시|시간|일자|시각)|일시$|시각$")
_PARTS = (
    (("year", "연도", "년", "년도"), "%Y"),
    (("month", "월"), "%m"),
    (("day", "일"), "%d"),
    (("hour", "시", "시간"), "%H"),
    (("minute", "분"), "%M"),
)
_CLOCKS = {"time", "hour", "시간", "시각", "측정시간", "관측시간", "hours"}
_OFFSET = re.compile(r"(Z|[+-]\d\d:?\d\d)$")
_HANGUL = re.compile(r"[가-힣]")

Whole = Callable[[str], Iterable[Any]]
"""Returns all cells of a column of the file, for what the sample does not decide."""


def observed(columns: Mapping[str, Column], whole: Whole | None, in_korea: bool) -> Observed | None:
    """Return when rows were measured, or None if no column says it."""
    return _one(columns, whole, in_korea) or _parts(columns, in_korea)


def form_of(column: Column, whole: Whole | None = None) -> str | None:
    """Return the form of the times of a column; None if it holds none."""
    if column.is_dated:
        return ""
    if not column.cells:
        return None
    form = dates.guess(column.cells)
    if form and whole is not None and dates.is_ambiguous(column.cells, form):
        return dates.guess(whole(column.name)) or form
    return form


def zone_of(column: Column, in_korea: bool) -> str:
    """Return the zone of times that name none, as far as it can be told."""
    if any(isinstance(cell, str) and _OFFSET.search(cell.strip()) for cell in column.cells[:5]):
        return ""
    if {"utc", "gmt"} & set(column.tokens):
        return "UTC"
    is_korean = in_korea or "kst" in column.tokens or _HANGUL.search(column.name)
    return "Asia/Seoul" if is_korean else ""


def _one(columns: Mapping[str, Column], whole: Whole | None, in_korea: bool) -> Observed | None:
    for column in _named(columns):
        if not column.is_filled:
            continue
        form = form_of(column, whole)
        if form is None:
            continue
        zone = zone_of(column, in_korea)
        clock = None if _has_clock(column, form) else _clock(columns, column, form)
        if clock is not None:
            name, behind = clock
            form = f"{form or '%Y-%m-%d'} {behind}"
            return Observed(columns=[column.name, name], format=form, zone=zone)
        return Observed(columns=[column.name], format=form, zone=zone)
    return None


def _named(columns: Mapping[str, Column]) -> Iterable[Column]:
    """Yield the columns whose names say so, the clearest first."""
    by_name = {column.plain: column for column in reversed(list(columns.values()))}
    found = [by_name[name] for name in _NAMES if name in by_name]
    for column in columns.values():
        tokens = set(column.tokens)
        says = bool(tokens & _WORDS) or bool(_KOREAN_TIME.search(column.plain))
        if says and not tokens & _OF_OTHER_THINGS and column not in found:
            found.append(column)
    return found


def _has_clock(column: Column, form: str) -> bool:
    if form:
        return "%H" in form or "%I" in form
    return any(not isinstance(cell, str) or len(cell.strip()) > 10 for cell in column.cells[:20])


def _clock(columns: Mapping[str, Column], day: Column, form: str) -> tuple[str, str] | None:
    """Return the column with the time of the day, and its form."""
    for column in columns.values():
        if column is day or not column.is_filled or column.plain not in _CLOCKS:
            continue
        first = str(column.cells[0]).strip()
        for behind in ("%H:%M:%S", "%H:%M", "%H", "%H시", "%H%M"):
            whole = f"{form or '%Y-%m-%d'} {behind}"
            cells = [f"{date} {clock}" for date, clock in zip(day.cells, column.cells, strict=True)]
            if (behind.count(":") == first.count(":")) and dates.reads_all(cells, whole):
                return column.name, behind
    return None


def _parts(columns: Mapping[str, Column], in_korea: bool) -> Observed | None:
    """Return the time from columns of year, month, day and so on."""
    by_name = {column.plain: column for column in columns.values()}
    found, forms = [], []
    for words, directive in _PARTS:
        column = next((by_name[word] for word in words if word in by_name), None)
        if column is None or not column.is_filled or not column.is_whole:
            break
        found.append(column)
        forms.append(directive)
    if len(found) < 3:
        return None
    form = " ".join(forms)
    texts = [
        " ".join(str(cell).strip() for cell in row)
        for row in zip(*(column.cells for column in found), strict=True)
    ]
    if not dates.reads_all(texts, form):
        return None
    zone = zone_of(found[0], in_korea)
    return Observed(columns=[column.name for column in found], format=form, zone=zone)

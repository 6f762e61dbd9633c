"""In which form a column writes its times, judged over all of its cells together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from itertools import pairwise

from madang.sense.files import cells

_DAYS = (
    "%Y/%m/%d", "%Y.%m.%d", "%Y. %m. %d", "%Y. %m. %d.", "%Y년 %m월 %d일", "%Y-%m-%d", "%Y%m%d",
    "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%d/%m/%y", "%m/%d/%y", "%d.%m.%y",
    "%y.%m.%d", "%d %b %Y", "%d-%b-%Y", "%d-%b-%y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y",
)  # fmt: skip
_TIMES = (
    "", " %H:%M:%S", " %H:%M", " %H", " %I:%M:%S %p", " %I:%M %p", " %p %I:%M:%S", " %p %I:%M",
    "T%H:%M:%S", "T%H:%M", " %H:%M:%S.%f", " %H시 %M분", " %H시", " %H.%M",
)  # fmt: skip
_COMPACT = ("%Y%m%d%H", "%Y%m%d%H%M", "%Y%m%d%H%M%S")
FORMS = ("", *_COMPACT, *(day + time for day in _DAYS for time in _TIMES))
"""All that are tried; the empty one is ISO 8601."""

_TWINS = {form: form.replace("%d", "#").replace("%m", "%d").replace("#", "%m") for form in FORMS}
"""The form that reads days as months and months as days."""

_LITERALS = {form: set(re.sub(r"%[A-Za-z]", "", form)) for form in FORMS}
"""The marks that a text of a form must have."""

_MOST_DIGITS = re.compile(r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:[0-2]\d|3[01])\d{0,6}")
_EARLIEST, _LATEST = datetime(1800, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
MOST_CELLS = 20_000  # different ones that are looked at


def guess(column: Iterable[object]) -> str | None:
    """Return the form of the times of a column, as in ``strptime``; None if it has others.

    Whether day or month comes first is told by any number over 12, else by which of both makes
    the times a run without jumps; else the day is first, as nearly everywhere.

    >>> guess(["10/03/2012 01:00:00 AM", "10/13/2012 02:00:00 PM"]), guess(["2026-01-31"])
    ('%m/%d/%Y %I:%M:%S %p', '')
    >>> guess(["2026013123", "2026013124"]), guess(["7", "8"])
    ('%Y%m%d%H', None)
    """
    texts = list(dict.fromkeys(str(cell).strip() for cell in column))[:MOST_CELLS]
    if not texts or not all(any(mark.isdigit() for mark in text) for text in texts):
        return None
    found = [form for form in _candidates(texts[0]) if reads_all(texts, form)]
    if not found:
        return None
    twin = _TWINS[found[0]]
    if twin != found[0] and twin in found:
        return min((found[0], twin), key=lambda form: (_travel(texts, form), "%d" not in form[:2]))
    return found[0]


def is_ambiguous(column: Iterable[object], form: str) -> bool:
    """Return whether day and month may be exchanged in every cell."""
    twin = _TWINS.get(form, form)
    return twin != form and reads_all([str(cell).strip() for cell in column], twin)


def _candidates(text: str) -> Sequence[str]:
    if text.isdigit():
        # Ten digits are a date and an hour, or seconds since 1970; as such, 2026... is in 2034.
        is_written = _MOST_DIGITS.fullmatch(text) is not None
        forms = [form for form in ("%Y%m%d", *_COMPACT) if len(text) == _digits(form)]
        return forms if is_written else [""] if len(text) in (10, 13) else []
    return [
        form
        for form in FORMS
        if all(mark in text for mark in _LITERALS[form]) and _moment(text, form) is not None
    ]


def _digits(form: str) -> int:
    return 4 + 2 * (form.count("%") - 1)


def reads_all(texts: Iterable[str], form: str) -> bool:
    """Return whether every text is a time of a form."""
    return all(_moment(text, form) is not None for text in texts)


@lru_cache(maxsize=65536)
def _moment(text: str, form: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(cells.instant(text, form, UTC))
    except ValueError:
        return None
    return moment if _EARLIEST <= moment < _LATEST else None


def _travel(texts: Sequence[str], form: str) -> float:
    """Return how far the times jump from cell to cell altogether. [s]"""
    moments = [moment for text in texts if (moment := _moment(text, form)) is not None]
    return sum(abs((after - before).total_seconds()) for before, after in pairwise(moments))

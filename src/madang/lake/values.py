"""Between the columns of a row and :class:`~madang.lake.questions.Instance`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from madang.lake.questions import Instance

EXACT = 2**53
COLUMNS = (
    "entity, type, attribute, dataset, kind, epoch_us(time), observed, number, text, json, unit,"
    " more, deleted, epoch_us(created), epoch_us(modified), seq, trace"
)
"""What :func:`instance_of` reads, as SQL."""


def value_of(number: float | None, text: str | None, json: str | None) -> Any:
    """Return a value as JSON gives it. Whole numbers come back as such, however they were sent."""
    if json is not None:
        return orjson.loads(json)
    if text is not None:
        return text
    if number is not None and number.is_integer() and abs(number) < EXACT:
        return int(number)
    return number


def instance_of(row: Sequence[Any]) -> Instance:
    """Return the instance that a row with :data:`COLUMNS` holds."""
    number, text, json, unit, more = row[7:12]
    value = value_of(number, text, json)
    rest = None if more is None else orjson.loads(more)
    return Instance._make((*row[:7], value, unit, rest, *row[12:]))


def types_of(text: str) -> tuple[str, ...]:
    """Return the entity types that a row's ``type`` names."""
    return tuple(text.split(" "))

"""The first rows of a table, seen as columns, for guessing what they are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from madang.sense.files import notation

NULLS = [
    "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "null", "NULL", "None", "-", "--", ":", "..", "...",
    "-9999", "-999.9", "결측", "점검중", "통신불량", "자료없음", "미측정",
]  # fmt: skip
_MARKS = re.compile(r"[^\w]+|_+")
_TOKENS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")
_CODE = re.compile(r"0\d")


def plain(name: str) -> str:
    """Return a name without what people write differently.

    >>> plain("Station_ID"), plain("측정 일시")
    ('stationid', '측정일시')
    """
    return _MARKS.sub("", name).casefold()


@dataclass
class Column:
    """One column of the sample."""

    name: str
    cells: list[Any]
    """Those that hold something, in their order."""
    is_filled: bool
    """Every row has it."""
    number: notation.Number
    """Reads numbers as the file writes them."""

    @cached_property
    def tokens(self) -> list[str]:
        return [token.casefold() for token in _TOKENS.findall(self.name)]

    @cached_property
    def plain(self) -> str:
        return plain(self.name)

    @cached_property
    def different(self) -> set[str]:
        return {str(cell).strip() for cell in self.cells}

    @property
    def is_text(self) -> bool:
        return all(isinstance(cell, str) for cell in self.cells)

    @property
    def is_dated(self) -> bool:
        return bool(self.cells) and all(isinstance(cell, date) for cell in self.cells)

    @property
    def is_unique(self) -> bool:
        return self.is_filled and len(self.different) == len(self.cells)

    @cached_property
    def numbers(self) -> list[float] | None:
        """Its numbers; None if it holds anything else, or codes such as 007."""
        if any(isinstance(cell, str) and _CODE.match(cell.strip()) for cell in self.cells):
            return None
        return self.read(self.number)

    @property
    def is_whole(self) -> bool:
        found = self.numbers
        return bool(found) and all(value == int(value) for value in found or [])

    def read(self, convert: Callable[[object], float]) -> list[float] | None:
        """Return all cells as numbers; None if one is none, or there are none."""
        try:
            found = [
                float(convert(cell)) for cell in self.cells if not isinstance(cell, (bool, list))
            ]
        except (ValueError, TypeError):
            return None
        return found if len(found) == len(self.cells) and found else None


def is_missing(cell: Any) -> bool:
    """Tell whether a cell says that there is no value."""
    if isinstance(cell, str):
        return cell.strip() in ("", *NULLS)
    return cell is None or cell != cell


def columns_of(
    names: Iterable[str], rows: Sequence[Mapping[str, Any]], separator: str
) -> tuple[dict[str, Column], notation.Notation]:
    """Return the columns of a sample by name, and how the file writes numbers."""
    cells = {name: [row[name] for row in rows if not is_missing(row.get(name))] for name in names}
    texts = [found for found in cells.values() if all(isinstance(cell, str) for cell in found)]
    marks = notation.guess(texts, separator)
    number = notation.reader(marks)
    return {
        name: Column(name, found, len(found) == len(rows) > 0, number)
        for name, found in cells.items()
    }, marks

"""How a file writes numbers: which mark begins the decimals, which groups the thousands."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple

from madang.sense.files import cells

if TYPE_CHECKING:
    import polars as pl

Number = Callable[[object], int | float]

_BLANKS = "   "  # also the narrow and the plain no-break space
_GROUPED = {
    mark: re.compile(rf"[+-]?\d{{1,3}}(?:{pattern}\d{{3}})+(?:{decimal}\d+)?")
    for mark, pattern, decimal in (
        (",", ",", r"\."),
        (".", r"\.", ","),
        (" ", f"[{_BLANKS}]", "[.,]"),
        ("'", "['’]", "[.,]"),
    )
}
_COMMA = re.compile(r"[+-]?\d*,\d+")
_COMMA_EXPONENT = re.compile(r"[+-]?\d+,\d+[eE][+-]?\d+")


class Notation(NamedTuple):
    """The two marks."""

    decimal: Literal[".", ","] = "."
    thousands: Literal["", ",", ".", " ", "'"] = ""
    """Empty: numbers are not grouped."""


PLAIN = Notation()


def reader(notation: Notation) -> Number:
    """Return what reads numbers that are written so.

    >>> reader(Notation(",", "."))("1.234,5"), reader(Notation(".", ","))("10,666,866")
    (1234.5, 10666866)
    """
    return cells.number if notation == PLAIN else _reader(notation)


@lru_cache(maxsize=16)
def _reader(notation: Notation) -> Number:
    decimal, mark = notation
    grouped = _GROUPED.get(mark)
    drop = str.maketrans("", "", {" ": _BLANKS, "'": "'’"}.get(mark, mark))

    def number(cell: object) -> int | float:
        if not isinstance(cell, str):
            return cells.number(cell)
        written = cell.strip()
        plain = written
        if grouped is not None and grouped.fullmatch(written):
            plain = written.translate(drop)
        if decimal == "," and (_COMMA.fullmatch(plain) or _COMMA_EXPONENT.fullmatch(plain)):
            plain = plain.replace(",", ".")
        try:
            return cells.number(plain)
        except ValueError:
            raise ValueError(f"{written!r} is no number") from None

    return number


def plainly(cells: pl.Series, decimal: str, thousands: str) -> pl.Series:
    """Return texts with their numbers written plainly; what is none stays as it is."""
    if thousands:
        marks = {" ": f"[{_BLANKS}]", "'": "['’]"}.get(thousands, re.escape(thousands))
        is_grouped = cells.str.contains(f"^(?:{_GROUPED[thousands].pattern})$")
        cells = cells.str.replace_all(marks, "").zip_with(is_grouped.fill_null(False), cells)
    if decimal == ",":
        is_comma = cells.str.contains(r"^[+-]?\d*,\d+(?:[eE][+-]?\d+)?$")
        plain = cells.str.replace(",", ".", literal=True)
        cells = plain.zip_with(is_comma.fill_null(False), cells)
    return cells


def guess(columns: Iterable[list[str]], separator: str) -> Notation:
    """Return how numbers are written, judged over all columns of a file together.

    Args:
        columns: the cells of each column that are not empty.
        separator: what separates cells: numbers with a decimal comma are rarely in files with
            commas between cells.

    >>> guess([["1,5", "2"], ["x"]], ";"), guess([["472,071"], ["10,666,866", "3"]], ",")
    (Notation(decimal=',', thousands=''), Notation(decimal='.', thousands=','))
    """
    scores: dict[Notation, int] = dict.fromkeys(_candidates(separator), 0)
    for column in columns:
        if not any(mark in cell for cell in column for mark in ",.'" + _BLANKS):
            continue
        for notation in scores:
            scores[notation] += _count(column, notation)
    best = max(scores.values())
    return next((one for one, score in scores.items() if score == best), PLAIN)


def _candidates(separator: str) -> list[Notation]:
    """Return what is possible, the likelier first, for those that explain the same cells."""
    commas = [Notation(","), Notation(",", "."), Notation(",", " ")]
    points = [Notation(".", ","), Notation(".", " "), Notation(".", "'"), Notation(",", "'")]
    return [PLAIN, *points, *commas] if separator == "," else [PLAIN, *commas, *points]


def _count(column: list[str], notation: Notation) -> int:
    """Return the length of a column if all of it can be read so, else 0."""
    read = reader(notation)
    for cell in column:
        if notation.decimal == "," and "." in cell and notation.thousands != ".":
            return 0
        try:
            read(cell)
        except ValueError:
            return 0
    return len(column)

"""Rows of cells, as people lay tables out, turned into records: what is the header, what a note.

Above a header there may be titles, below the table notes; a header may have two rows. The same
rules hold for CSV and for spreadsheets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Any, NamedTuple

LOOKED_AT = 50  # rows among which the header must be
MAX_COLUMNS = 16_384  # as many as a spreadsheet can have


class Record(NamedTuple):
    """A row of a file, or why it cannot be read."""

    row: int
    """As a person counts: in CSV the first line is row 1; elsewhere the first item is row 1."""
    values: dict[str, Any]
    """Empty if there is a problem, and for a note below a table."""
    problem: str = ""


class NoHeader(ValueError):
    """There is no table in it."""


Line = tuple[int, Sequence[Any]]
"""A row by its number."""


class Grid:
    """A table within rows of cells."""

    def __init__(self, lines: Iterator[Line], header: int | None = None) -> None:
        """Find the header.

        Args:
            lines: all rows, from the first.
            header: the number of the header's row, if it is known.

        Raises:
            NoHeader: there is none.
        """
        first = list(islice(lines, LOOKED_AT if header is None else header))
        place = _header_row(first) if header is None else _at(first, header)
        if place is None:
            raise NoHeader("has no header in its first line, or there is no table in it")
        rest = chain(first[place + 1 :], lines)
        self.header, names = first[place]
        second = next(rest, None)
        if second is not None and header is None and _continues(names, second[1]):
            names = [
                below if _filled(below) else above
                for above, below in zip(names, second[1], strict=True)
            ]
            self.header = second[0]
        elif second is not None:
            rest = chain([second], rest)
        if len(names) > MAX_COLUMNS:
            raise NoHeader(f"has {len(names)} columns; {MAX_COLUMNS:,} are allowed")
        self.names = _names(names)
        self.after_blank = False
        """Whether a blank row was read, behind which there may be notes."""
        self._rows = rest

    def records(self, lines: Iterable[Line] | None = None) -> Iterator[Record]:
        """Yield the rows below the header, or more lines behind them; blank ones are left out."""
        names, width = self.names, len(self.names)
        for row, cells in self._rows if lines is None else lines:
            if len(cells) == width and cells[0] not in ("", None) and not self.after_blank:
                yield Record(row, dict(zip(names, cells, strict=True)))
                continue
            filled = sum(map(_filled, cells))
            self.after_blank = self.after_blank or not filled
            if not filled:
                continue
            if self.after_blank and _is_note(cells):
                yield Record(row, {})
            elif len(cells) == width:
                yield Record(row, dict(zip(names, cells, strict=True)))
            else:
                yield Record(row, {}, f"has {len(cells)} cells where the header has {width}")


def _filled(cell: Any) -> bool:
    return cell is not None and not (isinstance(cell, str) and not cell.strip())


def _is_note(cells: Sequence[Any]) -> bool:
    """Tell what stands below a table behind a blank row: a few cells at its left."""
    return len(cells) >= 4 and sum(map(_filled, cells)) * 4 <= len(cells)


def _at(lines: Sequence[Line], header: int) -> int | None:
    found = [place for place, (row, _) in enumerate(lines) if row == header]
    return found[0] if found else None


def _header_row(lines: Sequence[Line]) -> int | None:
    """Return the place of the first row that is filled more than half as much as others are."""
    counts = [sum(map(_filled, cells)) for _, cells in lines]
    used = [count for count in counts if count]
    if not used:
        return None
    enough = sorted(used)[len(used) * 3 // 4] / 2  # a few rows may be notes, a few too wide
    return next(place for place, count in enumerate(counts) if count > enough)


def _continues(above: Sequence[Any], below: Sequence[Any]) -> bool:
    """Tell whether a row is the second of a header: it names what the first groups."""
    if len(above) != len(below):
        return False
    gaps = [place for place, cell in enumerate(above) if place and not _filled(cell)]
    is_text = all(isinstance(cell, str) or cell is None for cell in below)
    fills = gaps and all(_filled(below[place]) for place in gaps)
    leaves = any(_filled(a) and not _filled(b) for a, b in zip(above, below, strict=True))
    is_named = all(any(mark.isalpha() for mark in str(cell)) for cell in below if _filled(cell))
    return bool(is_text and fills and leaves and is_named)


def _names(written: Iterable[Any]) -> list[str]:
    """Give a name to columns without one and different names to columns of the same name."""
    found: dict[str, None] = {}
    for position, cell in enumerate(written, start=1):
        text = " ".join(str(cell).split()) if _filled(cell) else ""
        name = base = text or f"column_{position}"
        again = 2
        while name in found:
            name, again = f"{base}_{again}", again + 1
        found[name] = None
    return list(found)

"""Workbooks: Excel (``.xlsx``, ``.xlsm``, ``.xlsb``, ``.xls``) and OpenDocument (``.ods``)."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import IO, Any, NamedTuple

from python_calamine import (
    CalamineError,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
    ZipError,
)

from madang.sense.files.grid import Line

LARGEST = 200 * 1024 * 1024  # [bytes]
LARGEST_UNPACKED = 1024 * 1024 * 1024  # [bytes] sheets are held in memory as a whole


class BadWorkbook(ValueError):
    """It is no workbook that can be read."""


class Sheet(NamedTuple):
    """A sheet with something in it."""

    name: str
    rows: int
    columns: int


class Workbook:
    """An open workbook."""

    def __init__(self, stream: IO[bytes]) -> None:
        """Open it.

        Raises:
            BadWorkbook: it is none, is locked, or is too large.
        """
        stream.seek(0, 2)
        size = stream.tell()
        stream.seek(0)
        if size > LARGEST:
            raise BadWorkbook(f"has {size >> 20} MiB; workbooks may have {LARGEST >> 20}, use CSV")
        _check_unpacked(stream)
        try:
            self._book = CalamineWorkbook.from_filelike(stream)
        except PasswordError as error:
            raise BadWorkbook("is locked with a password; save it without one") from error
        except (CalamineError, ZipError, OSError) as error:
            raise BadWorkbook(f"is no workbook that can be read: {error}") from error

    def sheets(self) -> list[Sheet]:
        """Return the visible sheets that have rows, in their order."""
        found = []
        for one in self._book.sheets_metadata:
            if one.typ != SheetTypeEnum.WorkSheet or one.visible != SheetVisibleEnum.Visible:
                continue
            sheet = self._book.get_sheet_by_name(one.name)
            if sheet.height > 1:
                found.append(Sheet(one.name, sheet.height, sheet.width))
        return found

    def choose(self, wanted: str | None) -> str:
        """Return the name of the sheet to read: the wanted one, or the largest.

        Raises:
            BadWorkbook: there is none.
        """
        if wanted is not None:
            if wanted in self._book.sheet_names:
                return wanted
            known = ", ".join(self._book.sheet_names)
            raise BadWorkbook(f"has no sheet {wanted!r}; its sheets are {known}")
        sheets = self.sheets()
        if not sheets:
            raise BadWorkbook("has no sheet with a table in it")
        return max(sheets, key=lambda sheet: sheet.rows * sheet.columns).name

    def lines(self, name: str) -> Iterator[Line]:
        """Yield the rows of a sheet, numbered as the spreadsheet does."""
        sheet = self._book.get_sheet_by_name(name)
        first = (sheet.start or (0, 0))[0] + 1
        for row, cells in enumerate(sheet.to_python(skip_empty_area=True), start=first):
            yield row, [_cell(cell) for cell in cells]


def _cell(cell: Any) -> Any:
    """Return a cell as other files have them: whole numbers are whole, nothing is None."""
    if cell == "":
        return None
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 2**53:
        return int(cell)
    if isinstance(cell, (time, timedelta)):
        return _clock(cell)
    if isinstance(cell, datetime) and cell.microsecond:
        # Spreadsheets count in days, so that seconds come out a few microseconds off.
        return (cell + timedelta(microseconds=500)).replace(microsecond=0)
    return cell


def _clock(cell: time | timedelta) -> str:
    if isinstance(cell, time):
        return cell.isoformat(timespec="seconds")
    minutes, seconds = divmod(round(cell.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{seconds:02d}"


def _check_unpacked(stream: IO[bytes]) -> None:
    try:
        if zipfile.is_zipfile(stream):
            with zipfile.ZipFile(stream) as packed:
                size = sum(item.file_size for item in packed.infolist())
            if size > LARGEST_UNPACKED:
                raise BadWorkbook(f"unpacks to {size >> 20} MiB, which is too much; use CSV")
    except (zipfile.BadZipFile, ValueError) as error:
        if isinstance(error, BadWorkbook):
            raise
        raise BadWorkbook(f"is no workbook that can be read: {error}") from error
    finally:
        stream.seek(0)

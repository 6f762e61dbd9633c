"""Devices from a table with a row a device, CSV or a workbook, in whatever language it is."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, time
from typing import Any, Final, NamedTuple

from madang.model.errors import BadRequestData
from madang.sense.devices import form
from madang.sense.devices.form import KNOWN, NAME, Form
from madang.sense.files.encoding import guess_encoding
from madang.sense.files.separator import guess_separator
from madang.sense.files.sheets import BadWorkbook, Workbook

MOST_ROWS: Final = 50_000
_SAMPLE = 64 * 1024
_WORKBOOKS: Final = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""How xlsx and ods, and xls, begin."""
_HEADINGS: Final[dict[str, str]] = {
    **{name.lower(): name for name in KNOWN},
    "id": NAME, "deviceid": NAME, "장치": NAME, "장치명": NAME, "기기": NAME, "단말": NAME,
    "serial": "serialNumber", "serialno": "serialNumber", "deveui": "serialNumber",
    "시리얼": "serialNumber", "시리얼번호": "serialNumber", "일련번호": "serialNumber",
    "lon": "longitude", "lng": "longitude", "long": "longitude", "x": "longitude",
    "경도": "longitude",
    "lat": "latitude", "y": "latitude", "위도": "latitude",
    "title": "name", "이름": "name", "명칭": "name", "설치위치": "description",
    "설명": "description", "소유자": "owner", "관리기관": "owner", "제공기관": "provider",
    "state": "deviceState", "상태": "deviceState", "주기": "interval", "프로파일": "profile",
    "펌웨어": "firmwareVersion", "installed": "dateInstalled", "설치일": "dateInstalled",
    "설치일자": "dateInstalled", "calibrated": "dateLastCalibration",
    "교정일": "dateLastCalibration", "교정일자": "dateLastCalibration",
}  # fmt: skip
_MARKS = re.compile(r"[\s_\-./()]+")
_LISTS = frozenset(member for member, kind in form.MEMBERS.items() if kind == "texts")


_Line = tuple[int, list[str]]


class Row(NamedTuple):
    """One row: the device that it describes, or what is wrong."""

    number: int
    """As a spreadsheet counts: the headings are row 1."""
    form: Form | None
    problem: str = ""


def rows(
    content: bytes, columns: Mapping[str, str] | None = None, given: Mapping[str, Any] | None = None
) -> Iterator[Row]:
    """Yield the rows of a table.

    Args:
        content: CSV, of which encoding and separator are guessed, or a workbook, of which the
            largest sheet is read.
        columns: the heading of the column of each member, where the table calls it otherwise.
        given: members that all rows have alike, unless the row says otherwise.

    Raises:
        BadRequestData: it is no table, or a column is not there or not known.
    """
    lines = _sheet(content) if content.startswith(_WORKBOOKS) else _csv(content)
    first = next(lines, None)
    if first is None:
        raise BadRequestData("the table is empty; expected headings and a row a device")
    members = _members([heading.strip() for heading in first[1]], columns or {})
    for count, (number, cells) in enumerate(lines, 1):
        if count > MOST_ROWS:
            raise BadRequestData(f"a table may have {MOST_ROWS:,} rows; cut it in parts")
        if any(cell.strip() for cell in cells):
            yield _row(number, members, cells, given or {})


def _csv(content: bytes) -> Iterator[_Line]:
    text = _text(content)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=guess_separator(text[:_SAMPLE]))
    try:
        yield from enumerate(lines, 1)
    except csv.Error as error:
        raise BadRequestData(f"the table cannot be read: {error}") from None


def _sheet(content: bytes) -> Iterator[_Line]:
    try:
        book = Workbook(io.BytesIO(content))
        for number, cells in book.lines(book.choose(None)):
            yield number, [_cell(cell) for cell in cells]
    except BadWorkbook as error:
        raise BadRequestData(f"the table {error}") from None


def _cell(value: Any) -> str:
    """Return a cell of a workbook as it would stand in CSV."""
    if value is None:
        return ""
    if isinstance(value, datetime) and value.time() == time.min:
        value = value.date()
    return value.isoformat() if isinstance(value, date) else str(value)


def _text(content: bytes) -> str:
    encoding = guess_encoding(content[:_SAMPLE])
    try:
        return content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise BadRequestData(
            f"the table cannot be read as {encoding}: {error.reason}; save it as UTF-8"
        ) from None


def _members(headings: list[str], columns: Mapping[str, str]) -> dict[int, str]:
    """Return which member each column holds; columns of which nobody knows are left out."""
    found: dict[int, str] = {}
    for member, heading in columns.items():
        if member not in KNOWN:
            raise BadRequestData(f"a device has no {member[:60]!r}; there are {', '.join(KNOWN)}")
        if heading not in headings:
            raise BadRequestData(
                f"the table has no column {heading[:60]!r}; it has {', '.join(headings)[:500]}"
            )
        found[headings.index(heading)] = member
    for place, heading in enumerate(headings):
        member = _HEADINGS.get(_MARKS.sub("", heading).lower(), "")
        if member and place not in found and member not in found.values():
            found[place] = member
    if not {NAME, "serialNumber"} & set(found.values()):
        raise BadRequestData(
            f"no column holds the name or serial number of a device; the table has"
            f" {', '.join(headings)[:500]}; say which with serialNumber=HEADING"
        )
    return found


def _row(number: int, members: dict[int, str], cells: list[str], given: Mapping[str, Any]) -> Row:
    body: dict[str, Any] = dict(given)
    for place, member in members.items():
        cell = cells[place].strip() if place < len(cells) else ""
        if cell:
            body[member] = re.split(r"\s*;\s*", cell) if member in _LISTS else cell
    try:
        return Row(number, form.read(body, is_new=True))
    except BadRequestData as error:
        return Row(number, None, error.detail)

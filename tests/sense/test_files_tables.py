"""Tables as people lay them out: titles, two headers, notes; workbooks, zips; whole blocks."""

from __future__ import annotations

import csv
import io
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import xlsxwriter  # type: ignore[import-untyped]
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from madang.sense.files import tables as block_tables
from madang.sense.files.entities import EntityReader, Failure, Loadable
from madang.sense.files.look import look_at
from madang.sense.files.mapping import ROW, Reading
from madang.sense.files.source import FileError, open_source
from madang.sense.files.tables import tables


def records(path: Path, reading: Reading | None = None) -> list[tuple[int, dict[str, Any]]]:
    with open_source(path, reading) as source:
        return [(one.row, one.values) for one in source.records() if one.values]


def workbook(path: Path, **sheets: list[list[Any]]) -> Path:
    book = xlsxwriter.Workbook(str(path), {"default_date_format": "yyyy-mm-dd hh:mm"})
    for name, rows in sheets.items():
        sheet = book.add_worksheet(name)
        for row, cells in enumerate(rows):
            for column, cell in enumerate(cells):
                if isinstance(cell, datetime):
                    sheet.write_datetime(row, column, cell)
                elif cell is not None:
                    sheet.write(row, column, cell)
    book.close()
    return path


def test_titles_above_and_notes_below_a_table_are_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(
        "Population [urb],,,\n,,,\nLast update,21.06.18,,\nCITY,2015,2016,2017\n"
        'Gent,"1,5",:,3\nBrugge,1,2,3\n,,,\nSpecial value:,,,\n:,,,\n'
    )
    assert records(path) == [
        (5, {"CITY": "Gent", "2015": "1,5", "2016": ":", "2017": "3"}),
        (6, {"CITY": "Brugge", "2015": "1", "2016": "2", "2017": "3"}),
    ]


def test_a_header_of_two_rows_takes_the_names_below_the_groups(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("번호,측정소,대기질,,\n,,PM10,PM2.5,O3\n1,종로,31,12,0.03\n")
    assert records(path) == [
        (3, {"번호": "1", "측정소": "종로", "PM10": "31", "PM2.5": "12", "O3": "0.03"})
    ]


def test_a_mapping_may_say_where_the_header_is(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("x,y\nk,n\na,1\n")
    assert records(path, Reading(header=2)) == [(3, {"k": "a", "n": "1"})]


def test_the_largest_sheet_is_read_unless_one_is_named(tmp_path: Path) -> None:
    path = workbook(
        tmp_path / "a.xlsx",
        표지=[["2026년 공영주차장"], ["담당", "교통과"]],
        자료=[["현황"], [], ["관리번호", "총주차면수", "등록일시"]]
        + [[n, n * 10, datetime(2026, 1, n + 1, 9, 30)] for n in range(1, 6)],
    )
    found = records(path)
    assert [row for row, _ in found] == [4, 5, 6, 7, 8]
    assert found[0][1] == {"관리번호": 1, "총주차면수": 10, "등록일시": datetime(2026, 1, 2, 9, 30)}
    assert records(path, Reading(sheet="표지", header=1)) == [
        (2, {"2026년 공영주차장": "담당", "column_2": "교통과"})
    ]
    with pytest.raises(FileError, match="no sheet 'x'; its sheets are 표지, 자료"):
        records(path, Reading(sheet="x"))


def test_a_workbook_becomes_entities_like_any_table(tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        ["측정소", "측정일시", "온도(℃)"],
        ["종로", datetime(2026, 1, 1, 9), 21.5],
    ]
    with open_source(workbook(tmp_path / "a.xlsx", s=rows)) as source:
        (made,) = [item for item in EntityReader(source, None, None) if isinstance(item, Loadable)]
    assert b'"value":21.5,"unitCode":"CEL","observedAt":"2026-01-01T00:00:00Z"' in made.body


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.xlsx", b"PK\x03\x04 not really", "no workbook"),
        ("a.xls", b"<html><table>", "web page"),
        ("a.zip", b"PK not really", "no zip"),
        ("a.csv", b"\n\n", "no header"),
    ],
)
def test_what_is_not_what_it_calls_itself_is_told(
    tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FileError, match=reason):
        records(path)


def test_text_that_calls_itself_a_workbook_is_read_as_text(tmp_path: Path) -> None:
    path = tmp_path / "a.xls"
    path.write_bytes("시리얼\t위도\nV1\t37.5\n".encode("cp949"))
    assert records(path) == [(2, {"시리얼": "V1", "위도": "37.5"})]


@pytest.mark.parametrize("inner", ["data/a.csv", "b.xlsx"])
def test_a_zip_with_one_table_is_read(tmp_path: Path, inner: str) -> None:
    path = tmp_path / "a.zip"
    book = workbook(tmp_path / "b.xlsx", s=[["k", "n"], ["a", 1]]).read_bytes()
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("readme.txt", "read me")
        packed.writestr("__MACOSX/._a.csv", "")
        packed.writestr(inner, book if inner.endswith("xlsx") else "k,n\na,1\n")
    assert [{k: str(v) for k, v in row.items()} for _, row in records(path)] == [
        {"k": "a", "n": "1"}
    ]


def test_a_zip_with_several_tables_is_refused_by_their_names(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("stops.csv", "a")
        packed.writestr("trips.csv", "b")
    with pytest.raises(FileError, match=r"2 tables in it: stops\.csv, trips\.csv"):
        open_source(path)


# --- whole blocks ------------------------------------------------------------------------------

CELL = st.text(st.sampled_from('ab가é 1.,;"\n'), max_size=6)
ROWS_ = st.lists(st.lists(CELL, min_size=3, max_size=3), min_size=1, max_size=40)


def by_blocks(path: Path, monkey: pytest.MonkeyPatch) -> tuple[list[dict[str, Any]], list[Failure]]:
    """Read a file in tiny blocks, so that they end anywhere."""
    monkey.setattr(block_tables, "BLOCK", 64)
    monkey.setattr(block_tables, "_HEAD", 32)
    failures: list[Failure] = []
    with open_source(path) as source:
        found = [row for table in tables(source, failures.append) for row in table.rows(named=True)]
    return found, failures


def blank_as_none(values: dict[str, Any]) -> dict[str, Any]:
    return {name: cell or None for name, cell in values.items()}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150)
@given(ROWS_, st.sampled_from(["\n", "\r\n"]))
def test_blocks_give_the_same_rows_as_reading_one_by_one(
    tmp_path: Path, rows: list[list[str]], end: str
) -> None:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator=end)
    writer.writerows([["k", "n", "m"], *([f"x{n}", *row[1:]] for n, row in enumerate(rows))])
    path = tmp_path / "a.csv"
    path.write_bytes(stream.getvalue().encode())
    with pytest.MonkeyPatch.context() as monkey:
        found, failures = by_blocks(path, monkey)
    expected = [{ROW: row, **blank_as_none(values)} for row, values in records(path)]
    assert [blank_as_none(row) for row in found] == [
        {**{k: v for k, v in one.items() if k != ROW}, ROW: one[ROW]} for one in expected
    ]
    assert not failures


def test_rows_of_another_width_are_told_wherever_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.csv"
    lines = [f"{n},{n}" for n in range(200)]
    lines[50], lines[120], lines[180] = "50", "120,1,2", ""
    path.write_text("k,n\n" + "\n".join(lines) + "\n")
    found, failures = by_blocks(path, monkeypatch)
    assert [(one.row, one.reason) for one in failures] == [
        (52, "has 1 cells where the header has 2"),
        (122, "has 3 cells where the header has 2"),
    ]
    assert len(found) == 197
    assert all(row[ROW] == int(row["k"]) + 2 for row in found)


def test_korean_blocks_are_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.csv"
    lines = "".join(f"측정소{n},{n}\n" for n in range(100))
    path.write_bytes(f"이름,값\n{lines}".encode("cp949"))
    found, failures = by_blocks(path, monkeypatch)
    assert [row["이름"] for row in found] == [f"측정소{n}" for n in range(100)]
    assert not failures


def test_a_look_shows_how_a_file_is_written(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes("Titel\n\nOrt;Wärme\nA;1,5\nB;2,5\n".encode("cp1252"))
    look = look_at(path)
    assert look is not None
    assert (look.seen.encoding, look.seen.separator, look.seen.header) == ("cp1252", ";", 3)
    assert look.guess().read.decimal == ","


def test_parquet_is_read_in_tables(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pl.DataFrame({"a": [1, 2]}).write_parquet(path)
    with open_source(path) as source:
        assert [table.rows() for table in tables(source, lambda _: None)] == [[(1, 1), (2, 2)]]

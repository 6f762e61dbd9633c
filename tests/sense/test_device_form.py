"""Devices as people write them: JSON objects and rows of tables."""

from __future__ import annotations

import io
from datetime import datetime
from typing import Any

import pytest
import xlsxwriter  # type: ignore[import-untyped]
from hypothesis import given
from hypothesis import strategies as st

from madang.model.errors import BadRequestData
from madang.sense.devices import form, table
from tests.recorded import DATA, needs

NODES = "iot/sdot_seoul/sensor_longitude_latitude.csv"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, "device is missing"),
        ({"device": "a/b"}, "the name of a device is"),
        ({"device": "import"}, "cannot be called import"),
        ({"device": "a", "serial": 1}, "did you mean 'serialNumber'"),
        ({"device": "a", "interval": -1}, "interval must be more than 0"),
        ({"device": "a", "interval": "x"}, "interval must be a number"),
        ({"device": "a", "longitude": 1}, "go together"),
        ({"device": "a", "longitude": 37, "latitude": 127}, "no place on Earth"),
        ({"device": "a", "longitude": True, "latitude": 1}, "longitude must be a number"),
        ({"device": "a", "deviceState": "broken"}, "planned, active, maintenance, retired"),
        ({"device": "a", "dateInstalled": "31.1.2026"}, "a day such as 2026-01-31"),
        ({"device": "a", "owner": ""}, "owner must be a text"),
        ({"device": "a", "owner": "x\u202e"}, "cannot be shown"),
        ({"device": "a", "alias": ["x"] * 17}, "16 are the most"),
        ({"device": "a", "refDeviceModel": "m"}, "must be a URI"),
    ],
)
def test_what_is_wrong_is_said_by_member(body: dict[str, Any], told: str) -> None:
    with pytest.raises(BadRequestData) as refused:
        form.read(body, is_new=True)
    assert told in refused.value.detail


def test_a_member_that_is_null_is_removed() -> None:
    found = form.read({"owner": None, "longitude": None, "latitude": None}, is_new=False)
    assert found == form.Form("", {}, ("owner", "location"))


def test_columns_are_known_by_their_headings_in_english_and_korean() -> None:
    content = "시리얼;위도;경도;설치일;x1\nV 1;37,5;127;2026-01-31;-\nV2;37.5;127.1;;\n".encode(
        "cp949"
    )
    first, second = table.rows(content)
    assert first.problem.startswith("latitude must be a number")
    assert second.form is not None
    assert second.form.name == "V2"
    assert second.form.attributes["location"]["value"]["coordinates"] == [127.1, 37.5]


def test_a_column_can_be_named_and_all_rows_can_be_given_a_member() -> None:
    content = b"Knoten,Etiketten\nk1,a; b\n"
    columns = {"device": "Knoten", "alias": "Etiketten"}
    (row,) = table.rows(content, columns, {"owner": "Bonn"})
    assert row.form is not None
    assert row.form.attributes["alias"]["value"] == ["a", "b"]
    assert row.form.attributes["owner"]["value"] == ["Bonn"]


def test_a_workbook_is_read_as_the_same_table_in_csv_is() -> None:
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet()
        day = book.add_format({"num_format": "yyyy-mm-dd"})
        sheet.write_row(0, 0, ["시리얼", "위도", "경도", "설치일"])
        sheet.write_row(1, 0, ["V1", 37.5, 127])
        sheet.write_datetime(1, 3, datetime(2026, 1, 31), day)
        sheet.write_row(3, 0, ["V2", 99, 127])
    csv = "시리얼,위도,경도,설치일\nV1,37.5,127,2026-01-31\n\nV2,99,127,\n"
    assert list(table.rows(file.getvalue())) == list(table.rows(csv.encode()))


def test_a_workbook_that_is_none_is_refused() -> None:
    with pytest.raises(BadRequestData, match="the table is no workbook that can be read"):
        list(table.rows(b"PK\x03\x04 and no more"))


@pytest.mark.parametrize(
    ("content", "columns", "told"),
    [
        (b"", {}, "the table is empty"),
        (b"a,b\n1,2\n", {}, "no column holds the name or serial number"),
        (b"a,b\n1,2\n", {"device": "c"}, "has no column 'c'; it has a, b"),
        (b"a,b\n1,2\n", {"devise": "a"}, "a device has no 'devise'"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(
    content: bytes, columns: dict[str, str], told: str
) -> None:
    with pytest.raises(BadRequestData) as refused:
        list(table.rows(content, columns))
    assert told in refused.value.detail


@needs(NODES)
def test_the_node_table_of_seoul_needs_no_mapping() -> None:
    rows = list(table.rows((DATA / NODES).read_bytes(), given={"profile": "sdot-seoul"}))
    assert len(rows) == 851
    assert all(row.form is not None and "location" in row.form.attributes for row in rows)


@given(st.dictionaries(st.sampled_from(form.KNOWN), st.text(max_size=20) | st.floats(), max_size=6))
def test_anything_is_a_device_or_is_refused(body: dict[str, Any]) -> None:
    try:
        found = form.read(body, is_new=True)
    except BadRequestData:
        return
    assert found.name

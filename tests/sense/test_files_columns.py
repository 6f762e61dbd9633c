"""By columns or by rows, a mapping makes the same of a table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import polars
import pytest

from madang.model.time import render
from madang.sense.files.columns import ColumnMapper
from madang.sense.files.entities import Failure
from madang.sense.files.mapping import ROW, MappingError, parse
from madang.sense.files.rows import RowError, RowMapper

MAPPING = """
[read]
null = ["NA", "-"]
[observed]
columns = ["day", "hour"]
format = "%Y-%m-%d %H"
zone = "Asia/Seoul"
[location]
longitude = "lon"
latitude = "lat"
[[skip]]
columns = ["ok"]
equals = ["no"]
[[entity]]
id = "urn:s:{city}:{name}"
type = "Station"
[entity.attributes]
title = { column = "name", observed = false }
heat = { column = "f", unit = "CEL", scale = 0.5, offset = -10.0 }
level = { column = "level", kind = "number" }
state = { column = "state", words = { A = "open", B = "shut" } }
wet = { column = "wet", kind = "boolean" }
near = { type = "Relationship", template = "urn:city:{city}" }
count = { column = "n", kind = "integer" }
note = { column = "note" }
[[entity]]
id = "urn:city:{city}"
type = ["City", "Place"]
skip = [{ columns = ["level"], above = 90.0 }]
[entity.attributes]
level = { column = "level", unit = "MTR" }
"""
ROWS = [
    ["Seoul", "Han g", "2026-01-01", "00", "127", "37.5", "yes", "50", "1.5", "A", "1", "3", "x"],
    ["Seoul", "Han g", "2026-01-01", "01", "127", "37.5", "yes", "51", "NA", "B", "0", "4", ""],
    ["Seoul", "Han g", "2026-01-01", "02", "127", "37.6", "yes", " 52 ", "1e1", "A", "y", "5", "-"],
    ["Seoul", "Han g", "2026-01-01", "03", "127", "37.6", "no", "bad", "1", "A", "1", "6", "x"],
    ["Busan", "강", "2026-01-01", "00", "129", "35.1", "yes", "+7", "95", "B", "n", "7.0", "y"],
    ["Busan", "강", "2026-01-01", "01", "129", "35.1", "yes", "hot", "2", "B", "n", "7", "y"],
    ["Busan", "강", "2026-01-01", "02", "129", "35.1", "yes", "7", "2", "C", "n", "7", "y"],
    ["Busan", "강", "soon", "02", "129", "35.1", "yes", "7", "2", "A", "n", "7", "y"],
    ["", "강", "2026-01-02", "02", "129", "35.1", "yes", "7", "2", "A", "n", "7", "y"],
]  # fmt: skip
NAMES = [
    "city",
    "name",
    "day",
    "hour",
    "lon",
    "lat",
    "ok",
    "f",
    "level",
    "state",
    "wet",
    "n",
    "note",
]


def table() -> polars.DataFrame:
    columns: dict[str, Any] = dict(zip(NAMES, zip(*ROWS, strict=True), strict=True))
    numbers = polars.Series(ROW, range(2, 2 + len(ROWS)), polars.Int64)
    return polars.DataFrame(columns).with_columns(numbers)


def by_rows() -> tuple[set[tuple[Any, ...]], set[int]]:
    """Return the observed instances that rows make, and the numbers of bad rows."""
    mapper = RowMapper(parse(MAPPING, "test"))
    found, bad = set(), set()
    for number, cells in enumerate(ROWS, start=2):
        try:
            entities = mapper.entities({**dict(zip(NAMES, cells, strict=True)), ROW: number})
        except RowError:
            bad.add(number)
            continue
        for entity in entities:
            for name, attribute in entity.items():
                if isinstance(attribute, dict) and "observedAt" in attribute:
                    value = attribute.get("value", attribute.get("object"))
                    value = float(value) if type(value) is int else value
                    when = attribute["observedAt"]
                    found.add((entity["id"], name, when, value, attribute.get("unitCode")))
    return found, bad


def by_columns() -> tuple[polars.DataFrame, set[int]]:
    failures: list[Failure] = []
    frame = ColumnMapper(parse(MAPPING, "test"), failures.append).instances(table())
    return frame, {failure.row for failure in failures}


def value(row: dict[str, Any]) -> Any:
    if row["json"] is not None:
        return orjson.loads(row["json"])
    return row["text"] if row["number"] is None else row["number"]


def test_columns_make_the_observed_instances_that_rows_make() -> None:
    expected, _ = by_rows()
    frame, _ = by_columns()
    rows = frame.filter(polars.col("observed")).with_columns(polars.col("time").dt.timestamp("us"))
    found = [
        (row["entity"], row["attribute"], render(row["time"]), value(row), row["unit"])
        for row in rows.iter_rows(named=True)
    ]
    assert sorted(map(repr, found)) == sorted(map(repr, expected))


def test_columns_tell_of_the_rows_that_rows_tell_of() -> None:
    _, expected = by_rows()
    _, found = by_columns()
    assert found == expected


def test_places_are_recorded_where_they_differ_from_the_row_before() -> None:
    frame, _ = by_columns()
    places = frame.filter(
        (polars.col("attribute") == "location") & (polars.col("type") == "Station")
    ).sort("entity", "time")
    assert places["latitude"].to_list() == [35.1, 37.5, 37.6]


def test_a_mapping_without_times_is_refused() -> None:
    timeless = parse('[[entity]]\nid = "urn:x:{a}"\ntype = "X"\n', "test")
    with pytest.raises(MappingError, match="history needs times"):
        ColumnMapper(timeless, lambda _: None)


EUROPEAN = """
[read]
decimal = ","
thousands = "."
[observed]
columns = "at"
format = "%d.%m.%Y %H:%M"
zone = "Europe/Berlin"
[[entity]]
id = "urn:s:{k}"
type = "Meter"
[entity.attributes]
level = { column = "n", unit = "MTR" }
"""


def test_decimal_commas_and_odd_times_are_the_same_by_columns_and_by_rows() -> None:
    cells = ["1.234,5", "7,25", "-0,5", "3", "1.5", "1,5e3", "x"]
    times = ["31.01.2026 10:00", "31.01.2026 24:00", "29.03.2026 02:30", "25.10.2026 02:30"]
    rows = [(f"m{n}", times[n % 4], cell) for n, cell in enumerate(cells)]
    mapping = parse(EUROPEAN, "m")
    mapper = RowMapper(mapping)
    expected, bad = {}, []
    for number, row in enumerate(rows, start=2):
        try:
            (entity,) = mapper.entities(dict(zip(("k", "at", "n"), row, strict=True)))
        except RowError:
            bad.append(number)
        else:
            expected[entity["id"]] = (entity["level"]["observedAt"], entity["level"]["value"])
    failures: list[Failure] = []
    table = polars.DataFrame(rows, schema=["k", "at", "n"], orient="row").with_row_index(ROW, 2)
    table = table.with_columns(polars.col(ROW).cast(polars.Int64))
    made = ColumnMapper(mapping, failures.append).instances(table)
    found = {row["entity"]: (_written(row["time"]), row["number"]) for row in made.rows(named=True)}
    assert found == expected
    assert [failure.row for failure in failures] == bad == [8]


def _written(moment: datetime) -> str:
    return render(round(moment.replace(tzinfo=UTC).timestamp()) * 1_000_000)

"""Rows turned into entities by a mapping."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.model.names import is_uri
from madang.sense.files.mapping import parse
from madang.sense.files.rows import RowError, RowMapper

HEAD = '[[entity]]\nid = "urn:ngsi-ld:T:{id}"\ntype = "T"\n[entity.attributes]\n'


def entity(attributes: str, before: str = "", **row: Any) -> dict[str, Any]:
    """Return the one entity that a row makes."""
    (found,) = RowMapper(parse(f"{before}\n{HEAD}{attributes}", "m")).entities({"id": "1", **row})
    return found


def problems(attributes: str, before: str = "", **row: Any) -> list[tuple[str, str]]:
    """Return what is wrong with a row."""
    with pytest.raises(RowError) as caught:
        entity(attributes, before, **row)
    return [(problem.column, problem.reason) for problem in caught.value.problems]


def test_a_column_becomes_a_property_with_unit_and_time() -> None:
    found = entity(
        'pm25 = { column = "p", unit = "GQ" }',
        '[observed]\ncolumns = ["y", "m", "d", "h"]\nformat = "%Y %m %d %H"\nzone = "+08:00"',
        p="7.5", y="2013", m="3", d="1", h="0",
    )  # fmt: skip
    assert found == {
        "id": "urn:ngsi-ld:T:1",
        "type": "T",
        "pm25": {
            "type": "Property",
            "value": 7.5,
            "unitCode": "GQ",
            "observedAt": "2013-02-28T16:00:00Z",
        },
    }


@pytest.mark.parametrize("cell", ["", " ", "NA", None, float("nan")])
def test_an_empty_cell_leaves_its_attribute_out(cell: object) -> None:
    found = entity('x = { column = "x", unit = "CEL" }', '[read]\nnull = ["NA"]', x=cell)
    assert found == {"id": "urn:ngsi-ld:T:1", "type": "T"}


@pytest.mark.parametrize(
    ("attribute", "cell", "expected"),
    [
        ('{ column = "x" }', "007", {"type": "Property", "value": "007"}),
        ('{ column = "x", kind = "number" }', "7", {"type": "Property", "value": 7}),
        ('{ column = "x", scale = 0.1, offset = -100 }', 1283, {"type": "Property", "value": 28.3}),
        ('{ column = "x", scale = 0.1 }', "3", {"type": "Property", "value": 0.3}),
        ('{ column = "x", kind = "boolean" }', "yes", {"type": "Property", "value": True}),
        ('{ column = "x", kind = "json" }', "[1, 2]", {"type": "Property", "value": [1, 2]}),
        ('{ column = "x", words = { a = 1, b = "c" } }', "b", {"type": "Property", "value": "c"}),
        (
            '{ column = "x", kind = "datetime", zone = "Asia/Seoul" }',
            "2025-01-01 09:00",
            {"type": "Property", "value": "2025-01-01T00:00:00Z"},
        ),
        (
            '{ type = "Relationship", template = "urn:y:{x}" }',
            "a b",
            {"type": "Relationship", "object": "urn:y:a%20b"},
        ),
        (
            '{ type = "LanguageProperty", language = "ko", column = "x" }',
            "서울",
            {"type": "LanguageProperty", "languageMap": {"ko": "서울"}},
        ),
        (
            '{ type = "VocabProperty", column = "x" }',
            "ok",
            {"type": "VocabProperty", "vocab": "ok"},
        ),
        (
            '{ type = "JsonProperty", column = "x" }',
            '{"a": 1}',
            {"type": "JsonProperty", "json": {"a": 1}},
        ),
        (
            '{ type = "GeoProperty", column = "x" }',
            '{"type": "Point", "coordinates": [1, 2]}',
            {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [1, 2]}},
        ),
        ('{ value = ["a"] }', "", {"type": "Property", "value": ["a"]}),
        ('{ template = "{x}!" }', "a", {"type": "Property", "value": "a!"}),
        (
            '{ members = { street = "{x}", city = "{none}" } }',
            "s",
            {"type": "Property", "value": {"street": "s"}},
        ),
    ],
)
def test_attributes_of_every_sort(attribute: str, cell: object, expected: object) -> None:
    assert entity(f"a = {attribute}", x=cell)["a"] == expected


def test_constants_and_what_is_not_observed_carry_no_time() -> None:
    found = entity(
        'a = { value = 1 }\nb = { column = "x", observed = false }\nc = { column = "x" }\n'
        "d = { value = 1, observed = true }",
        '[observed]\nvalue = "2025-01-01T00:00:00Z"',
        x="1",
    )
    assert [name for name in "abcd" if "observedAt" in found[name]] == ["c", "d"]


@pytest.mark.parametrize(
    ("attribute", "cell", "complaint"),
    [
        ('{ column = "x", unit = "CEL" }', "warm", "'warm' is no number"),
        ('{ column = "x", words = { a = 1 } }', "z", "'z' is none of the words a"),
        ('{ column = "x", kind = "datetime" }', "soon", "'soon' is no time"),
        ('{ type = "GeoProperty", column = "x" }', '{"type": "Ball"}', "no GeoJSON geometry"),
        ('{ type = "GeoProperty", column = "x" }', "[]", "no GeoJSON geometry"),
    ],
)
def test_a_bad_cell_is_told_with_its_column(attribute: str, cell: str, complaint: str) -> None:
    ((column, reason),) = problems(f"a = {attribute}", x=cell)
    assert column == "x"
    assert complaint in reason


def test_all_bad_cells_of_a_row_are_told_at_once() -> None:
    attributes = 'a = { column = "x", unit = "CEL" }\nb = { column = "y", unit = "CEL" }'
    assert [column for column, _ in problems(attributes, x="p", y="q")] == ["x", "y"]


def test_a_row_without_its_id_or_its_time_is_an_error() -> None:
    assert problems("", id="")[0] == ("id", "is empty, but the entity's id needs it")
    ((column, reason),) = problems("", '[observed]\ncolumns = "t"', t="")
    assert column == "t"
    assert "is empty" in reason


def test_location_from_two_columns() -> None:
    where = '[location]\nlongitude = "lon"\nlatitude = "lat"'
    found = entity("", where, lon="126.98", lat="37.57")
    assert found["location"] == {
        "type": "GeoProperty",
        "value": {"type": "Point", "coordinates": [126.98, 37.57]},
    }
    assert "location" not in entity("", where, lon="", lat="")


def test_exchanged_longitude_and_latitude_are_suspected() -> None:
    where = '[location]\nlongitude = "lon"\nlatitude = "lat"'
    ((column, reason),) = problems("", where, lon="37.57", lat="126.98")
    assert column == "lat"
    assert "exchanged" in reason
    assert problems("", where, lon="1", lat="")[0] == ("lat", "is empty, the other is not")


def test_location_from_a_table_of_places() -> None:
    where = '[location]\ncolumn = "s"\nplaces = { A = [1, 2] }'
    assert entity("", where, s="A")["location"]["value"]["coordinates"] == [1, 2]
    assert "none of the places A" in problems("", where, s="B")[0][1]


def test_a_geometry_in_metres_is_refused() -> None:
    where = '[location]\ngeometry = "geometry"'
    place = {"type": "Polygon", "coordinates": [[[953900, 1952000], [953901, 1952000]]]}
    assert "WGS 84" in problems("", where, geometry=place)[0][1]


@pytest.mark.parametrize(
    ("rule", "row", "skipped"),
    [
        ('columns = ["x", "y"]\nequals = 0', {"x": "0.0", "y": "0"}, True),
        ('columns = ["x", "y"]\nequals = 0', {"x": "0.0", "y": "1"}, False),
        ('columns = "x"\nequals = ["a", "b"]', {"x": "b"}, True),
        ('columns = "x"\nbelow = 0', {"x": "-1"}, True),
        ('columns = "x"\nbelow = 0', {"x": "0"}, False),
        ('columns = "x"\nabove = 10', {"x": "11"}, True),
        ('columns = "x"\nabove = 10', {"x": "many"}, False),
        ('columns = "x"\nempty = true', {"x": ""}, True),
        ('columns = "x"\nbelow = 0', {"x": ""}, False),
    ],
)
def test_rows_are_skipped_as_told(rule: str, row: dict[str, str], skipped: bool) -> None:
    mapper = RowMapper(parse(f"[[skip]]\n{rule}\n{HEAD}", "m"))
    assert (mapper.entities({"id": "1", **row}) == []) is skipped


def test_one_row_can_make_several_entities_and_leave_some_out() -> None:
    content = """
    [attributes]
    shared = { column = "s" }
    [[entity]]
    id = "urn:a:{id}"
    type = "A"
    skip = [{ columns = "x", empty = true }]
    [[entity]]
    id = "urn:b:{id}"
    type = ["B", "C"]
    """
    mapper = RowMapper(parse(content, "m"))
    both = mapper.entities({"id": "1", "s": "v", "x": "1"})
    assert [(found["id"], found["shared"]["value"]) for found in both] == [
        ("urn:a:1", "v"),
        ("urn:b:1", "v"),
    ]
    assert [found["type"] for found in mapper.entities({"id": "1", "s": "v", "x": ""})] == [
        ["B", "C"]
    ]


def test_nothing_in_a_template_is_evaluated() -> None:
    found = entity('a = { template = "{x.__class__}{x!r}" }', **{"x.__class__": "p", "x!r": "q"})
    assert found["a"]["value"] == "pq"


@given(st.text(min_size=1, max_size=20))
def test_whatever_a_cell_holds_the_id_is_a_uri_or_the_row_an_error(cell: str) -> None:
    mapper = RowMapper(parse(HEAD, "m"))
    try:
        (found,) = mapper.entities({"id": cell})
    except RowError:
        assert not cell.strip()
    else:
        assert is_uri(found["id"])

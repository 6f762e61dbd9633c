"""GeoJSON geometries: what is accepted, and their boxes."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given

from madang.model import geometry
from madang.model.errors import BadRequestData, NgsiError
from tests import strategies

SQUARE = [[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]


@pytest.mark.parametrize(
    ("kind", "coordinates"),
    [
        ("Point", [2.35, 48.85]),
        ("Point", [2.35, 48.85, 35]),
        ("MultiPoint", [[0, 0], [1, 1]]),
        ("LineString", [[0, 0], [1, 1]]),
        ("MultiLineString", [[[0, 0], [1, 1]], [[2, 2], [3, 3]]]),
        ("Polygon", [SQUARE]),
        (
            "Polygon",
            [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]],
        ),  # crosses itself: official fixtures do
        ("MultiPolygon", [[SQUARE], [SQUARE]]),
    ],
)
def test_every_geometry_but_a_collection_is_accepted(kind: str, coordinates: Any) -> None:
    value = {"type": kind, "coordinates": coordinates}
    assert geometry.read(value, "location") is value


@pytest.mark.parametrize(
    "value",
    [
        {"type": "GeometryCollection", "geometries": []},
        {"type": "Point"},
        {"type": "Point", "coordinates": None},
        {"type": "Point", "coordinates": []},
        {"type": "Point", "coordinates": [1]},
        {"type": "Point", "coordinates": [1, 2, 3, 4]},
        {"type": "Point", "coordinates": ["1", "2"]},
        {"type": "Point", "coordinates": [True, False]},
        {"type": "Point", "coordinates": [float("nan"), 0]},
        {"type": "Point", "coordinates": [0, 0, float("inf")]},
        {"type": "Point", "coordinates": [181, 0]},
        {"type": "Point", "coordinates": [0, 91]},
        {"type": "LineString", "coordinates": [[0, 0]]},
        {"type": "LineString", "coordinates": [0, 0]},
        {"type": "Polygon", "coordinates": []},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [0, 0]]]},
        {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1]]]},
        {"type": "MultiPolygon", "coordinates": [SQUARE]},
        {"type": ["Point"], "coordinates": [0, 0]},
        {"coordinates": [0, 0]},
        "not a geometry",
        "[1, 2]",
        12,
        None,
    ],
)
def test_what_is_no_geometry_is_refused_by_name(value: Any) -> None:
    with pytest.raises(BadRequestData, match="location"):
        geometry.read(value, "location")


def test_a_string_that_holds_a_geometry_becomes_the_geometry() -> None:
    assert geometry.read('{"type": "Point", "coordinates": [17.1, 48.7]}', "location") == {
        "type": "Point",
        "coordinates": [17.1, 48.7],
    }


def test_the_box_of_a_point_is_the_point() -> None:
    assert geometry.bounds({"type": "Point", "coordinates": [2, 48, 35]}) == (2, 48, 2, 48)


def test_the_box_of_a_multipolygon_holds_all_its_parts() -> None:
    far = [[[10, 20], [11, 20], [11, 21], [10, 20]]]
    parts = {"type": "MultiPolygon", "coordinates": [[SQUARE], far]}
    assert geometry.bounds(parts) == (0, 0, 11, 21)


@given(strategies.geometries)
def test_a_box_is_never_inside_out(value: dict[str, Any]) -> None:
    west, south, east, north = geometry.bounds(geometry.read(value, "location"))
    assert -180 <= west <= east <= 180
    assert -90 <= south <= north <= 90


@given(strategies.geometries)
def test_text_and_object_read_alike(value: dict[str, Any]) -> None:
    assert geometry.read(orjson.dumps(value).decode(), "location") == value


@given(strategies.json_values)
def test_any_json_is_a_geometry_or_a_clean_error(value: Any) -> None:
    for tried in (value, {"type": "Polygon", "coordinates": value}):
        try:
            found = geometry.read(tried, "location")
        except NgsiError:
            continue
        geometry.bounds(found)

"""Geo-queries: what is accepted, and what lies where, against distances computed independently."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod

from madang.model.context import Names
from madang.model.errors import BadRequestData
from madang.query import distance, geo
from madang.query.tree import Geo

GEOD = Geod(ellps="WGS84")
HOLED = [[[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]], [[4, 4], [6, 4], [6, 6], [4, 6], [4, 4]]]
TRIANGLE = [[[11, 1], [12, 1], [12, 2], [11, 1]]]
longitudes = st.floats(-180, 180)
latitudes = st.floats(-90, 90)


def point(lon: float, lat: float) -> dict[str, Any]:
    return {"type": "Point", "coordinates": [lon, lat]}


def query(relation: str, geometry: str, coordinates: object, **limits: float) -> Geo:
    text = json.dumps({"type": geometry, "coordinates": coordinates})
    return Geo(relation, text, **limits)  # type: ignore[arg-type]


def test_parameters_become_a_geo_query(names: Names) -> None:
    found = geo.parse("near;maxDistance==2000", "Point", "[8,40]", None, names)
    assert found == Geo("near", '{"type":"Point","coordinates":[8,40]}', "location", None, 2000.0)
    found = geo.parse("near;minDistance==1.5e3", "Point", "[8,40]", "category", names)
    assert found is not None
    assert (found.min_distance, found.max_distance) == (1500.0, None)
    assert found.attribute == "https://city.example/terms#category"
    assert geo.parse(None, None, None, None, names) is None
    body = {"georel": "within", "geometry": "Polygon", "coordinates": HOLED}
    assert geo.from_object(body, names) == geo.parse(
        "within", "Polygon", json.dumps(HOLED), None, names
    )


@pytest.mark.parametrize(
    "parameters",
    [
        ("near;maxDistance==0", "Point", "[8,40]"),
        ("near;maxDistance==-100", "Point", "[8,40]"),
        ("near;maxDistance==5;minDistance==1", "Point", "[8,40]"),
        ("near", "Point", "[8,40]"),
        ("near;maxDistance==inf", "Point", "[8,40]"),
        ("near;maxDistance==1e400", "Point", "[8,40]"),
        ("near;maxDistance=5", "Point", "[8,40]"),
        ("touches", "Point", "[8,40]"),
        ("within;maxDistance==5", "Point", "[8,40]"),
        ("within", "Circle", "[8,40]"),
        ("within", "GeometryCollection", "[]"),
        ("within", "Point", "[8"),
        ("within", "Point", "[200,40]"),
        ("within", "Point", '["a",40]'),
        ("within", "Point", "[]"),
        ("within", "Polygon", "[[[0,0],[1,1],[0,0]]]"),
        ("within", "Polygon", "[[[0,0],[1,1],[1,0],[2,2]]]"),
        ("within", None, "[8,40]"),
        ("within", "Point", None),
        (None, "Point", "[8,40]"),
        (5, "Point", "[8,40]"),
        ("within", ["Point"], "[8,40]"),
    ],
)
def test_what_is_no_geo_query_is_refused(parameters: tuple[object, ...], names: Names) -> None:
    georel, geometry, coordinates = parameters
    with pytest.raises(BadRequestData):
        geo.parse(georel, geometry, coordinates, None, names)


@pytest.mark.parametrize("value", [{}, [], "near", {"geoproperty": 3}])
def test_a_body_without_a_geo_query_is_refused(value: object, names: Names) -> None:
    with pytest.raises(BadRequestData):
        geo.from_object(value, names)


LINE = {"type": "LineString", "coordinates": [[2, 2], [3, 3]]}
TILTED = [[[2, 2], [6, 3], [6, 6], [2, 6], [2, 2]]]
SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [4, 0], [4, 4], [0, 4], [0, 0]]]}


@pytest.mark.parametrize(
    ("relation", "geometry", "coordinates", "inside", "outside"),
    [
        ("within", "Polygon", HOLED, [point(2, 2), LINE], [point(5, 5), point(11, 1), point(0, 0)]),
        ("intersects", "Polygon", HOLED, [point(0, 0), LINE, SQUARE], [point(5, 5), point(11, 1)]),
        ("disjoint", "Polygon", HOLED, [point(5, 5), point(11, 1)], [point(2, 2), LINE]),
        ("contains", "Point", [1, 1], [SQUARE, point(1, 1)], [LINE, point(1, 2)]),
        ("equals", "Point", [1, 1], [point(1, 1), point(1.0, 1.0)], [point(1, 2), SQUARE]),
        ("equals", "LineString", [[3, 3], [2, 2]], [LINE], [point(2, 2)]),
        (
            "overlaps",
            "Polygon",
            [[[2, 2], [6, 2], [6, 6], [2, 6], [2, 2]]],
            [SQUARE],
            [point(3, 3)],
        ),
        ("within", "MultiPolygon", [HOLED], [point(2, 2)], [point(5, 5)]),
        ("intersects", "MultiPoint", [[1, 1], [2, 2]], [SQUARE, LINE], [point(3, 3)]),
    ],
)
def test_geometries_relate_as_in_ogc_simple_features(
    relation: str,
    geometry: str,
    coordinates: object,
    inside: list[dict[str, Any]],
    outside: list[dict[str, Any]],
) -> None:
    wanted = query(relation, geometry, coordinates)
    assert [geo.matches(wanted, found) for found in inside] == [True] * len(inside)
    assert [geo.matches(wanted, found) for found in outside] == [False] * len(outside)


def test_a_polygon_that_crosses_itself_can_be_asked_about() -> None:
    bow = {"type": "Polygon", "coordinates": [[[0, 0], [2, 2], [2, 0], [0, 2], [0, 0]]]}
    for relation in ("within", "contains", "intersects", "equals", "disjoint", "overlaps"):
        geo.matches(query(relation, "Polygon", SQUARE["coordinates"]), bow)
        geo.matches(query(relation, "Polygon", bow["coordinates"]), SQUARE)
    assert geo.matches(query("near", "Polygon", bow["coordinates"], max_distance=5.0), point(1, 1))


@settings(max_examples=300)
@given(longitudes, latitudes, longitudes, latitudes, st.floats(0.5, 1.5))
def test_near_a_point_agrees_with_the_geodesic(
    lon: float, lat: float, other_lon: float, other_lat: float, share: float
) -> None:
    exact = GEOD.inv(lon, lat, other_lon, other_lat)[2]
    limit = exact * share
    if limit > 1e-3 and abs(limit - exact) > 1e-6:
        near = query("near", "Point", [lon, lat], max_distance=limit)
        assert geo.matches(near, point(other_lon, other_lat)) == (exact <= limit)
        far = query("near", "Point", [lon, lat], min_distance=limit)
        assert geo.matches(far, point(other_lon, other_lat)) == (exact >= limit)


@settings(max_examples=200)
@given(longitudes, latitudes, st.floats(0, 360), st.floats(1, 5e5), st.floats(0.9999, 1.0001))
def test_near_a_point_is_exact_close_to_the_limit(
    lon: float, lat: float, bearing: float, metres: float, share: float
) -> None:
    other_lon, other_lat, _ = GEOD.fwd(lon, lat, bearing, metres * share)
    exact = GEOD.inv(lon, lat, other_lon, other_lat)[2]
    if abs(exact - metres) > 1e-6:
        near = query("near", "Point", [lon, lat], max_distance=metres)
        assert geo.matches(near, point(other_lon, other_lat)) == (exact <= metres)


@settings(max_examples=300)
@given(longitudes, latitudes, st.floats(0, 360), st.floats(1, 3e7), st.floats(0, 1))
def test_nothing_near_lies_outside_the_box(
    lon: float, lat: float, bearing: float, metres: float, share: float
) -> None:
    other_lon, other_lat, _ = GEOD.fwd(lon, lat, bearing, metres * share)
    near = query("near", "Point", [lon, lat], max_distance=metres)
    if geo.matches(near, point(other_lon, other_lat)):
        box = geo.bounds(near)
        assert box is not None
        west, south, east, north = box
        assert west <= other_lon <= east
        assert south <= other_lat <= north


def test_only_what_can_match_far_away_has_no_box() -> None:
    assert geo.bounds(query("disjoint", "Polygon", HOLED)) is None
    assert geo.bounds(query("near", "Point", [1, 1], min_distance=5.0)) is None
    assert geo.bounds(query("within", "Polygon", HOLED)) == (0.0, 0.0, 10.0, 10.0)
    assert geo.bounds(query("contains", "LineString", [[1, 2], [3, -4]])) == (1, -4, 3, 2)


@pytest.mark.parametrize(
    ("geometry", "coordinates", "other", "metres"),
    [
        # the closest point of a line is not its first one
        ("LineString", [[0, 60], [10, 60]], point(10, 60.009), 1003),
        ("LineString", [[0, 61], [10, 61]], point(10, 60.009), 110_440),
        # in metres, not degrees, at high latitude
        ("Point", [0, 85], {"type": "LineString", "coordinates": [[1, 85], [0, 85.6]]}, 9_621),
        # over the antimeridian and the pole
        ("Point", [179.9, 0], {"type": "MultiPoint", "coordinates": [[-179.9, 0], [0, 0]]}, 22_264),
        ("Point", [0, 89.9], {"type": "MultiPoint", "coordinates": [[180, 89.9]]}, 22_339),
        # to the edge of a polygon, in its hole, and of two polygons
        ("Point", [5, 5], {"type": "Polygon", "coordinates": HOLED}, 110_577),
        ("Polygon", HOLED, point(2, 2), 0),
        ("Polygon", HOLED, {"type": "Polygon", "coordinates": TRIANGLE}, 111_252),
        # in the middle of a long line, far from both ends
        ("LineString", [[-60, 0], [60, 0]], point(0.0, 0.5), 55_287),
    ],
)  # fmt: skip
def test_the_distance_is_that_of_the_closest_points(
    geometry: str, coordinates: object, other: dict[str, Any], metres: float
) -> None:
    text = json.dumps({"type": geometry, "coordinates": coordinates})
    assert geo.distance_to(text, other) == pytest.approx(metres, rel=2e-3, abs=1)
    if metres:
        inside = query("near", geometry, coordinates, max_distance=metres * 1.01)
        outside = query("near", geometry, coordinates, max_distance=metres * 0.99)
        assert geo.matches(inside, other)
        assert not geo.matches(outside, other)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.floats(126, 128), st.floats(36, 38)), min_size=2, max_size=4),
    st.tuples(st.floats(126, 128), st.floats(36, 38)),
)
def test_the_distance_to_a_line_is_the_least_over_many_places_of_it(
    line: list[tuple[float, float]], place: tuple[float, float]
) -> None:
    text = json.dumps({"type": "LineString", "coordinates": line})
    least = min(
        GEOD.inv(*place, a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1]))[2]
        for a, b in pairwise(line)
        for share in (step / 400 for step in range(401))
    )
    found = geo.distance_to(text, point(*place))
    assert found <= least + 0.01
    assert found >= least - 300  # the places are up to 600 m apart


def test_vectors_lie_on_the_ellipsoid() -> None:
    assert distance.vector(0, 0) == (distance.A, 0, 0)
    assert distance.vector(0, 90)[2] == pytest.approx(6_356_752.314)

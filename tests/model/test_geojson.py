from __future__ import annotations

from typing import Any

from madang.model.context import CORE
from madang.model.entity import Entity
from madang.model.geojson import collection, feature
from madang.model.representation import render
from madang.model.view import View

HERE = {"type": "Point", "coordinates": [13.4, 52.5]}
THERE = {"type": "Point", "coordinates": [9.0, 9.0]}
GPS = {"type": "GeoProperty", "value": THERE, "datasetId": "urn:d:gps"}


def shown(view: View, **attributes: Any) -> dict[str, Any]:
    entity = Entity({"id": "urn:x:1", "type": "Building", **attributes}, 0, 0, 0)
    body = render(entity, view, CORE)
    assert body is not None
    return feature(entity, body, view)


def test_a_feature_has_the_id_outside_and_everything_else_in_its_properties() -> None:
    location = {"type": "GeoProperty", "value": HERE}
    assert shown(View(), location=location) == {
        "id": "urn:x:1",
        "type": "Feature",
        "geometry": HERE,
        "properties": {"type": "Building", "location": location},
    }


def test_the_default_instance_gives_the_geometry() -> None:
    location = [GPS, {"type": "GeoProperty", "value": HERE}]
    assert shown(View(), location=location)["geometry"] == HERE
    simple = shown(View("simplified"), location=location)
    assert simple["properties"]["location"] == {"dataset": {"@none": HERE, "urn:d:gps": THERE}}


def test_a_dataset_filter_chooses_the_instance() -> None:
    location = [GPS, {"type": "GeoProperty", "value": HERE}]
    assert shown(View(datasets=frozenset({"urn:d:gps"})), location=location)["geometry"] == THERE


def test_another_property_may_give_the_geometry() -> None:
    view = View(geometry="observationSpace")
    assert shown(view, observationSpace=GPS)["geometry"] == THERE


def test_without_a_geometry_there_is_none() -> None:
    assert shown(View())["geometry"] is None
    assert shown(View(geometry="speed"), speed={"type": "Property", "value": 5})["geometry"] is None
    assert shown(View(geometry="type"))["geometry"] is None


def test_a_collection_holds_features() -> None:
    assert collection([{"type": "Feature"}]) == {
        "type": "FeatureCollection",
        "features": [{"type": "Feature"}],
    }

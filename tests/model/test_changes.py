from __future__ import annotations

from typing import Any

import pytest

from madang.model.attributes import NULL
from madang.model.changes import changed_entity, deleted_entity
from madang.model.context import CORE
from madang.model.entity import INSTANCE, Entity, Stamp
from madang.model.view import View

AT = 5_000_000
POINT = {"type": "Point", "coordinates": [-8.5, 41.2]}

ALL: dict[str, Any] = {
    "name": {"type": "Property", "value": "Eiffel Tower", "unitCode": "C62"},
    "location": {"type": "GeoProperty", "value": POINT},
    "locatedAt": {"type": "Relationship", "object": "urn:x:Paris"},
    "street": {"type": "LanguageProperty", "languageMap": {"fr": "Grand Place"}},
    "kind": {"type": "VocabProperty", "vocab": "monument"},
    "data": {"type": "JsonProperty", "json": {"null": None}},
    "list": {"type": "ListProperty", "valueList": [1]},
    "stops": {"type": "ListRelationship", "objectList": [{"object": "urn:x:1"}]},
}
DELETED: dict[str, Any] = {
    "name": {"type": "Property", "value": NULL, "previousValue": "Eiffel Tower"},
    "location": {"type": "GeoProperty", "value": NULL, "previousValue": POINT},
    "locatedAt": {"type": "Relationship", "object": NULL, "previousObject": "urn:x:Paris"},
    "street": {
        "type": "LanguageProperty",
        "languageMap": {"@none": NULL},
        "previousLanguageMap": {"fr": "Grand Place"},
    },
    "kind": {"type": "VocabProperty", "vocab": NULL, "previousVocab": "monument"},
    "data": {"type": "JsonProperty", "json": NULL, "previousJson": {"null": None}},
    "list": {"type": "ListProperty", "valueList": NULL, "previousValueList": [1]},
    "stops": {
        "type": "ListRelationship",
        "objectList": NULL,
        "previousObjectList": [{"object": "urn:x:1"}],
    },
}


def entity(modified: int = 1_000_000, **attributes: Any) -> Entity:
    return Entity({"id": "urn:x:1", "type": "Building", **attributes}, 0, modified, modified)


def test_a_deleted_entity_is_its_id_type_and_time() -> None:
    body = deleted_entity(entity(**ALL), AT, View("simplified"), CORE)
    assert body == {"id": "urn:x:1", "type": "Building", "deletedAt": "1970-01-01T00:00:05Z"}


def test_watched_attributes_of_a_deleted_entity_are_told_as_null() -> None:
    body = deleted_entity(entity(**ALL), AT, View(), CORE, {"name"})
    assert body["name"] == {"type": "Property", "value": NULL}
    assert "street" not in body


def test_system_times_of_what_was_deleted_include_when() -> None:
    body = deleted_entity(entity(**ALL), AT, View(sys_attrs=True), CORE, {"name"})
    assert body["createdAt"] == "1970-01-01T00:00:00Z"
    assert body["name"] == {
        "type": "Property",
        "value": NULL,
        "createdAt": "1970-01-01T00:00:01Z",
        "modifiedAt": "1970-01-01T00:00:01Z",
        "deletedAt": "1970-01-01T00:00:05Z",
    }


def test_show_changes_tells_all_values_of_a_deleted_entity() -> None:
    body = deleted_entity(entity(**ALL), AT, View(), CORE, show_changes=True)
    assert body == {
        "id": "urn:x:1",
        "type": "Building",
        "deletedAt": "1970-01-01T00:00:05Z",
        **DELETED,
    }


@pytest.mark.parametrize("name", sorted(ALL))
def test_a_deleted_attribute_is_told_as_null_among_the_others(name: str) -> None:
    rest = {other: value for other, value in ALL.items() if other != name}
    before, after = entity(**ALL), entity(AT, **rest)
    body = changed_entity(before, after, AT, View(), CORE, deleted=[name], show_changes=True)
    assert body == {"id": "urn:x:1", "type": "Building", **rest, name: DELETED[name]}


def test_a_deleted_instance_is_told_beside_those_that_are_left() -> None:
    default = {"type": "Property", "value": 1}
    other = {"type": "Property", "value": 2, "datasetId": "urn:d:1"}
    before, after = entity(a=[default, other]), entity(AT, a=default)
    path = f"a{INSTANCE}urn:d:1"
    body = changed_entity(before, after, AT, View(), CORE, deleted=[path])
    assert body is not None
    assert body["a"] == [default, {"type": "Property", "value": NULL, "datasetId": "urn:d:1"}]
    simple = changed_entity(before, after, AT, View("simplified"), CORE, deleted=[path])
    assert simple is not None
    assert simple["a"] == {"dataset": {"@none": 1, "urn:d:1": NULL}}


def test_a_deleted_attribute_that_is_back_is_not_told_as_deleted() -> None:
    before, after = entity(a={"type": "Property", "value": 1}), entity(AT, a=ALL["name"])
    body = changed_entity(before, after, AT, View(), CORE, deleted=["a"])
    assert body == after.document


def test_show_changes_adds_the_previous_value_to_what_was_updated() -> None:
    before = entity(a={"type": "Property", "value": 1}, b={"type": "Property", "value": 1})
    after = entity(
        a={"type": "Property", "value": 2},
        b={"type": "Property", "value": 1},
        new={"type": "Property", "value": 3},
    )
    after.times = {"a": Stamp(0, AT), "new": Stamp(AT, AT)}
    body = changed_entity(before, after, AT, View(), CORE, ["a", "b", "new"], show_changes=True)
    assert body is not None
    assert body["a"] == {"type": "Property", "value": 2, "previousValue": 1}
    assert "previousValue" not in body["b"]
    assert "previousValue" not in body["new"]
    assert before.document["a"] == {"type": "Property", "value": 1}
    assert after.document["a"] == {"type": "Property", "value": 2}


def test_a_created_entity_has_no_previous_values() -> None:
    after = entity(**ALL)
    body = changed_entity(None, after, AT, View(), CORE, list(ALL), show_changes=True)
    assert body == after.document

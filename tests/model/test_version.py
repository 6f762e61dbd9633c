from __future__ import annotations

from typing import Any

import pytest

from madang.model.version import downgrade

NEW: dict[str, Any] = {
    "id": "urn:x:1",
    "type": ["A", "B"],
    "scope": "/a",
    "expiresAt": "2100-01-01T00:00:00Z",
    "kind": {"type": "VocabProperty", "vocab": "slow"},
    "data": {"type": "JsonProperty", "json": {"type": "VocabProperty"}},
    "list": {"type": "ListProperty", "valueList": [1, 2]},
    "stops": {"type": "ListRelationship", "objectList": [{"object": "urn:x:2"}]},
    "street": {"type": "LanguageProperty", "languageMap": {"fr": "Rue"}},
    "owner": {
        "type": "Relationship",
        "object": "urn:x:3",
        "objectType": "P",
        "sub": {"type": "Property", "value": 1, "valueType": "xsd:int"},
    },
    "speed": [
        {"type": "Property", "value": 1, "datasetId": "urn:d:1"},
        {"type": "Property", "value": 2},
    ],
}


def test_newer_kinds_of_attribute_become_plain_ones() -> None:
    old = downgrade(NEW, (1, 5))
    assert old["kind"] == {"type": "Property", "value": "slow"}
    assert old["data"] == {"type": "Property", "value": {"type": "VocabProperty"}}
    assert old["list"] == {"type": "Property", "value": [1, 2]}
    assert old["stops"] == {"type": "Relationship", "object": ["urn:x:2"]}
    assert old["street"] is NEW["street"]
    assert downgrade(NEW, (1, 3))["street"] == {"type": "Property", "value": {"fr": "Rue"}}


def test_newer_members_are_left_out() -> None:
    old = downgrade(NEW, (1, 5))
    assert "expiresAt" not in old
    assert old["scope"] == "/a"
    assert old["owner"] == {
        "type": "Relationship",
        "object": "urn:x:3",
        "sub": {"type": "Property", "value": 1},
    }


def test_the_first_version_knows_one_type_and_one_instance() -> None:
    old = downgrade(NEW, (1, 0))
    assert old["type"] == "A"
    assert old["speed"] == {"type": "Property", "value": 2}
    assert "scope" not in old


@pytest.mark.parametrize("version", [(1, 9), (2, 0)])
def test_our_own_version_changes_nothing(version: tuple[int, int]) -> None:
    assert downgrade(NEW, version) is NEW


def test_what_an_old_version_knows_is_the_same_object() -> None:
    body = {"id": "urn:x:1", "type": "A", "speed": {"type": "Property", "value": 5}}
    assert downgrade(body, (1, 0)) is body


def test_linked_entities_are_downgraded_too() -> None:
    body = {"id": "a", "type": "A", "to": {"type": "Relationship", "object": "b", "entity": NEW}}
    assert downgrade(body, (1, 5))["to"]["entity"]["kind"]["type"] == "Property"

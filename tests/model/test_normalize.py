"""Client JSON to documents: representations, and the rules of the data model."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from madang.model import normalize, time
from madang.model.attributes import NULL, VALUE_MEMBER, VALUE_MEMBERS
from madang.model.context import CORE, build
from madang.model.entity import CHILD, INSTANCE
from madang.model.errors import BadRequestData
from madang.model.shape import geometries_of, shape_of
from tests import strategies

ID = "urn:ngsi-ld:Vehicle:1"
OTHER = "urn:ngsi-ld:Vehicle:2"
DATASET = "urn:ngsi-ld:Dataset:gps"
POINT = {"type": "Point", "coordinates": [8.0, 49.0]}
LATER = "2030-01-01T00:00:00Z"
WORDS_OF_CLIENT = {"speed": "https://example.org/speed", "Car": "https://example.org/Car"}
WORDS = build(WORDS_OF_CLIENT, lambda url: None)


def whole(**members: Any) -> normalize.Normalized:
    return normalize.entity({"id": ID, "type": "Vehicle", **copy.deepcopy(members)}, CORE)


def one(value: Any) -> Any:
    return whole(speed=value).document["speed"]


def refused(message: str, /, **members: Any) -> None:
    with pytest.raises(BadRequestData, match=message):
        whole(**members)


# --- the whole entity ----------------------------------------------------------------------------


def test_the_usual_entity_becomes_the_document_itself() -> None:
    raw = {
        "id": ID,
        "type": "Vehicle",
        "brandName": {"type": "Property", "value": "x"},
        "speed": {"type": "Property", "value": 1.5, "unitCode": "KMH", "observedAt": LATER},
        "location": {"type": "GeoProperty", "value": POINT},
        "isParkedAt": {"type": "Relationship", "object": "urn:ngsi-ld:Parking:1"},
    }
    expected = copy.deepcopy(raw)
    found = normalize.entity(raw, CORE)
    assert found.document is raw
    assert found.document == expected
    assert found.names == ("brandName", "speed", "location", "isParkedAt")
    assert found.geometries == ("location",)
    assert found.shape == shape_of(expected)


def test_json_ld_keywords_stand_for_id_and_type() -> None:
    raw = {"@id": ID, "@type": "Vehicle", "speed": {"@type": "Property", "value": 1}}
    assert normalize.entity(raw, CORE).document == {
        "id": ID,
        "type": "Vehicle",
        "speed": {"type": "Property", "value": 1},
    }


def test_system_members_of_the_client_are_ignored() -> None:
    found = whole(
        createdAt="whenever",
        modifiedAt=LATER,
        speed={"type": "Property", "value": 1, "createdAt": 5, "instanceId": "urn:i:1"},
    )
    assert found.document == {
        "id": ID,
        "type": "Vehicle",
        "speed": {"type": "Property", "value": 1},
    }


def test_names_become_canonical_everywhere() -> None:
    raw = {
        "id": ID,
        "type": ["Car", "Bus"],
        "speed": {"type": "Property", "value": 1, "speed": 2},
        "state": {"type": "VocabProperty", "vocab": ["Car", "half open"]},
        "owner": {"type": "Relationship", "object": ID, "objectType": "Car"},
    }
    found = normalize.entity(raw, WORDS)
    speed = "https://example.org/speed"
    assert found.document == {
        "id": ID,
        "type": ["https://example.org/Car", "Bus"],
        speed: {"type": "Property", "value": 1, speed: {"type": "Property", "value": 2}},
        "state": {
            "type": "VocabProperty",
            "vocab": ["https://example.org/Car", "half open"],
        },
        "owner": {"type": "Relationship", "object": ID, "objectType": "https://example.org/Car"},
    }
    assert found.names == (speed, "state", "owner")


def test_the_same_entity_under_another_context_has_other_names() -> None:
    raw = {"id": ID, "type": "Car", "speed": 1}
    assert "speed" in normalize.entity(dict(raw), CORE).document
    assert "https://example.org/speed" in normalize.entity(dict(raw), WORDS).document


def test_two_terms_for_one_attribute_are_refused() -> None:
    raw = {"id": ID, "type": "Car", "speed": 1, "https://example.org/speed": 2}
    with pytest.raises(BadRequestData, match="twice"):
        normalize.entity(raw, WORDS)


@pytest.mark.parametrize("raw", [None, 1, "x", [], [{"id": ID, "type": "Vehicle"}]])
def test_an_entity_is_an_object(raw: Any) -> None:
    with pytest.raises(BadRequestData, match="JSON object"):
        normalize.entity(raw, CORE)


@pytest.mark.parametrize("uri", ["speed", "urn:a:<b>", "urn:a:\u202eb", 5, None, NULL, [ID]])
def test_an_id_is_a_uri(uri: Any) -> None:
    with pytest.raises(BadRequestData, match="id must be a URI"):
        normalize.entity({"id": uri, "type": "Vehicle"}, CORE)


@pytest.mark.parametrize("kind", ["type", "9Car", "", None, 5, [], ["Car", 5], NULL, {"a": 1}])
def test_a_type_is_a_name_or_several(kind: Any) -> None:
    with pytest.raises(BadRequestData):
        normalize.entity({"id": ID, "type": kind}, CORE)


def test_an_entity_needs_id_and_type_and_a_fragment_neither() -> None:
    with pytest.raises(BadRequestData, match="id"):
        normalize.entity({"type": "Vehicle"}, CORE)
    with pytest.raises(BadRequestData, match="type"):
        normalize.entity({"id": ID}, CORE)
    assert normalize.entity({"speed": 1}, CORE, fragment=True).shape[0] == ()


def test_the_id_of_the_request_must_agree_with_the_body() -> None:
    assert normalize.entity({"type": "Car"}, CORE, entity_id=ID).document["id"] == ID
    for fragment in (False, True):
        with pytest.raises(BadRequestData, match="request is about"):
            normalize.entity({"id": OTHER, "type": "C"}, CORE, entity_id=ID, fragment=fragment)


def test_types_are_kept_once_each() -> None:
    raw = {"id": ID, "type": ["Car", "Bus", "Car"]}
    assert normalize.entity(raw, CORE).document["type"] == ["Car", "Bus"]
    assert normalize.entity({"id": ID, "type": ["Car"]}, CORE).document["type"] == "Car"


@pytest.mark.parametrize(
    "name",
    ["datasetId", "instanceId", "observedAt", "value", "my attr", "9x", "", "a-b", "previousValue"],
)
def test_reserved_words_and_malformed_names_name_no_attribute(name: str) -> None:
    with pytest.raises(BadRequestData):
        whole(**{name: {"type": "Property", "value": 1}})


@pytest.mark.parametrize("name", ["výška_1", "속도", "https://example.org/a", "ex:a"])
def test_names_are_letters_of_any_script_or_iris(name: str) -> None:
    assert name in whole(**{name: 1}).document


@pytest.mark.parametrize("scope", ["/Madrid/Gardens", "Madrid", ["/a", "/b/c_1"], "/서울/강남"])
def test_a_scope_is_kept_as_given(scope: Any) -> None:
    assert whole(scope=scope).document["scope"] == scope


@pytest.mark.parametrize(
    "scope", ["9bad", "/a//b", "a-b", "/a/", "", [], ["/ok", "9bad"], NULL, None, 5, [["/a"]]]
)
def test_a_malformed_scope_is_refused(scope: Any) -> None:
    refused("scope", scope=scope)


# --- attributes ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("concise", "normalized"),
    [
        (55, {"type": "Property", "value": 55}),
        (True, {"type": "Property", "value": True}),
        ([1, 2], {"type": "Property", "value": [1, 2]}),
        ([], {"type": "Property", "value": []}),
        ([{"a": 1}], {"type": "Property", "value": [{"a": 1}]}),
        ({"city": "Ulm"}, {"type": "Property", "value": {"city": "Ulm"}}),
        (POINT, {"type": "GeoProperty", "value": POINT}),
        ({"value": POINT}, {"type": "GeoProperty", "value": POINT}),
        ({"value": 1, "observedAt": LATER}, {"type": "Property", "value": 1, "observedAt": LATER}),
        ({"object": ID}, {"type": "Relationship", "object": ID}),
        ({"languageMap": {"ko": "a"}}, {"type": "LanguageProperty", "languageMap": {"ko": "a"}}),
        ({"vocab": "open"}, {"type": "VocabProperty", "vocab": "open"}),
        ({"json": {"type": "raw"}}, {"type": "JsonProperty", "json": {"type": "raw"}}),
        ({"valueList": [1, 2]}, {"type": "ListProperty", "valueList": [1, 2]}),
        ({"objectList": [ID]}, {"type": "ListRelationship", "objectList": [{"object": ID}]}),
        (
            {"value": 1, "accuracy": 0.5},
            {"type": "Property", "value": 1, "accuracy": {"type": "Property", "value": 0.5}},
        ),
    ],
)
def test_concise_input_gets_its_type(concise: Any, normalized: Any) -> None:
    assert one(concise) == normalized


@pytest.mark.parametrize(
    "value",
    [
        {"type": "Property"},
        {"type": "Property", "value": None},
        {"type": "Property", "value": NULL},
        {"type": "Property", "value": {"a": {"b": NULL}}},
        {"type": "Property", "value": [NULL]},
        {"type": "Property", "value": {"a": None}},
        {"type": "Property", "value": float("nan")},
        {"type": "Property", "value": [float("inf")]},
        {"type": "Property", "value": 1, "object": ID},
        {"type": "Property", "value": 1, "previousValue": 0},
        {"type": "Property", "value": 1, "entity": {}},
        {"type": "Property", "value": 1, "entityIdSealed": "x"},
        {"type": "Property", "value": 1, "unitCode": 5},
        {"type": "Property", "value": 1, "objectType": "Car"},
        {"type": "Property", "value": 1, "datasetId": "gps"},
        {"type": "Property", "value": 1, "datasetId": NULL},
        {"type": "Property", "value": 1, "observedAt": "yesterday"},
        {"type": "Property", "value": 1, "observedAt": "2026-08-10T12:00:00+02:00"},
        {"type": "Property", "value": 1, "observedAt": {"type": "Property", "value": LATER}},
        {"type": "Property", "value": 1, "observedAt": NULL},
        {"type": "Property", "value": 1, "expiresAt": "2026-13-45T00:00:00Z"},
        {"type": "Property", "value": 1, "@context": {}},
        {"type": "Property", "value": {"@context": {}}},
        {"type": "Property", "value": 1, "sub": {"type": "Property", "value": NULL}},
        {"type": "Property", "value": 1, "sub": NULL},
        {"type": "Property", "value": 1, "bad name": 1},
        {"type": "Unknown", "value": 1},
        {"type": ["Property"], "value": 1},
        {"type": "Relationship"},
        {"type": "Relationship", "object": NULL},
        {"type": "Relationship", "object": "no uri"},
        {"type": "Relationship", "object": [ID, NULL]},
        {"type": "Relationship", "object": []},
        {"type": "Relationship", "object": ID, "unitCode": "MTR"},
        {"type": "Relationship", "object": ID, "value": 42},
        {"type": "GeoProperty", "value": {"type": "Point"}},
        {"type": "GeoProperty", "value": {"type": "GeometryCollection", "geometries": [POINT]}},
        {"type": "GeoProperty", "value": "not a geometry"},
        {"type": "GeometryCollection", "geometries": [POINT]},
        {"type": "LanguageProperty"},
        {"type": "LanguageProperty", "languageMap": {"en": 5}},
        {"type": "LanguageProperty", "languageMap": {"en": ["a", 5]}},
        {"type": "LanguageProperty", "languageMap": {"": "x"}},
        {"type": "LanguageProperty", "languageMap": {"@none": NULL}},
        {"type": "LanguageProperty", "languageMap": {"en": "x"}, "valueType": "xsd:string"},
        {"type": "VocabProperty", "vocab": 5},
        {"type": "VocabProperty", "vocab": []},
        {"type": "JsonProperty", "json": 5},
        {"type": "JsonProperty", "json": {"a": 1}, "unitCode": "MTR"},
        {"type": "JsonProperty", "json": {"a": 1}, "value": 1},
        {"type": "ListProperty", "valueList": 5},
        {"type": "ListProperty", "valueList": [1.2], "value": 3},
        {"type": "ListRelationship", "objectList": ["not a uri"]},
        {"type": "ListRelationship", "objectList": [{"object": ID, "x": 1}]},
        {"observedAt": LATER},
        {"value": 1, "object": ID},
        NULL,
        None,
        [{"type": "Property", "value": 1}, {"type": "Property", "value": 2}],
        [{"value": 1}, {"value": 2, "datasetId": "@none"}],
        [{"value": 1, "datasetId": DATASET}, {"value": 2, "datasetId": DATASET}],
        [{"type": "Property", "value": 1}, 5],
    ],
)
def test_an_attribute_that_breaks_the_data_model_is_refused(value: Any) -> None:
    with pytest.raises(BadRequestData, match=r"speed|sub|bad name"):
        one(value)


@pytest.mark.parametrize(
    "value",
    [
        {"type": "Property", "value": 1, "valueType": "xsd:double"},
        {"type": "Property", "value": {"@type": "Date", "@value": "2026-01-01"}},
        {"type": "Relationship", "object": ID, "objectType": "Parking"},
        {"type": "Relationship", "object": "urn:ngsi-ld:Ciudad:París"},
        {"type": "Relationship", "object": [ID, OTHER]},
        {"type": "LanguageProperty", "languageMap": {"en": ["a", "b"], "@none": "c"}},
        {"type": "LanguageProperty", "languageMap": {"en": "hi"}, "valueType": "langString"},
        {"type": "JsonProperty", "json": {"null": None, "id": "x", "n": NULL}},
        {"type": "JsonProperty", "json": [{"a": 1}]},
        {"type": "ListProperty", "valueList": []},
        {"type": "GeoProperty", "value": {**POINT, "bbox": [8, 49, 8, 49]}},
    ],
)
def test_an_attribute_that_keeps_to_the_data_model_stays_as_it_is(value: Any) -> None:
    assert one(value) == value


def test_full_iris_of_attribute_types_are_understood() -> None:
    assert one({"type": "https://uri.etsi.org/ngsi-ld/Property", "value": 1})["type"] == "Property"


def test_a_geometry_in_a_string_becomes_an_object() -> None:
    text = '{"type": "Point", "coordinates": [8.0, 49.0]}'
    assert one({"type": "GeoProperty", "value": text})["value"] == POINT


@pytest.mark.parametrize("name", ["location", "observationSpace", "operationSpace"])
def test_the_places_of_the_core_are_geoproperties(name: str) -> None:
    refused("GeoProperty", **{name: {"type": "Property", "value": 7}})
    refused("GeoProperty", **{name: [{"value": POINT}, {"value": 1, "datasetId": DATASET}]})


def test_the_default_instance_loses_its_explicit_name() -> None:
    found = one([{"value": 55, "datasetId": "@none"}, {"value": 11, "datasetId": DATASET}])
    assert found == [
        {"type": "Property", "value": 55},
        {"type": "Property", "value": 11, "datasetId": DATASET},
    ]


def test_one_instance_in_an_array_is_an_object() -> None:
    assert one([{"type": "Property", "value": 55}]) == {"type": "Property", "value": 55}


def test_a_proof_keeps_its_sealed_members() -> None:
    proof = {
        "type": "Property",
        "entityIdSealed": ID,
        "entityTypeSealed": "Car",
        "value": {"type": "DataIntegrityProof"},
    }
    raw = {"id": ID, "type": "Car", "ngsildproof": proof}
    found = normalize.entity(raw, WORDS).document["ngsildproof"]
    assert found == {**proof, "entityTypeSealed": "https://example.org/Car"}


@pytest.mark.parametrize(
    "proof",
    [
        "text",
        {"type": "Property", "value": "text"},
        {"type": "Property", "value": {}, "entityTypeSealed": 42},
    ],
)
def test_a_proof_is_an_object_and_its_seals_are_text(proof: Any) -> None:
    refused("ngsildproof", ngsildproof=proof)


def test_expiry_is_kept_beside_the_document_by_path() -> None:
    found = whole(
        expiresAt=LATER,
        speed=[
            {"value": 1, "accuracy": {"value": 2, "expiresAt": LATER}},
            {"value": 2, "datasetId": DATASET, "expiresAt": LATER},
        ],
    )
    at = time.parse(LATER)
    paths = {"", f"speed{CHILD}accuracy", f"speed{INSTANCE}{DATASET}"}
    assert found.expires == dict.fromkeys(paths, at)
    assert "expiresAt" not in str(found.document)


def test_nesting_is_limited() -> None:
    deep: Any = 1
    for _ in range(100):
        deep = [deep]
    refused("nested", speed=deep)
    refused("nested", speed={"json": {"a": deep}})
    sub: Any = {"value": 1}
    for _ in range(100):
        sub = {"value": 1, "sub": sub}
    refused("nested", speed=sub)


def test_an_unusual_attribute_beside_usual_ones_is_read_as_well() -> None:
    found = whole(a={"type": "Property", "value": 1}, b=2, c={"type": "Property", "value": 3})
    assert found.document["b"] == {"type": "Property", "value": 2}
    assert found.names == ("a", "b", "c")


# --- fragments -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        NULL,
        {"type": "Property", "value": NULL},
        {"value": NULL},
        {"type": "GeoProperty", "value": NULL},
        {"type": "Relationship", "object": NULL},
        {"type": "LanguageProperty", "languageMap": {"@none": NULL}},
    ],
)
def test_null_in_an_update_marks_a_deletion(value: Any) -> None:
    found = normalize.entity({"a": copy.deepcopy(value)}, CORE, fragment=True, nulls=True)
    assert found.document == {"a": {"type": NULL}}


def test_null_with_a_dataset_marks_that_instance() -> None:
    raw = {"a": {"type": "Property", "value": NULL, "datasetId": DATASET}}
    found = normalize.entity(raw, CORE, fragment=True, nulls=True)
    assert found.document == {"a": {"type": NULL, "datasetId": DATASET}}


def test_null_inside_a_value_is_for_merges_only() -> None:
    raw = {"a": {"type": "Property", "value": {"country": NULL}}}
    with pytest.raises(BadRequestData, match="merge"):
        normalize.entity(copy.deepcopy(raw), CORE, fragment=True, nulls=True)
    assert normalize.entity(copy.deepcopy(raw), CORE, merge=True).document == raw


def test_a_merge_may_hold_parts_of_attributes() -> None:
    raw = {"a": {"unitCode": "KMH"}, "b": {"accuracy": {"type": "Property", "value": 1}}}
    found = normalize.entity(copy.deepcopy(raw), CORE, merge=True)
    assert found.document == raw


def test_simplified_values_wait_for_the_type_they_meet() -> None:
    raw = {"a": "x", "b": {"vocab": "open"}, "c": POINT, "d": {"dataset": {"@none": 1, DATASET: 2}}}
    found = normalize.entity(raw, CORE, merge=True, simplified=True)
    assert found.document == {
        "a": {"type": "", "value": "x"},
        "b": {"type": "VocabProperty", "vocab": "open"},
        "c": {"type": "GeoProperty", "value": POINT},
        "d": [{"type": "", "value": 1}, {"type": "", "value": 2, "datasetId": DATASET}],
    }


def test_a_partial_update_holds_what_it_holds() -> None:
    raw = {"value": 56, "datasetId": DATASET, "@context": []}
    found = normalize.attribute(raw, "speed", CORE, partial=True)
    assert found.document == {"speed": {"value": 56, "datasetId": DATASET}}
    assert found.names == ("speed",)


@pytest.mark.parametrize("raw", [{}, {"@context": []}, [], 5, None, {"datasetId": NULL}])
def test_a_partial_update_without_content_is_refused(raw: Any) -> None:
    with pytest.raises(BadRequestData):
        normalize.attribute(raw, "speed", CORE, partial=True)


@pytest.mark.parametrize("name", ["scope", "id", "type", "observedAt"])
def test_members_that_are_no_attributes_cannot_be_updated_as_one(name: str) -> None:
    with pytest.raises(BadRequestData, match=name):
        normalize.attribute({"value": 1}, name, CORE, partial=True)


# --- properties ----------------------------------------------------------------------------------


@given(strategies.entities(expiring=False))
def test_normalizing_a_document_changes_nothing(raw: dict[str, Any]) -> None:
    document = normalize.entity(copy.deepcopy(raw), CORE).document
    assert document == raw
    assert normalize.entity(copy.deepcopy(document), CORE).document == document


@given(strategies.entities())
def test_shape_and_geometries_are_those_of_the_document(raw: dict[str, Any]) -> None:
    found = normalize.entity(raw, CORE)
    assert found.shape == shape_of(found.document)
    assert found.geometries == geometries_of(found.shape)


def concise(value: Any, alone: bool = True) -> Any:
    """Write an attribute in the concise representation."""
    if isinstance(value, list):
        return [concise(item, alone=False) for item in value]
    inner = {
        member: concise(part) if isinstance(part, dict) and member not in VALUE_MEMBERS else part
        for member, part in value.items()
        if member != "type"
    }
    kind = value["type"]
    bare = alone and kind in ("Property", "GeoProperty") and len(inner) == 1
    return inner["value"] if bare and is_plain(inner["value"], kind) else inner


def is_plain(value: Any, kind: str) -> bool:
    return kind == "GeoProperty" or not isinstance(value, dict | list)


@given(strategies.entities(expiring=False))
def test_concise_and_normalized_input_mean_the_same(raw: dict[str, Any]) -> None:
    head = {"id", "type", "scope"}
    short = {name: part if name in head else concise(part) for name, part in raw.items()}
    assert normalize.entity(copy.deepcopy(short), CORE).document == raw


@settings(max_examples=200)
@given(
    strategies.json_values | strategies.nearly_entities(),
    st.fixed_dictionaries(
        {name: st.booleans() for name in ("fragment", "nulls", "merge", "simplified")}
    ),
)
def test_any_json_is_normalized_or_refused_cleanly(raw: Any, mode: dict[str, Any]) -> None:
    try:
        found = normalize.entity(raw, WORDS, **mode)
    except BadRequestData:
        return
    assert set(found.document) >= set(found.names)


@settings(max_examples=200)
@given(strategies.nearly_entities())
def test_what_was_accepted_is_accepted_again(raw: Any) -> None:
    try:
        document = normalize.entity(raw, CORE).document
    except BadRequestData:
        return
    assert normalize.entity(copy.deepcopy(document), CORE).document == document
    for name, value in document.items():
        for instance in value if isinstance(value, list) else [value]:
            if isinstance(instance, dict):
                assert VALUE_MEMBER[instance["type"]] in instance, name


@given(strategies.json_values, st.booleans())
def test_any_attribute_body_is_read_or_refused_cleanly(raw: Any, partial: bool) -> None:
    try:
        found = normalize.attribute(raw, "speed", CORE, partial=partial)
    except BadRequestData:
        return
    assert found.names == ("speed",)

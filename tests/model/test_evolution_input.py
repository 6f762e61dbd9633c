"""The past of an entity as clients tell it."""

from __future__ import annotations

from typing import Any

import pytest

from madang.model.attributes import NULL
from madang.model.context import CORE
from madang.model.errors import BadRequestData
from madang.model.evolution_input import Evolution, Given, evolution, part

ID = "urn:ngsi-ld:Vehicle:1"
T1, T2 = "2026-03-01T08:00:00Z", "2026-03-01T12:00:00Z"


def told(**members: Any) -> Evolution:
    return evolution({"id": ID, "type": "Vehicle", **members}, CORE)


def given(**members: Any) -> list[Given]:
    return told(**members).given


def property_(value: Any, at: str | None = T1, **members: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value, **({"observedAt": at} if at else {}), **members}


def test_an_array_of_instances_may_repeat_datasets() -> None:
    found = given(speed=[property_(1), property_(2, T2)])
    assert [one.instance["value"] for one in found] == [1, 2]
    assert {(one.attribute, one.kind, one.deleted) for one in found} == {
        ("speed", "Property", False)
    }


def test_one_instance_needs_no_array() -> None:
    assert given(speed=property_(1)) == given(speed=[property_(1)])


def test_concise_instances_are_understood() -> None:
    (bare,) = given(speed=5)
    assert bare.instance == {"type": "Property", "value": 5}
    (place,) = given(location={"type": "Point", "coordinates": [127.0, 37.5]})
    assert place.kind == "GeoProperty"
    (tags,) = given(tags=["a", "b"])
    assert tags.instance["value"] == ["a", "b"]
    (link,) = given(owner=[{"object": "urn:a:1", "observedAt": T1}])
    assert link.kind == "Relationship"


def test_of_instances_with_the_same_time_and_dataset_the_last_counts() -> None:
    same_instant = "2026-03-01T08:00:00.000Z"
    found = given(speed=[property_(1), property_(2, same_instant), property_(3, datasetId="urn:d")])
    assert [one.instance["value"] for one in found] == [2, 3]
    timeless = given(speed=[property_(1, None), property_(2, None)])
    assert len(timeless) == 2


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (property_(NULL), "Property"),
        ({"type": "Relationship", "object": NULL, "observedAt": T1}, "Relationship"),
        ({"object": NULL, "observedAt": T1}, "Relationship"),
        (
            {"type": "LanguageProperty", "languageMap": {"@none": NULL}, "observedAt": T1},
            "LanguageProperty",
        ),
    ],
)
def test_null_says_that_the_attribute_was_deleted_then(raw: dict[str, Any], kind: str) -> None:
    (one,) = given(speed=[raw])
    assert (one.deleted, one.kind) == (True, kind)
    assert one.instance == {"type": kind, "observedAt": T1}


def test_scopes_are_paths_or_instances_of_paths() -> None:
    (plain,) = given(scope=["/A/B", "/C"])
    assert (plain.kind, plain.instance) == ("Scope", {"value": ["/A/B", "/C"]})
    first, second, gone = given(
        scope=[property_("/A"), property_(["/B", "/C"], T2), property_([], "2026-03-02T00:00:00Z")]
    )
    assert first.instance == {"value": "/A", "observedAt": T1}
    assert second.instance["value"] == ["/B", "/C"]
    assert gone.deleted


def test_types_may_be_several() -> None:
    assert evolution({"id": ID, "type": ["Bus", "Car"], "a": 1}, CORE).types == ("Bus", "Car")


def test_a_fragment_needs_neither_id_nor_type() -> None:
    found = evolution({"speed": 5}, CORE, entity_id=ID, fragment=True)
    assert (found.id, found.types, len(found.given)) == (None, (), 1)


def test_an_empty_array_tells_nothing_but_is_no_fault() -> None:
    assert [one.attribute for one in given(speed=[], fuel=[property_(1)])] == ["fuel"]


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({}, "no attribute"),
        ({"speed": []}, "no attribute"),
        ({"speed": [property_(1, "2026-03-01T08:00:00+09:00")]}, "observedAt"),
        ({"speed": [property_(1), 2]}, "mixes"),
        ({"speed": [{"type": "Property", "object": NULL}]}, "cannot have the member object"),
        ({"speed": NULL}, "only allowed where it deletes"),
        ({"expiresAt": NULL, "speed": 1}, "expiresAt"),
        ({"observedAt": T1, "speed": 1}, "observedAt"),
        ({"location": property_(1)}, "GeoProperty"),
        ({"scope": "/1bad"}, "scope"),
        ({"scope": [property_("/A", unitCode="KMH")]}, "unitCode"),
        ({"scope": ["/A", {"type": "Relationship", "object": "urn:a:1"}]}, "scope"),
        ({"speed": [{"type": "Property"}]}, "must have the member value"),
        ({"speed": 1, "ngsi-ld:default-context/speed": 2}, "twice"),
    ],
)
def test_bad_input_is_refused_with_a_reason(members: dict[str, Any], reason: str) -> None:
    with pytest.raises(BadRequestData, match=reason):
        told(**members)


@pytest.mark.parametrize("raw", [[], "x", None, {"type": "Vehicle"}, {"id": "no uri", "type": "V"}])
def test_what_is_no_entity_is_refused(raw: Any) -> None:
    with pytest.raises(BadRequestData):
        evolution(raw, CORE)


def test_the_body_and_the_path_must_agree() -> None:
    with pytest.raises(BadRequestData, match="the request is about"):
        evolution({"id": "urn:other", "speed": 1}, CORE, entity_id=ID, fragment=True)


def test_a_part_of_an_instance_is_the_members_to_change() -> None:
    assert part({"value": 6}, "speed", CORE) == {"value": 6}
    assert part({"type": "Property", "value": 6, "observedAt": T1}, "speed", CORE) == {
        "type": "Property", "value": 6, "observedAt": T1,
    }  # fmt: skip
    assert part(property_("/A/B"), "scope", CORE) == {"value": "/A/B", "observedAt": T1}


@pytest.mark.parametrize(
    "raw", [{}, [], {"type": "Property"}, {"value": NULL}, {"value": 1, "observedAt": "soon"}]
)
def test_a_part_that_changes_nothing_or_breaks_the_model_is_refused(raw: Any) -> None:
    with pytest.raises(BadRequestData):
        part(raw, "speed", CORE)

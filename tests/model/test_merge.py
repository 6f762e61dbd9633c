"""What operations make of entities: attributes, types, scope, expiry and system times."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.model import merge, normalize, time
from madang.model.attributes import NULL, instances
from madang.model.context import CORE
from madang.model.entity import CHILD, INSTANCE, Entity, Stamp, path_of
from madang.model.errors import BadRequestData, NgsiError, ResourceNotFound
from madang.model.normalize import Normalized
from madang.model.state import State
from tests import strategies

T0, T1, T2 = 1_000, 2_000, 3_000
ID = "urn:ngsi-ld:Vehicle:1"
A, B = strategies.DATASETS
SOON, LATER = "2030-01-01T00:00:00Z", "2031-01-01T00:00:00Z"
AT_SOON, AT_LATER = time.parse(SOON), time.parse(LATER)
POINT = {"type": "Point", "coordinates": [8.0, 49.0]}


def prop(value: Any, **members: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value, **members}


def born(**members: Any) -> Entity:
    raw = {"id": ID, "type": "Vehicle", **copy.deepcopy(members)}
    return changed(merge.create(normalize.entity(raw, CORE), T0))


def changed(outcome: merge.Outcome) -> Entity:
    assert outcome.entity is not None
    return outcome.entity


def to_update(**members: Any) -> Normalized:
    return normalize.entity(copy.deepcopy(members), CORE, fragment=True, nulls=True)


def to_append(**members: Any) -> Normalized:
    return normalize.entity(copy.deepcopy(members), CORE, fragment=True)


def to_merge(simplified: bool = False, **members: Any) -> Normalized:
    return normalize.entity(copy.deepcopy(members), CORE, merge=True, simplified=simplified)


def to_patch(raw: dict[str, Any], name: str = "speed") -> Normalized:
    return normalize.attribute(copy.deepcopy(raw), name, CORE, partial=True)


def attributes(entity: Entity) -> dict[str, Any]:
    return {name: part for name, part in entity.document.items() if name not in ("id", "type")}


# --- create and replace --------------------------------------------------------------------------


def test_a_new_entity_has_one_time_and_no_stamps() -> None:
    outcome = merge.create(normalize.entity({"id": ID, "type": "Car", "speed": 5}, CORE), T0)
    entity = changed(outcome)
    assert (entity.created, entity.modified, entity.written) == (T0, T0, T0)
    assert entity.times == {}
    assert outcome.updated == ("speed",)


def test_a_new_entity_keeps_the_expiry_of_each_instance() -> None:
    entity = born(expiresAt=LATER, speed=prop(1, expiresAt=SOON, accuracy=prop(2, expiresAt=LATER)))
    assert entity.expires == AT_LATER
    assert entity.times == {
        "speed": Stamp(T0, T0, AT_SOON),
        f"speed{CHILD}accuracy": Stamp(T0, T0, AT_LATER),
    }


def test_replacing_an_entity_keeps_only_when_it_was_created() -> None:
    old = born(
        expiresAt=LATER, speed=[prop(1), prop(2, datasetId=A)], brandName=prop("x"), scope="/a"
    )
    content = normalize.entity({"id": ID, "type": "Bus", "speed": prop(3), "level": prop(1)}, CORE)
    outcome = merge.replace(old, content, T1)
    entity = changed(outcome)
    assert entity.document == {"id": ID, "type": "Bus", "speed": prop(3), "level": prop(1)}
    assert (entity.created, entity.modified, entity.expires) == (T0, T1, None)
    assert entity.stamp("speed") == Stamp(T1, T1)
    assert outcome.deleted == ("brandName", "scope", f"speed{INSTANCE}{A}")


# --- append and update ---------------------------------------------------------------------------


@pytest.mark.parametrize("operation", [merge.append, merge.update])
def test_an_attribute_is_replaced_whole_and_stays_as_old_as_it_is(
    operation: Callable[..., merge.Outcome],
) -> None:
    old = born(speed=prop(1, unitCode="KMH"), brandName=prop("x"))
    outcome = operation(old, to_append(speed=prop(2), level=prop(7)), T1)
    entity = changed(outcome)
    assert attributes(entity) == {"speed": prop(2), "brandName": prop("x"), "level": prop(7)}
    assert entity.stamp("speed") == Stamp(T0, T1)
    assert entity.stamp("brandName") == Stamp(T0, T0)
    assert entity.stamp("level") == Stamp(T1, T1)
    assert (entity.created, entity.modified) == (T0, T1)
    assert outcome.updated == ("speed", "level")


@pytest.mark.parametrize("operation", [merge.append, merge.update])
def test_an_attribute_may_change_its_type(operation: Callable[..., merge.Outcome]) -> None:
    outcome = operation(born(speed=prop(1)), to_append(speed={"object": ID}), T1)
    assert attributes(changed(outcome)) == {"speed": {"type": "Relationship", "object": ID}}


@pytest.mark.parametrize("operation", [merge.append, merge.update])
def test_instances_are_matched_by_dataset(operation: Callable[..., merge.Outcome]) -> None:
    old = born(speed=[prop(1), prop(2, datasetId=A)])
    given = [prop(3, datasetId=A), prop(4, datasetId=B)]
    outcome = operation(old, to_append(speed=given), T1)
    entity = changed(outcome)
    assert entity.document["speed"] == [prop(1), *given]
    assert entity.stamp("speed") == Stamp(T0, T0)
    assert entity.stamp(f"speed{INSTANCE}{A}") == Stamp(T0, T1)
    assert entity.stamp(f"speed{INSTANCE}{B}") == Stamp(T1, T1)
    assert outcome.updated == ("speed",)


def test_nothing_is_overwritten_when_told_not_to() -> None:
    old = born(speed=prop(1), level=[prop(1), prop(2, datasetId=A)])
    given = to_append(speed=prop(9), owner=prop("me"), level=[prop(9), prop(8, datasetId=B)])
    outcome = merge.append(old, given, T1, overwrite=False)
    assert attributes(changed(outcome)) == {
        "speed": prop(1),
        "level": [prop(1), prop(2, datasetId=A), prop(8, datasetId=B)],
        "owner": prop("me"),
    }
    assert outcome.updated == ("owner", "level")
    assert [name for name, _ in outcome.not_updated] == ["speed", "level"]


@pytest.mark.parametrize("operation", [merge.append, merge.update, merge.merge])
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("Car", ["Vehicle", "Car"]),
        (["Car", "Bus"], ["Vehicle", "Car", "Bus"]),
        ("Vehicle", "Vehicle"),
        (["Vehicle", "Car"], ["Vehicle", "Car"]),
    ],
)
def test_types_are_united(
    operation: Callable[..., merge.Outcome], given: Any, expected: Any
) -> None:
    outcome = operation(born(speed=prop(1)), to_append(type=given), T1)
    assert changed(outcome).document["type"] == expected
    assert outcome.updated == ()


@pytest.mark.parametrize(
    ("old", "overwrite", "expected"),
    [
        ({}, True, "/b"),
        ({}, False, "/b"),
        ({"scope": "/a"}, True, "/b"),
        ({"scope": "/a"}, False, ["/a", "/b"]),
        ({"scope": ["/a", "/b"]}, False, ["/a", "/b"]),
    ],
)
def test_an_appended_scope_replaces_or_joins(old: Any, overwrite: bool, expected: Any) -> None:
    outcome = merge.append(born(**old), to_append(scope="/b"), T1, overwrite=overwrite)
    assert changed(outcome).document["scope"] == expected
    assert outcome.not_updated == []


def test_a_scope_is_updated_only_where_there_is_one() -> None:
    outcome = merge.update(born(scope="/a"), to_update(scope="/b"), T1)
    assert changed(outcome).document["scope"] == "/b"
    assert outcome.updated == ("scope",)
    old = born()
    outcome = merge.update(old, to_update(scope="/b"), T1)
    assert outcome.entity is old
    assert [name for name, _ in outcome.not_updated] == ["scope"]


def test_null_deletes_the_instance_it_names() -> None:
    old = born(speed=[prop(1), prop(2, datasetId=A)], level=prop(1))
    outcome = merge.update(old, to_update(speed=prop(NULL, datasetId=A), level=NULL), T1)
    assert attributes(changed(outcome)) == {"speed": prop(1)}
    assert outcome.deleted == (f"speed{INSTANCE}{A}", "level")
    assert outcome.updated == ()


def test_null_for_what_is_not_there_is_reported() -> None:
    old = born(speed=prop(1))
    outcome = merge.update(old, to_update(level=NULL), T1)
    assert outcome.entity is old
    assert [name for name, _ in outcome.not_updated] == ["level"]


def test_sub_attributes_of_a_replaced_attribute_keep_their_age_or_go() -> None:
    old = born(speed=prop(1, source=prop("a"), accuracy=prop(1)))
    once = changed(
        merge.update(old, to_update(speed=prop(2, source=prop("b"), checkedBy=prop(1))), T1)
    )
    path = f"speed{CHILD}"
    assert once.times[path + "source"] == Stamp(T0, T1)
    assert once.times[path + "checkedBy"] == Stamp(T1, T1)
    again = changed(merge.update(once, to_update(speed=prop(3)), T2))
    assert again.times == {"speed": Stamp(T0, T2)}


def test_replacing_an_attribute_drops_its_expiry() -> None:
    old = born(speed=prop(1, expiresAt=SOON), level=prop(1, expiresAt=SOON))
    given = to_update(speed=prop(2), level=prop(2, expiresAt=LATER))
    entity = changed(merge.update(old, given, T1))
    assert entity.times == {"speed": Stamp(T0, T1), "level": Stamp(T0, T1, AT_LATER)}


def test_an_entity_keeps_its_expiry_until_given_another() -> None:
    old = born(expiresAt=SOON, speed=prop(1))
    assert changed(merge.append(old, to_append(speed=prop(2)), T1)).expires == AT_SOON
    assert changed(merge.append(old, to_append(expiresAt=LATER), T1)).expires == AT_LATER
    assert changed(merge.update(old, to_update(expiresAt=NULL), T1)).expires is None


# --- one attribute -------------------------------------------------------------------------------


def test_a_partial_update_changes_the_given_members_only() -> None:
    old = born(speed=prop(25, unitCode="KMH", observedAt=SOON, source=prop("GPS")))
    outcome = merge.partial(old, to_patch({"value": 100, "accuracy": prop(1)}), T1)
    entity = changed(outcome)
    assert entity.document["speed"] == prop(
        100, unitCode="KMH", observedAt=SOON, source=prop("GPS"), accuracy=prop(1)
    )
    assert entity.times == {"speed": Stamp(T0, T1), f"speed{CHILD}accuracy": Stamp(T1, T1)}
    assert outcome.updated == ("speed",)


def test_a_partial_update_replaces_a_language_map_whole() -> None:
    old = born(speed={"languageMap": {"fr": "a", "nl": "b"}})
    entity = changed(merge.partial(old, to_patch({"languageMap": {"fr": "c"}}), T1))
    assert entity.document["speed"] == {"type": "LanguageProperty", "languageMap": {"fr": "c"}}


def test_a_partial_update_finds_its_instance_by_dataset() -> None:
    old = born(speed=[prop(1, datasetId=A), prop(2, datasetId=B)])
    entity = changed(merge.partial(old, to_patch({"value": 5, "datasetId": B}), T1))
    assert entity.document["speed"] == [prop(1, datasetId=A), prop(5, datasetId=B)]
    with pytest.raises(ResourceNotFound, match="default instance"):
        merge.partial(old, to_patch({"value": 5}), T1)
    with pytest.raises(ResourceNotFound, match="urn:x:y"):
        merge.partial(old, to_patch({"value": 5, "datasetId": "urn:x:y"}), T1)
    with pytest.raises(ResourceNotFound, match="level"):
        merge.partial(old, to_patch({"value": 5}, "level"), T1)


@pytest.mark.parametrize(
    "raw",
    [
        {"type": "Relationship", "object": ID},
        {"object": ID},
        {"type": "Relationship", "expiresAt": LATER},
        {"type": "Relationship"},
        {"objectType": "Car"},
    ],
)
def test_a_partial_update_keeps_the_type(raw: dict[str, Any]) -> None:
    with pytest.raises(BadRequestData, match="speed is a Property"):
        merge.partial(born(speed=prop(1)), to_patch(raw), T1)


def test_a_partial_update_of_a_place_must_be_a_place() -> None:
    old = born(location=POINT)
    with pytest.raises(BadRequestData, match="location"):
        merge.partial(old, to_patch({"value": 5}, "location"), T1)
    other = {"type": "Point", "coordinates": [1, 2]}
    entity = changed(merge.partial(old, to_patch({"value": other}, "location"), T1))
    assert entity.document["location"] == {"type": "GeoProperty", "value": other}


@pytest.mark.parametrize("raw", [{"value": NULL}, prop(NULL)])
def test_a_partial_update_with_null_deletes_the_instance(raw: dict[str, Any]) -> None:
    old = born(speed=[prop(1), prop(2, datasetId=A)])
    outcome = merge.partial(old, to_patch(raw), T1)
    assert changed(outcome).document["speed"] == prop(2, datasetId=A)
    assert outcome.deleted == ("speed",)


def test_a_partial_update_with_null_deletes_members() -> None:
    old = born(speed=prop(1, unitCode="KMH", source=prop("a", expiresAt=SOON)))
    entity = changed(merge.partial(old, to_patch({"unitCode": NULL, "source": NULL}), T1))
    assert entity.document["speed"] == prop(1)
    assert entity.times == {"speed": Stamp(T0, T1)}


def test_expiry_outlives_a_partial_update_and_can_be_changed_alone() -> None:
    old = born(speed=prop(1, expiresAt=SOON))
    kept = changed(merge.partial(old, to_patch({"value": 2}), T1))
    assert kept.times["speed"] == Stamp(T0, T1, AT_SOON)
    outcome = merge.partial(old, to_patch({"expiresAt": LATER}), T1)
    assert changed(outcome).times["speed"] == Stamp(T0, T0, AT_LATER)
    assert outcome.updated == ()


def test_a_replaced_attribute_keeps_when_it_was_created() -> None:
    old = born(speed=[prop(1, unitCode="KMH"), prop(2, datasetId=A)])
    content = normalize.attribute({"object": ID}, "speed", CORE)
    entity = changed(merge.replace_attribute(old, content, T1))
    expected = [{"type": "Relationship", "object": ID}, prop(2, datasetId=A)]
    assert entity.document["speed"] == expected
    assert entity.stamp("speed") == Stamp(T0, T1)
    for name, raw in (("level", {"value": 1}), ("speed", {"value": 1, "datasetId": B})):
        with pytest.raises(ResourceNotFound):
            merge.replace_attribute(old, normalize.attribute(raw, name, CORE), T1)


@pytest.mark.parametrize(
    ("dataset", "delete_all", "left", "deleted"),
    [
        (None, False, [prop(2, datasetId=A), prop(3, datasetId=B)], ("speed",)),
        ("@none", False, [prop(2, datasetId=A), prop(3, datasetId=B)], ("speed",)),
        (A, False, [prop(1), prop(3, datasetId=B)], (f"speed{INSTANCE}{A}",)),
        (None, True, None, ("speed", f"speed{INSTANCE}{A}", f"speed{INSTANCE}{B}")),
    ],
)
def test_the_named_instances_are_deleted(
    dataset: str | None, delete_all: bool, left: Any, deleted: tuple[str, ...]
) -> None:
    old = born(speed=[prop(1), prop(2, datasetId=A), prop(3, datasetId=B)])
    outcome = merge.delete_attribute(old, "speed", dataset, delete_all, T1)
    entity = changed(outcome)
    assert entity.document.get("speed") == left
    assert entity.modified == T1
    assert outcome.deleted == deleted


def test_a_scope_can_be_deleted_once() -> None:
    entity = changed(merge.delete_attribute(born(scope="/a"), "scope", None, False, T1))
    assert "scope" not in entity.document
    with pytest.raises(ResourceNotFound):
        merge.delete_attribute(entity, "scope", None, False, T2)


def test_what_is_not_there_cannot_be_deleted() -> None:
    old = born(speed=prop(1, datasetId=A))
    for name, dataset in (("level", None), ("speed", None), ("speed", B)):
        with pytest.raises(ResourceNotFound):
            merge.delete_attribute(old, name, dataset, False, T1)
    with pytest.raises(BadRequestData):
        merge.delete_attribute(old, "id", None, False, T1)


# --- merge ---------------------------------------------------------------------------------------


def test_a_merge_changes_what_is_given_and_keeps_the_rest() -> None:
    old = born(speed=prop(4, unitCode="C62", observedAt=SOON, source=prop("a")), level=prop(1))
    given = to_merge(speed=prop(1, observedAt=LATER, source={"unitCode": "X"}), owner=prop("me"))
    outcome = merge.merge(old, given, T1)
    entity = changed(outcome)
    assert attributes(entity) == {
        "speed": prop(1, unitCode="C62", observedAt=LATER, source=prop("a", unitCode="X")),
        "level": prop(1),
        "owner": prop("me"),
    }
    assert outcome.updated == ("speed", "owner")
    assert entity.times == {
        "speed": Stamp(T0, T1),
        f"speed{CHILD}source": Stamp(T0, T1),
        "owner": Stamp(T1, T1),
    }


def test_a_merge_goes_into_objects_and_null_takes_members_out() -> None:
    old = born(
        address=prop({"street": "17. Juni", "city": "Berlin", "geo": {"a": 1, "b": 2}}),
        name={"languageMap": {"en": "x", "fr": "y"}},
        raw={"json": {"a": 1, "b": None}},
    )
    given = to_merge(
        address=prop(
            {"street": "Platz", "city": NULL, "geo": {"b": NULL}, "n": {"x": NULL, "y": 1}}
        ),
        name={"languageMap": {"en": NULL, "ko": "z"}},
        raw={"json": {"c": None}},
    )
    assert attributes(changed(merge.merge(old, given, T1))) == {
        "address": prop({"street": "Platz", "geo": {"a": 1}, "n": {"y": 1}}),
        "name": {"type": "LanguageProperty", "languageMap": {"fr": "y", "ko": "z"}},
        "raw": {"type": "JsonProperty", "json": {"a": 1, "b": None, "c": None}},
    }


def test_a_merge_replaces_a_geometry_whole() -> None:
    line = {"type": "LineString", "coordinates": [[0, 0], [1, 1]]}
    entity = changed(
        merge.merge(born(location={**POINT, "bbox": [8, 49, 8, 49]}), to_merge(location=line), T1)
    )
    assert entity.document["location"] == {"type": "GeoProperty", "value": line}


def test_null_in_a_merge_deletes_attributes_instances_subs_members_and_scope() -> None:
    old = born(
        scope="/a",
        speed=[prop(1), prop(2, datasetId=A)],
        level=prop(1, unitCode="X", source=prop("a")),
        owner=prop("me"),
    )
    given = to_merge(
        scope=NULL,
        speed=prop(NULL, datasetId=A),
        level={"unitCode": NULL, "source": NULL},
        owner=NULL,
        status=NULL,
    )
    outcome = merge.merge(old, given, T1)
    assert attributes(changed(outcome)) == {"speed": prop(1), "level": prop(1)}
    assert outcome.deleted == ("scope", f"speed{INSTANCE}{A}", "owner")
    assert outcome.updated == ("level",)


def test_nulls_are_left_out_of_what_a_merge_adds() -> None:
    given = to_merge(speed=prop({"a": NULL, "b": 1}, source=NULL, unitCode=NULL))
    assert attributes(changed(merge.merge(born(), given, T1))) == {"speed": prop({"b": 1})}


def test_a_merge_cannot_add_an_attribute_without_value() -> None:
    for part in ({"unitCode": "KMH"}, {"type": "Property", "unitCode": "KMH"}):
        with pytest.raises(BadRequestData, match="speed"):
            merge.merge(born(), to_merge(speed=part), T1)


def test_a_merge_can_change_the_type_but_not_of_a_place() -> None:
    old = born(speed=prop(1, unitCode="KMH", source=prop("a")), location=POINT)
    given = to_merge(speed={"type": "Relationship", "object": ID})
    assert changed(merge.merge(old, given, T1)).document["speed"] == {
        "type": "Relationship",
        "object": ID,
        "source": prop("a"),
    }
    with pytest.raises(BadRequestData, match="location"):
        merge.merge(old, to_merge(location={"type": "Relationship", "object": ID}), T1)


def test_a_merge_must_leave_an_attribute_whole() -> None:
    old = born(speed=prop(1), name={"languageMap": {"en": "x"}})
    with pytest.raises(BadRequestData, match="speed"):
        merge.merge(old, to_merge(speed={"type": "Relationship", "observedAt": SOON}), T1)
    with pytest.raises(BadRequestData, match="language"):
        merge.merge(old, to_merge(name={"languageMap": {"en": NULL}}), T1)
    with pytest.raises(BadRequestData, match="objectType"):
        merge.merge(old, to_merge(speed={"objectType": "Car"}), T1)


def test_the_time_of_the_request_is_for_attributes_without_their_own() -> None:
    old = born(speed=prop(1, observedAt="2020-01-01T00:00:00Z"), level=prop(1))
    given = to_merge(speed=prop(2), level=prop(2, observedAt=SOON))
    entity = changed(merge.merge(old, given, T1, observed_at=LATER))
    assert entity.document["speed"] == prop(2, observedAt=LATER)
    assert entity.document["level"] == prop(2, observedAt=SOON)
    with pytest.raises(BadRequestData, match="observedAt"):
        merge.merge(old, given, T1, observed_at="now")


def test_the_language_of_the_request_is_for_texts_that_meet_a_language_map() -> None:
    old = born(name={"languageMap": {"en": "x"}}, speed=prop("a"))
    entity = changed(merge.merge(old, to_merge(name="y", speed="b"), T1, lang="fr"))
    assert entity.document["name"]["languageMap"] == {"en": "x", "fr": "y"}
    assert entity.document["speed"] == prop("b")


def test_simplified_values_take_the_type_they_meet() -> None:
    old = born(
        speed=prop(1),
        owner={"object": ID},
        route={"objectList": [ID]},
        depths={"valueList": [1]},
        raw={"json": {"a": 1}},
        name={"languageMap": {"en": "x"}},
        location=POINT,
    )
    other = "urn:ngsi-ld:Vehicle:2"
    place = {"type": "Point", "coordinates": [1, 2]}
    given = to_merge(
        simplified=True,
        speed=2,
        owner=other,
        route=[other],
        depths=[2],
        raw={"json": {"b": 2}},
        name={"languageMap": {"ko": "y"}},
        location=place,
        status="new",
    )
    assert attributes(changed(merge.merge(old, given, T1))) == {
        "speed": prop(2),
        "owner": {"type": "Relationship", "object": other},
        "route": {"type": "ListRelationship", "objectList": [{"object": other}]},
        "depths": {"type": "ListProperty", "valueList": [2]},
        "raw": {"type": "JsonProperty", "json": {"a": 1, "b": 2}},
        "name": {"type": "LanguageProperty", "languageMap": {"en": "x", "ko": "y"}},
        "location": {"type": "GeoProperty", "value": place},
        "status": prop("new"),
    }
    with pytest.raises(BadRequestData, match="owner"):
        merge.merge(old, to_merge(simplified=True, owner="no uri"), T1)


def test_expiry_outlives_a_merge_and_can_be_changed_alone() -> None:
    old = born(speed=prop(1, expiresAt=SOON))
    assert changed(merge.merge(old, to_merge(speed=prop(2)), T1)).times["speed"].expires == AT_SOON
    outcome = merge.merge(old, to_merge(expiresAt=SOON, speed={"expiresAt": LATER}), T1)
    entity = changed(outcome)
    assert (entity.expires, entity.times["speed"]) == (AT_SOON, Stamp(T0, T0, AT_LATER))
    assert outcome.updated == ()
    assert changed(merge.merge(entity, to_merge(speed={"expiresAt": NULL}), T2)).times == {
        "speed": Stamp(T0, T0)
    }


# --- expiry --------------------------------------------------------------------------------------


def test_an_entity_past_its_time_is_gone() -> None:
    entity = born(expiresAt=SOON, speed=prop(1))
    assert merge.earliest_expiry(entity) == AT_SOON
    assert merge.without_expired(entity, AT_SOON - 1) is entity
    assert merge.without_expired(entity, AT_SOON) is None


def test_expired_instances_and_sub_attributes_go_and_the_others_stay() -> None:
    entity = born(
        speed=[prop(1), prop(2, datasetId=A, expiresAt=SOON)],
        level=prop(1, expiresAt=SOON, source=prop(1, expiresAt=SOON)),
        owner=prop(1, expiresAt=LATER, source=prop(1, expiresAt=SOON)),
    )
    assert merge.earliest_expiry(entity) == AT_SOON
    left = merge.without_expired(entity, AT_SOON)
    assert left is not None
    assert attributes(left) == {"speed": prop(1), "owner": prop(1)}
    assert left.times == {"owner": Stamp(T0, T0, AT_LATER)}


def test_nothing_expires_in_an_entity_without_expiry() -> None:
    assert merge.earliest_expiry(born(speed=prop(1))) is None


# --- properties ----------------------------------------------------------------------------------


@st.composite
def operations(draw: st.DrawFn) -> Callable[[Entity], merge.Outcome]:
    """Draw an operation with what it needs."""
    raw = draw(strategies.fragments())
    name = draw(st.sampled_from(strategies.NAMES))
    instance = draw(strategies.instances())
    dataset = draw(st.sampled_from((None, *strategies.DATASETS)))
    if dataset is not None:
        instance["datasetId"] = dataset
    choices: dict[str, Callable[[Entity], merge.Outcome]] = {
        "append": lambda old: merge.append(old, to_append(**raw), T1),
        "keep": lambda old: merge.append(old, to_append(**raw), T1, overwrite=False),
        "update": lambda old: merge.update(old, to_update(**raw), T1),
        "merge": lambda old: merge.merge(old, to_merge(**raw), T1),
        "partial": lambda old: merge.partial(old, to_patch(instance, name), T1),
        "put": lambda old: merge.replace_attribute(
            old, normalize.attribute(copy.deepcopy(instance), name, CORE), T1
        ),
        "delete": lambda old: merge.delete_attribute(old, name, dataset, False, T1),
        "delete all": lambda old: merge.delete_attribute(old, name, None, True, T1),
    }
    return choices[draw(st.sampled_from(sorted(choices)))]


def existing(raw: dict[str, Any]) -> Entity:
    return changed(merge.create(normalize.entity(raw, CORE), T0))


@given(strategies.entities(), operations())
def test_operations_change_nothing_but_their_outcome(
    raw: dict[str, Any], operation: Callable[[Entity], merge.Outcome]
) -> None:
    old = existing(raw)
    before = copy.deepcopy(old)
    try:
        outcome = operation(old)
    except NgsiError:
        assert old == before
        return
    assert old == before
    assert (outcome.entity is old) == (
        not (outcome.updated or outcome.deleted) and outcome.entity == old
    )


@given(strategies.entities(), operations())
def test_every_outcome_is_a_sound_entity(
    raw: dict[str, Any], operation: Callable[[Entity], merge.Outcome]
) -> None:
    try:
        entity = changed(operation(existing(raw)))
    except NgsiError:
        return
    again = normalize.entity(copy.deepcopy(entity.document), CORE).document
    assert again == entity.document
    paths = set(stamped(entity.document))
    assert set(entity.times) <= paths
    for stamp in entity.times.values():
        assert T0 <= stamp.created <= stamp.modified <= entity.modified <= T1


def stamped(holder: dict[str, Any], parent: str = "") -> list[str]:
    """Return the paths of all instances in a document."""
    found = []
    for name, attribute in holder.items():
        for instance in instances(attribute) if isinstance(attribute, dict | list) else []:
            if isinstance(instance, dict) and "type" in instance and name not in ("value", "json"):
                own = path_of(name, instance, parent)
                found += [own, *stamped(instance, own)]
    return found


@given(strategies.entities())
def test_merging_nothing_changes_nothing(raw: dict[str, Any]) -> None:
    old = existing(raw)
    for operation in (merge.merge, merge.update, merge.append):
        assert operation(old, to_merge(), T1).entity is old


@given(strategies.entities(expiring=False))
def test_an_entity_merged_or_appended_into_itself_is_the_same_document(raw: dict[str, Any]) -> None:
    old = existing(copy.deepcopy(raw))
    assert changed(merge.merge(old, to_merge(**raw), T1)).document == raw
    assert changed(merge.append(old, to_append(**raw), T1)).document == raw


@given(strategies.entities(), strategies.fragments())
def test_the_short_way_of_writing_agrees_with_the_general_one(
    raw: dict[str, Any], given: dict[str, Any]
) -> None:
    old = existing(raw)
    short = merge.append(old, to_append(**given), T1)
    state = State(old, to_append(**given), T1)
    for name, attribute in to_append(**given).document.items():
        state.write(name, attribute, True)
    general = state.outcome()
    assert short == general


@given(strategies.entities())
def test_what_expires_leaves_a_sound_entity_behind(raw: dict[str, Any]) -> None:
    entity = existing(raw)
    for second in (0, 10, 30, 59):
        now = time.parse(f"2026-01-15T10:20:{second:02d}Z")
        left = merge.without_expired(entity, now)
        assert left is not None
        earliest = merge.earliest_expiry(left)
        assert earliest is None or earliest > now
        assert set(left.times) <= set(stamped(left.document))

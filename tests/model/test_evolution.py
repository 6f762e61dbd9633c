"""The past of an entity as clients see it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.lake.questions import Aggregate, Instance, Past
from madang.model.attributes import NULL, VALUE_MEMBER
from madang.model.context import CORE, build
from madang.model.evolution import PLURAL, aggregated, normalized, simplified
from madang.model.time import parse
from madang.model.view import PLAIN, View
from madang.query import projection

ID = "urn:ngsi-ld:Vehicle:1"
MORNING, NOON, NIGHT = map(
    parse, ("2026-03-01T08:00:00Z", "2026-03-01T12:00:00Z", "2026-03-01T22:00:00.5Z")
)
NAMES = build(
    {"velocity": "https://example.org/speed", "Car": "https://example.org/Car"}, lambda url: {}
)


def instance(value: Any, time: int = MORNING, **members: Any) -> Instance:
    given = {
        "entity": ID, "type": "Vehicle", "attribute": "speed", "dataset": None, "kind": "Property",
        "time": time, "observed": True, "value": value, "unit": None, "more": None,
        "deleted": False, "created": NOON, "modified": None, "seq": 7,
    }  # fmt: skip
    return Instance(**{**given, **members})


def past(*instances: Instance, **members: Any) -> Past:
    given = {"types": ("Vehicle",), "created": NOON, "modified": NIGHT, "deleted": None}
    return Past(ID, instances=list(instances), **{**given, **members})


def picked(text: str) -> View:
    return View(pick=projection.parse(text, CORE, "pick"))


def omitted(text: str) -> View:
    return View(omit=projection.parse(text, CORE, "omit"))


# --- instance by instance ----------------------------------------------------------------------


def test_every_attribute_is_an_array_of_instances_with_ids() -> None:
    one = instance(50, unit="KMH")
    assert normalized(past(one), PLAIN, CORE) == {
        "id": ID,
        "type": "Vehicle",
        "speed": [
            {
                "type": "Property",
                "value": 50,
                "unitCode": "KMH",
                "instanceId": one.id,
                "observedAt": "2026-03-01T08:00:00Z",
            }
        ],
    }


def test_names_are_those_of_the_context() -> None:
    name = "https://example.org/speed"
    one = instance(50, attribute=name, more={name: {"type": "Property", "value": 1}})
    body = normalized(past(one, types=("https://example.org/Car", "Bus")), PLAIN, NAMES)
    assert body is not None
    assert body["type"] == ["Car", "Bus"]
    assert body["velocity"][0]["velocity"] == {"type": "Property", "value": 1}


def test_what_was_not_observed_has_no_observed_at() -> None:
    body = normalized(past(instance(1, observed=False)), PLAIN, CORE)
    assert body is not None
    assert "observedAt" not in body["speed"][0]


def test_system_times_are_of_the_instance_and_of_the_entity() -> None:
    changed = instance(1, modified=NIGHT)
    body = normalized(past(instance(2), changed), View(sys_attrs=True), CORE)
    assert body is not None
    assert (body["createdAt"], body["modifiedAt"]) == (
        "2026-03-01T12:00:00Z",
        "2026-03-01T22:00:00.500Z",
    )
    assert [one["modifiedAt"] for one in body["speed"]] == [
        "2026-03-01T12:00:00Z",
        "2026-03-01T22:00:00.500Z",
    ]


@pytest.mark.parametrize(
    ("kind", "member", "null"),
    [
        ("Property", "value", NULL),
        ("Relationship", "object", NULL),
        ("LanguageProperty", "languageMap", {"@none": NULL}),
        ("VocabProperty", "vocab", NULL),
        ("JsonProperty", "json", NULL),
        ("Scope", "value", []),
    ],
)
def test_a_deleted_instance_is_null_and_says_when(kind: str, member: str, null: Any) -> None:
    gone = instance(None, observed=False, kind=kind, deleted=True)
    body = normalized(past(gone), PLAIN, CORE)
    assert body is not None
    shown = body["speed"][0]
    assert shown[member] == null
    assert shown["deletedAt"] == "2026-03-01T12:00:00Z"
    assert "observedAt" not in shown


def test_a_deleted_entity_says_when() -> None:
    body = normalized(past(deleted=NIGHT), PLAIN, CORE)
    assert body == {"id": ID, "type": "Vehicle", "deletedAt": "2026-03-01T22:00:00.500Z"}


def test_a_scope_is_a_property_observed_when_it_was_set() -> None:
    scope = instance("/Seoul", attribute="scope", kind="Scope", observed=False, time=NOON)
    body = normalized(past(scope), View(sys_attrs=True), CORE)
    assert body is not None
    (shown,) = body["scope"]
    assert shown["type"] == "Property"
    assert shown["observedAt"] == shown["modifiedAt"] == "2026-03-01T12:00:00Z"


def test_a_language_filter_makes_texts_of_languages() -> None:
    one = instance({"en": "red", "ko": "빨강"}, kind="LanguageProperty")
    body = normalized(past(one), View(lang="ko"), CORE)
    assert body is not None
    assert (
        body["speed"][0] | {"type": "Property", "value": "빨강", "lang": "ko"} == body["speed"][0]
    )


def test_what_a_cut_left_nothing_of_is_listed_empty() -> None:
    outline = [instance(1, attribute="fuel"), instance(1)]
    body = normalized(past(instance(1)), PLAIN, CORE, outline)
    assert body is not None
    assert (body["fuel"], len(body["speed"])) == ([], 1)


def test_a_projection_keeps_members_or_drops_them() -> None:
    history = past(instance(1), instance(2, attribute="fuel"))
    assert set(normalized(history, picked("speed"), CORE) or {}) == {"speed"}
    assert set(normalized(history, picked("id,fuel"), CORE) or {}) == {"id", "fuel"}
    assert set(normalized(history, omitted("type,fuel"), CORE) or {}) == {"id", "speed"}
    assert set(normalized(history, View(attrs=frozenset({"fuel"})), CORE) or {}) == {
        "id", "type", "fuel",
    }  # fmt: skip


def test_a_projection_that_leaves_nothing_leaves_no_entity() -> None:
    assert normalized(past(instance(1)), picked("fuel"), CORE) is None
    assert simplified(past(instance(1)), omitted("id,type,speed"), CORE, "observedAt") is None


# --- pairs -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "value", "member", "shown"),
    [
        ("Property", 5, "values", 5),
        ("GeoProperty", {"type": "Point", "coordinates": [1, 2]}, "values", None),
        ("Relationship", "urn:a:1", "objects", "urn:a:1"),
        ("LanguageProperty", {"en": "a"}, "languageMaps", {"languageMap": {"en": "a"}}),
        ("VocabProperty", ["a", "b"], "vocabs", {"vocab": ["a", "b"]}),
        ("JsonProperty", {"a": 1}, "jsons", {"json": {"a": 1}}),
        ("ListProperty", [1, 2], "valueLists", [1, 2]),
        ("ListRelationship", [{"object": "urn:a:1"}], "objectLists", ["urn:a:1"]),
    ],
)
def test_a_series_is_pairs_of_value_and_time(
    kind: str, value: Any, member: str, shown: Any
) -> None:
    body = simplified(past(instance(value, kind=kind)), PLAIN, CORE, "observedAt")
    assert body is not None
    pair = [value if shown is None else shown, "2026-03-01T08:00:00Z"]
    assert body["speed"] == {"type": kind, member: [pair]}


def test_the_time_is_that_of_the_time_property() -> None:
    history = past(instance(5, modified=NIGHT))
    times = {}
    for by in ("observedAt", "createdAt", "modifiedAt"):
        body = simplified(history, PLAIN, CORE, by)
        assert body is not None
        times[by] = body["speed"]["values"][0][1]
    assert times == {
        "observedAt": "2026-03-01T08:00:00Z",
        "createdAt": "2026-03-01T12:00:00Z",
        "modifiedAt": "2026-03-01T22:00:00.500Z",
    }


def test_each_dataset_is_a_series_of_its_own() -> None:
    history = past(instance(5), instance(6, dataset="urn:d:1"), instance(7, dataset="urn:d:1"))
    body = simplified(history, PLAIN, CORE, "observedAt")
    assert body is not None
    assert [(one.get("datasetId"), len(one["values"])) for one in body["speed"]] == [
        (None, 1),
        ("urn:d:1", 2),
    ]


def test_a_language_filter_makes_plain_texts() -> None:
    one = instance({"en": "red", "ko": "빨강"}, kind="LanguageProperty")
    body = simplified(past(one), View(lang="en"), CORE, "observedAt")
    assert body is not None
    assert body["speed"] == {"type": "Property", "values": [["red", "2026-03-01T08:00:00Z"]]}


@pytest.mark.parametrize(
    ("kind", "member", "null"),
    [
        ("Property", "values", NULL),
        ("LanguageProperty", "languageMaps", {"languageMap": {"@none": NULL}}),
        ("ListRelationship", "objectLists", NULL),
        ("Scope", "values", []),
    ],
)
def test_a_deletion_is_a_pair_with_null(kind: str, member: str, null: Any) -> None:
    gone = instance(None, kind=kind, deleted=True)
    body = simplified(past(gone), PLAIN, CORE, "deletedAt")
    assert body is not None
    assert body["speed"][member] == [[null, "2026-03-01T12:00:00Z"]]


def test_a_series_that_was_cut_away_is_empty() -> None:
    body = simplified(past(), PLAIN, CORE, "observedAt", [instance("urn:a", kind="Relationship")])
    assert body is not None
    assert body["speed"] == {"type": "Relationship", "objects": []}


@given(st.sampled_from(sorted(VALUE_MEMBER)), st.integers(1, 20))
def test_no_instance_is_lost_on_the_way(kind: str, count: int) -> None:
    values: dict[str, Any] = {"LanguageProperty": {"en": "a"}, "ListRelationship": []}
    history = past(*(instance(values.get(kind, "v"), MORNING + n, kind=kind) for n in range(count)))
    pairs = simplified(history, PLAIN, CORE, "observedAt")
    whole = normalized(history, PLAIN, CORE)
    assert pairs is not None
    assert whole is not None
    assert len(pairs["speed"][PLURAL[VALUE_MEMBER[kind]]]) == len(whole["speed"]) == count


# --- aggregates --------------------------------------------------------------------------------


def aggregate(start: int, end: int, **members: Any) -> Aggregate:
    given = {"attribute": "speed", "dataset": None, "kind": "Property", "values": {"avg": 5.0}}
    return Aggregate(ID, ("Vehicle",), start=start, end=end, **{**given, **members})


def test_each_method_lists_its_periods() -> None:
    rows = [
        aggregate(MORNING, NOON, values={"avg": 5.0, "max": 7.0}),
        aggregate(NOON, NIGHT, values={"avg": 6.0, "max": 9.0}),
    ]
    assert aggregated(rows, PLAIN, CORE) == {
        "id": ID,
        "type": "Vehicle",
        "speed": {
            "type": "Property",
            "avg": [
                [5.0, "2026-03-01T08:00:00Z", "2026-03-01T12:00:00Z"],
                [6.0, "2026-03-01T12:00:00Z", "2026-03-01T22:00:00.500Z"],
            ],
            "max": [
                [7.0, "2026-03-01T08:00:00Z", "2026-03-01T12:00:00Z"],
                [9.0, "2026-03-01T12:00:00Z", "2026-03-01T22:00:00.500Z"],
            ],
        },
    }


def test_what_a_method_cannot_be_applied_to_is_left_out() -> None:
    rows = [
        aggregate(MORNING, NOON, attribute="color", values={"avg": None}),
        aggregate(MORNING, NOON, attribute="scope", kind="Scope", values={"avg": 1.0}),
        aggregate(MORNING, NOON),
    ]
    assert set(aggregated(rows, PLAIN, CORE) or {}) == {"id", "type", "speed"}

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.model.context import CORE, build
from madang.model.entity import INSTANCE, Entity, Stamp
from madang.model.representation import is_identity, render
from madang.model.view import View
from madang.query.projection import parse

CITY = build(
    {
        "speed": "https://example.org/speed",
        "Car": "https://example.org/Car",
        "slow": "https://e.org/slow",
    },
    lambda url: {},
)
"""A context in which ``speed``, ``Car`` and ``slow`` are words of a vocabulary of their own."""

ID = "urn:ngsi-ld:Car:1"


def entity(**attributes: Any) -> Entity:
    return Entity({"id": ID, "type": "Car", **attributes}, 0, 2_000_000, 1_000_000)


def test_the_default_view_in_the_core_context_changes_nothing() -> None:
    car = entity(speed={"type": "Property", "value": 5})
    assert is_identity(View(), CORE)
    assert render(car, View(), CORE) == car.document


def test_any_choice_or_context_of_ones_own_is_no_identity() -> None:
    assert not is_identity(View(), CITY)
    assert not is_identity(View(sys_attrs=True), CORE)
    assert not is_identity(View(format="concise"), CORE)


def test_names_are_those_of_the_context() -> None:
    car = Entity(
        {
            "id": ID,
            "type": ["https://example.org/Car", "Thing"],
            "https://example.org/speed": {
                "type": "VocabProperty",
                "vocab": ["https://e.org/slow", "other"],
                "https://example.org/speed": {
                    "type": "Relationship",
                    "object": "urn:x:1",
                    "objectType": "https://example.org/Car",
                },
            },
        },
        0, 0, 0,
    )  # fmt: skip
    assert render(car, View(), CITY) == {
        "id": ID,
        "type": ["Car", "Thing"],
        "speed": {
            "type": "VocabProperty",
            "vocab": ["slow", "other"],
            "speed": {"type": "Relationship", "object": "urn:x:1", "objectType": "Car"},
        },
    }


def test_a_default_name_that_the_context_maps_elsewhere_is_no_longer_a_short_one() -> None:
    body = render(entity(speed={"type": "Property", "value": 1}), View(), CITY)
    assert body is not None
    assert "ngsi-ld:default-context/speed" in body
    assert body["type"] == "ngsi-ld:default-context/Car"


def test_values_and_keys_inside_them_are_never_renamed() -> None:
    inside = {"https://example.org/speed": "https://example.org/speed"}
    body = render(
        entity(a={"type": "Property", "value": inside}, b={"type": "JsonProperty", "json": inside}),
        View(),
        CITY,
    )
    assert body is not None
    assert body["a"]["value"] == inside
    assert body["b"]["json"] == inside


def test_system_times_come_with_every_level_on_demand() -> None:
    sub = {"type": "Property", "value": 1}
    car = entity(
        speed=[
            {"type": "Property", "value": 5, "accuracy": sub},
            {"type": "Property", "value": 6, "datasetId": "urn:d:1"},
        ]
    )
    car.times = {f"speed{INSTANCE}urn:d:1": Stamp(3_000_000, 4_000_000, 5_000_000)}
    car.expires = 6_000_000
    body = render(car, View(sys_attrs=True), CORE)
    assert body is not None
    assert body["createdAt"] == "1970-01-01T00:00:00Z"
    assert body["modifiedAt"] == "1970-01-01T00:00:02Z"
    assert body["expiresAt"] == "1970-01-01T00:00:06Z"
    default, other = body["speed"]
    assert default["createdAt"] == default["accuracy"]["createdAt"] == "1970-01-01T00:00:01Z"
    assert other["modifiedAt"] == "1970-01-01T00:00:04Z"
    assert other["expiresAt"] == "1970-01-01T00:00:05Z"


CONCISE: list[tuple[dict[str, Any], Any]] = [
    ({"type": "Property", "value": 5}, 5),
    ({"type": "Property", "value": [1, 2]}, [1, 2]),
    ({"type": "Property", "value": {"a": 1}}, {"value": {"a": 1}}),
    ({"type": "Property", "value": [{"a": 1}]}, {"value": [{"a": 1}]}),
    ({"type": "Property", "value": 5, "unitCode": "KMH"}, {"value": 5, "unitCode": "KMH"}),
    (
        {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [1, 2]}},
        {"type": "Point", "coordinates": [1, 2]},
    ),
    (
        {"type": "Property", "value": {"type": "Point", "coordinates": [1, 2]}},
        {"type": "Property", "value": {"type": "Point", "coordinates": [1, 2]}},
    ),
    ({"type": "Relationship", "object": "urn:x:1"}, {"object": "urn:x:1"}),
    ({"type": "LanguageProperty", "languageMap": {"en": "x"}}, {"languageMap": {"en": "x"}}),
    ({"type": "ListProperty", "valueList": [1]}, {"valueList": [1]}),
    (
        {"type": "Property", "value": 5, "sub": {"type": "Property", "value": 1}},
        {"value": 5, "sub": 1},
    ),
]


@pytest.mark.parametrize(("stored", "shown"), CONCISE)
def test_concise_leaves_out_what_can_be_inferred(stored: dict[str, Any], shown: object) -> None:
    body = render(entity(a=stored), View(format="concise"), CORE)
    assert body is not None
    assert body["a"] == shown


def test_concise_keeps_instances_apart_from_array_values() -> None:
    two = [
        {"type": "Property", "value": 1},
        {"type": "Property", "value": 2, "datasetId": "urn:d:1"},
    ]
    body = render(entity(a=two), View(format="concise"), CORE)
    assert body is not None
    assert body["a"] == [{"value": 1}, {"value": 2, "datasetId": "urn:d:1"}]


SIMPLE: list[tuple[Any, Any]] = [
    ({"type": "Property", "value": 5, "sub": {"type": "Property", "value": 1}}, 5),
    ({"type": "Relationship", "object": ["urn:x:1", "urn:x:2"]}, ["urn:x:1", "urn:x:2"]),
    ({"type": "ListProperty", "valueList": [1, 2]}, [1, 2]),
    ({"type": "ListRelationship", "objectList": [{"object": "urn:x:1"}]}, ["urn:x:1"]),
    ({"type": "LanguageProperty", "languageMap": {"en": "x"}}, {"languageMap": {"en": "x"}}),
    ({"type": "VocabProperty", "vocab": "https://e.org/slow"}, {"vocab": "slow"}),
    ({"type": "JsonProperty", "json": {"a": None}}, {"json": {"a": None}}),
    (
        [
            {"type": "Property", "value": 5},
            {"type": "Property", "value": 6, "datasetId": "urn:d:1"},
        ],
        {"dataset": {"@none": 5, "urn:d:1": 6}},
    ),
]


@pytest.mark.parametrize(("stored", "shown"), SIMPLE)
def test_simplified_shows_values_only(stored: Any, shown: object) -> None:
    body = render(entity(a=stored), View(format="simplified"), CITY)
    assert body is not None
    assert body["a"] == shown


def test_a_language_filter_makes_a_property_that_names_its_language() -> None:
    street = {
        "type": "LanguageProperty",
        "languageMap": {"fr": "Grand Place", "nl": "Grote Markt"},
        "observedAt": "2026-01-01T00:00:00Z",
    }
    body = render(entity(street=street), View(lang="nl"), CORE)
    assert body is not None
    assert body["street"] == {
        "type": "Property",
        "value": "Grote Markt",
        "lang": "nl",
        "observedAt": "2026-01-01T00:00:00Z",
    }
    simple = render(entity(street=street), View("simplified", lang="nl"), CORE)
    assert simple is not None
    assert simple["street"] == "Grote Markt"


TWO_NAMES = [
    {"type": "Property", "value": "Eiffel Tower"},
    {"type": "Property", "value": "Tour Eiffel", "datasetId": "urn:d:fr"},
]


def test_only_the_wanted_datasets_are_shown() -> None:
    tower = entity(name=TWO_NAMES, other={"type": "Property", "value": 1})
    fr = View(datasets=frozenset({"urn:d:fr"}))
    assert render(tower, fr, CORE) == {"id": ID, "type": "Car", "name": TWO_NAMES[1]}
    both = View(datasets=frozenset({"urn:d:fr", "@none"}))
    assert render(tower, both, CORE) == tower.document


def test_attrs_with_a_dataset_that_leaves_nothing_still_shows_the_bare_entity() -> None:
    view = View(attrs=frozenset({"name"}), datasets=frozenset({"urn:d:es"}))
    assert render(entity(name=TWO_NAMES), view, CORE) == {"id": ID, "type": "Car"}


def test_attrs_of_which_the_entity_has_none_leave_nothing() -> None:
    assert render(entity(name=TWO_NAMES), View(attrs=frozenset({"speed"})), CORE) is None


def test_pick_and_omit_choose_among_all_members() -> None:
    car = entity(name={"type": "Property", "value": "x"}, speed={"type": "Property", "value": 5})
    picked = render(car, View("simplified", pick=parse("id,name", CORE, "pick", 2)), CORE)
    assert picked == {"id": ID, "name": "x"}
    left = render(car, View("simplified", omit=parse("type|name", CORE, "pick", 2)), CORE)
    assert left == {"id": ID, "speed": 5}


def test_a_projection_that_leaves_nothing_has_no_body() -> None:
    car = entity(name={"type": "Property", "value": "x"})
    assert render(car, View(pick=parse("unknown", CORE, "pick", 2)), CORE) is None
    assert render(car, View(omit=parse("id,type,name", CORE, "pick", 2)), CORE) is None


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
NAMES = st.from_regex(r"[a-z][a-z0-9_]{3,6}X", fullmatch=True)
INSTANCES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"type": st.just("Property"), "value": VALUES},
    optional={"unitCode": st.just("KMH"), "subX": st.just({"type": "Property", "value": 1})},
)
VIEWS = st.builds(
    View,
    format=st.sampled_from(["normalized", "concise", "simplified"]),
    sys_attrs=st.booleans(),
    lang=st.none() | st.just("fr"),
)


@given(st.dictionaries(NAMES, INSTANCES, max_size=4), VIEWS, st.sampled_from([CORE, CITY]))
def test_rendering_never_touches_the_document(
    attributes: dict[str, Any], view: View, context: Any
) -> None:
    car = entity(**attributes)
    before = copy.deepcopy(car.document)
    body = render(car, view, context)
    assert body is not None
    body["@context"] = "x"
    assert car.document == before
    assert set(attributes) <= set(body)

"""Ordering of entities."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.model.context import Names
from madang.model.entity import Entity, Stamp
from madang.model.errors import BadRequestData
from madang.query import collation, order
from madang.query.tree import Order, Path

PLACE = '{"type":"Point","coordinates":[8,40]}'


def entity(id: str, **attributes: Any) -> Entity:
    document: dict[str, Any] = {"id": id, "type": "T"}
    for name, value in attributes.items():
        document[name] = (
            value
            if isinstance(value, dict) and "type" in value
            else {"type": "Property", "value": value}
        )
    return Entity(document, 0, 0, 0)


def point(coordinates: list[float]) -> dict[str, Any]:
    return {"type": "Point", "coordinates": coordinates}


def ordered(
    entities: list[Entity], text: str, names: Names, tag: str | None = None, **origin: object
) -> list[str]:
    orders = order.parse(text, names, **origin)
    return [e.id for e in sorted(entities, key=lambda e: order.sort_key(e, orders, tag))]


def test_items_become_orders(names: Names) -> None:
    assert order.parse("a.b;desc,c[d.e],id;asc", names) == (
        Order(Path("a", ("b",)), True),
        Order(Path("c", (), ("d", "e"))),
        Order(Path("id")),
    )
    assert order.parse(["a", "b;desc"], names) == order.parse("a,b;desc", names)
    found = order.parse("location;dist-desc", names, coordinates="[8,40]")
    assert found == (Order(Path("location"), True, PLACE),)
    body = {
        "orderBy": ["location;dist-asc"],
        "coordinates": [8, 40],
        "collation": "de-u-co-phonebk",
    }
    assert order.from_object(body, names) == (
        (Order(Path("location"), False, PLACE),),
        "de-u-co-phonebk",
    )


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("", {}),
        ("a,,b", {}),
        ("a;up", {}),
        ("a;", {}),
        ("a[", {}),
        ("a[]", {}),
        ("a{b}", {}),
        ("a b", {}),
        (",".join("a" * 20), {}),
        ("location;dist-asc", {}),
        ("location;dist-asc", {"coordinates": "8,40"}),
        ("location;dist-asc", {"coordinates": "[[8,40]]"}),
        ("a", {"geometry": "Point"}),
        ("location;dist-asc", {"coordinates": "[8,40]", "geometry": "Circle"}),
    ],
)
def test_what_is_no_order_is_refused(text: str, origin: dict[str, object], names: Names) -> None:
    with pytest.raises(BadRequestData):
        order.parse(text, names, **origin)


@pytest.mark.parametrize(
    "value",
    [
        [], {}, {"orderBy": "a"}, {"orderBy": [5]}, {"orderBy": []},
        {"orderBy": ["location;dist-asc"]},
        {"orderBy": ["location;dist-asc"], "coordinates": "8,40"},
        {"orderBy": ["id"], "geometry": 5},
        {"orderBy": ["id"], "collation": "not a bcp47 tag!!"},
    ],
)  # fmt: skip
def test_a_body_that_is_no_order_is_refused(value: object, names: Names) -> None:
    with pytest.raises(BadRequestData):
        order.from_object(value, names)


def test_kinds_of_values_have_an_order_of_their_own(names: Names) -> None:
    values = [
        5, 6.5, "a", "b", {"a": 1}, [1], [1, 2], False, True, "12:00:00Z", "2026-01-01",
        "2026-01-01T00:00:00Z",
    ]  # fmt: skip
    entities = [entity(f"urn:{number:02}", a=value) for number, value in enumerate(values)]
    entities.append(entity("urn:99"))
    assert ordered(entities[::-1], "a", names) == [found.id for found in entities]


def test_an_entity_without_the_value_comes_last_either_way(names: Names) -> None:
    entities = [entity("urn:none"), entity("urn:1", a=1), entity("urn:2", a=2)]
    assert ordered(entities, "a", names) == ["urn:1", "urn:2", "urn:none"]
    assert ordered(entities, "a;desc", names) == ["urn:2", "urn:1", "urn:none"]


def test_later_orders_decide_between_equals(names: Names) -> None:
    entities = [entity("urn:1", a=1, b=1), entity("urn:2", a=1, b=2), entity("urn:3", a=0, b=0)]
    assert ordered(entities, "a;desc,b;desc", names) == ["urn:2", "urn:1", "urn:3"]


def test_texts_are_ordered_by_code_point_or_as_in_a_dictionary(names: Names) -> None:
    entities = [entity(f"urn:{text}", a=text) for text in ("b", "á", "A")]
    assert ordered(entities, "a", names) == ["urn:A", "urn:b", "urn:á"]
    assert ordered(entities, "a", names, "und") == ["urn:A", "urn:á", "urn:b"]


def test_paths_lead_to_times_members_and_sub_attributes(names: Names) -> None:
    one, two = entity("urn:1", a={"type": "Property", "value": {"x": 2}}), entity("urn:2")
    one.document["a"]["s"] = {"type": "Property", "value": 1}
    one.document["a"]["observedAt"] = "2026-01-01T00:00:00Z"
    two.document["a"] = [
        {"type": "Property", "value": {"x": 9}, "datasetId": "urn:d"},
        {"type": "Property", "value": {"x": 1}, "observedAt": "2026-01-01T00:00:00.5Z"},
    ]
    two.created, one.times["a"] = -5, Stamp(9, 9)
    both = [one, two]
    assert ordered(both, "a[x]", names) == ["urn:2", "urn:1"]  # the default instance counts
    assert ordered(both, "a.s", names) == ["urn:1", "urn:2"]
    assert ordered(both, "a.observedAt", names) == ["urn:1", "urn:2"]
    assert ordered(both, "createdAt", names) == ["urn:2", "urn:1"]
    assert ordered(both, "a.modifiedAt", names) == ["urn:2", "urn:1"]
    assert ordered(both, "type,id;desc", names) == ["urn:2", "urn:1"]


def test_distance_orders_by_metres(names: Names) -> None:
    places = {"near": [8.01, 40.01], "mid": [9, 41], "far": [10, 45]}
    entities = [
        entity(
            name, location={"type": "GeoProperty", "value": {"type": "Point", "coordinates": at}}
        )
        for name, at in places.items()
    ]
    entities.insert(0, entity("nowhere"))
    for word, expected in (("asc", ["near", "mid", "far"]), ("desc", ["far", "mid", "near"])):
        text = f"location;dist-{word}"
        found = ordered(entities, text, names, coordinates="[8,40]")
        assert found == [*expected, "nowhere"]


@pytest.mark.parametrize("tag", ["!!nope", "", "a", "de_", "not a tag", 5, None])
def test_a_collation_that_is_no_language_tag_is_refused(tag: object) -> None:
    with pytest.raises(BadRequestData):
        collation.parse(tag)


def test_dictionary_order_looks_at_letters_then_accents_then_capitals() -> None:
    words = [
        "",
        " ",
        "-",
        "1",
        "2",
        "a",
        "A",
        "á",
        "ab",
        "Äb",
        "b",
        "cote",
        "côte",
        "Zebra",
        "가",
        "나",
    ]
    assert sorted(words[::2] + words[1::2], key=collation.key) == words


@given(st.lists(st.one_of(st.integers(), st.text(), st.booleans(), st.lists(st.integers()))))
def test_any_values_can_be_ordered(values: list[Any]) -> None:
    entities = [entity(str(number), a=value) for number, value in enumerate(values)]
    up, down = (Order(Path("a")),), (Order(Path("a"), True),)
    rising = sorted(order.sort_key(found, up, "und") for found in entities)
    falling = sorted(order.sort_key(found, down) for found in entities)
    assert all(a <= b for a, b in pairwise(rising))
    assert len(falling) == len(values)


@given(st.text(alphabet="ab.;,[]{}dist-asc é1", max_size=20))
def test_any_order_text_is_parsed_or_refused(names: Names, text: str) -> None:
    try:
        found = order.parse(text, names, coordinates=[8, 40])
    except BadRequestData:
        return
    order.sort_key(entity("urn:1", a=1), found)

from __future__ import annotations

from typing import Any

import pytest

from madang.model.context import CORE
from madang.model.entity import Entity
from madang.model.errors import TooComplexQuery
from madang.model.linked import Join, flat, inline, missing
from madang.model.view import View
from madang.query.projection import parse


def entity(id: str, **members: Any) -> Entity:
    attributes = {
        name: {"type": "Relationship", "object": value[1:]}
        if isinstance(value, str) and value.startswith("@")
        else {"type": "Property", "value": value}
        for name, value in members.items()
    }
    return Entity({"id": id, "type": "T", **attributes}, 0, 0, 0)


TOWER = entity("tower", name="Eiffel", locatedAt="@paris")
PARIS = entity("paris", name="Paris", isIn="@france")
FRANCE = entity("france", name="France", capital="@paris", tower="@tower")
WORLD: dict[str, Entity] = {e.id: e for e in (TOWER, PARIS, FRANCE)}

INLINE2 = Join(level=2)
FLAT2 = Join(flat=True, level=2)


def fetched(view: View, join: Join, *roots: Entity) -> dict[str, Entity | None]:
    known: dict[str, Entity | None] = {root.id: root for root in roots}
    while wanted := missing(roots, known, view, join):
        assert wanted.isdisjoint(known)
        known |= {id: WORLD.get(id) for id in wanted}
    return known


def inlined(view: View, join: Join) -> Any:
    return inline(TOWER, fetched(view, join, TOWER), view, CORE, join)


def flattened(view: View, join: Join) -> list[Any]:
    return [body for _, body in flat([TOWER], fetched(view, join, TOWER), view, CORE, join)]


def test_only_as_many_levels_are_fetched_as_were_asked_for() -> None:
    assert set(fetched(View(), Join(level=1), TOWER)) == {"tower", "paris"}
    assert set(fetched(View(), INLINE2, TOWER)) == {"tower", "paris", "france"}


def test_inline_puts_entities_into_relationships() -> None:
    body = inlined(View(), INLINE2)
    assert body["locatedAt"]["object"] == "paris"
    assert body["locatedAt"]["entity"]["isIn"]["entity"]["id"] == "france"
    assert "entity" not in body["locatedAt"]["entity"]["isIn"]["entity"]["capital"]


def test_simplified_inline_replaces_the_uri() -> None:
    body = inlined(View("simplified"), Join(level=1))
    assert body["locatedAt"] == {"id": "paris", "type": "T", "name": "Paris", "isIn": "france"}


def test_no_entity_is_put_into_itself() -> None:
    body = inlined(View("simplified"), Join(level=5))
    assert body["locatedAt"]["isIn"]["capital"] == "paris"
    assert body["locatedAt"]["isIn"]["tower"] == "tower"


def test_what_contains_the_request_is_not_followed_again() -> None:
    join = Join(level=2, contained_by=frozenset({"france"}))
    assert inlined(View("simplified"), join)["locatedAt"]["isIn"] == "france"


def test_flat_appends_every_linked_entity_once() -> None:
    assert [body["id"] for body in flattened(View(), Join(flat=True, level=5))] == [
        "tower",
        "paris",
        "france",
    ]


def test_an_unknown_target_is_left_as_it_is() -> None:
    lost = entity("lost", locatedAt="@nowhere")
    known: dict[str, Entity | None] = {"lost": lost, "nowhere": None}
    assert inline(lost, known, View(), CORE, Join()) == lost.document
    assert flat([lost], known, View(), CORE, Join(flat=True)) == [(lost, lost.document)]


def test_projection_in_braces_is_for_the_linked_entity() -> None:
    view = View("simplified", pick=parse("id,locatedAt{id,name}", CORE, "pick", 2))
    assert inlined(view, INLINE2) == {"id": "tower", "locatedAt": {"id": "paris", "name": "Paris"}}
    assert flattened(view, FLAT2) == [
        {"id": "tower", "locatedAt": "paris"},
        {"id": "paris", "name": "Paris"},
    ]
    view = View(
        "simplified", omit=parse("type,locatedAt{name,isIn{capital,tower}}", CORE, "pick", 2)
    )
    assert flattened(view, FLAT2) == [
        {"id": "tower", "name": "Eiffel", "locatedAt": "paris"},
        {"id": "paris", "type": "T", "isIn": "france"},
        {"id": "france", "type": "T", "name": "France"},
    ]


def test_relationships_that_are_not_shown_are_not_followed() -> None:
    view = View(pick=parse("id,name", CORE, "pick", 2))
    assert set(fetched(view, INLINE2, TOWER)) == {"tower"}


def test_attributes_asked_for_apply_to_the_linking_entity_only() -> None:
    body = inlined(View("simplified", attrs=frozenset({"locatedAt"})), Join(level=1))
    assert body["locatedAt"]["name"] == "Paris"
    assert "name" not in body


def test_several_targets_become_a_list_of_entities() -> None:
    route = Entity(
        {
            "id": "route",
            "type": "T",
            "via": {
                "type": "ListRelationship",
                "objectList": [{"object": "paris"}, {"object": "nowhere"}, {"object": "france"}],
            },
        },
        0, 0, 0,
    )  # fmt: skip
    known: dict[str, Entity | None] = {**WORLD, "nowhere": None}
    body = inline(route, known, View(), CORE, Join())
    assert body is not None
    assert [linked["id"] for linked in body["via"]["entityList"]] == ["paris", "france"]
    simple = inline(route, known, View("simplified"), CORE, Join())
    assert simple is not None
    assert simple["via"][1] == "nowhere"


def test_an_answer_that_would_explode_is_refused() -> None:
    many = [f"n{i}" for i in range(30)]
    web = {
        id: Entity({"id": id, "type": "T", "to": {"type": "Relationship", "object": many}}, 0, 0, 0)
        for id in many
    }
    with pytest.raises(TooComplexQuery):
        inline(web["n0"], web, View(), CORE, Join(level=10))
    assert len(flat([web["n0"]], web, View(), CORE, Join(flat=True, level=10))) == 30

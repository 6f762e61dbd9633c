"""The contract of a store: queries and counts that are narrowed to what a reader may see."""

from __future__ import annotations

import pytest

from madang.model import time
from madang.model.entity import Entity
from madang.query.tree import (
    And,
    Compare,
    Condition,
    DateTime,
    Exists,
    HasId,
    HasType,
    InScope,
    Link,
    Not,
    Or,
    Order,
    Path,
    Query,
    Selector,
)
from madang.store.protocol import Shape, Store
from tests.contract.city import SECOND, T0, entity, ids, put, within

CARS = [f"urn:car:{number}" for number in range(3)]
LAMP, ROOM = "urn:lamp:1", "urn:room:1"


async def furnish(store: Store) -> None:
    for number, id in enumerate(CARS):
        scope = "/north/a" if number else "/south"
        place = (127.0 + number, 37.0)
        await put(store, entity(id, "Car", scope=scope, speed=number, location=place, in_=LAMP))
    await put(
        store,
        entity(LAMP, ["Lamp", "Thing"], hot=1, speed=9),
        entity(ROOM, "Room", speed=5, near=CARS[0]),
    )


@pytest.mark.parametrize(
    ("reach", "found"),
    [
        (None, [*CARS, LAMP, ROOM]),
        (And(()), [*CARS, LAMP, ROOM]),
        (Or(()), []),
        (HasId(()), []),
        (HasId((CARS[1], ROOM, "urn:none")), [CARS[1], ROOM]),
        (Not(HasId((LAMP,))), [*CARS, ROOM]),
        (HasType("Car"), CARS),
        (Or((HasType("Thing"), InScope(("north",), True))), [*CARS[1:], LAMP]),
        (And((HasType("Car"), Not(InScope(("north",), True)))), CARS[:1]),
        (Or((HasType("Car"), And((HasType("Car"), HasId((LAMP,)))))), CARS),
    ],
)
async def test_a_reach_leaves_out_what_does_not_meet_it(
    store: Store, reach: Condition | None, found: list[str]
) -> None:
    await furnish(store)
    query = Query(reach=reach, count=True)
    page = await store.query(query, T0)
    assert (ids(page), page.count) == (found, len(found))
    documents = await store.documents(Query(reach=reach, count=True, limit=2), T0)
    assert (len(documents.texts), documents.count) == (min(2, len(found)), len(found))
    assert documents.more is (len(found) > 2)
    assert [row.id async for rows in store.stream(query, T0) for row in rows] == found


async def test_a_reach_may_name_very_many_entities(store: Store) -> None:
    await furnish(store)
    crowd = tuple(f"urn:crowd:{number}" for number in range(40_000))
    query = Query(reach=Or((HasId((*crowd, CARS[1])), HasType("Room"))), count=True)
    page = await store.query(query, T0)
    assert (ids(page), page.count) == ([CARS[1], ROOM], 2)


async def test_a_reach_holds_for_places_types_and_order(store: Store) -> None:
    await furnish(store)
    north = InScope(("north",), True)
    box = within(126.5, 36.5, 128.5, 37.5)
    assert ids(await store.query(Query(geo=box, reach=north), T0)) == [CARS[1]]
    assert ids(await store.query(Query(geo=box, reach=Or(())), T0)) == []
    cars = (Selector(HasType("Car")),)
    assert ids(await store.query(Query(selectors=cars, reach=HasType("Lamp")), T0)) == []
    falling = (Order(Path("speed"), descending=True),)
    page = await store.query(Query(selectors=cars, order=falling, reach=north, limit=1), T0)
    assert (ids(page), page.more) == ([CARS[2]], True)


async def test_an_order_counts_hidden_values_as_absent(store: Store) -> None:
    await furnish(store)
    order = (Order(Path("speed"), descending=True, seen=Not(HasType("Lamp"))),)
    assert ids(await store.query(Query(order=order), T0)) == [ROOM, *CARS[::-1], LAMP]


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        (None, [ROOM]),
        (HasType("Car"), [ROOM]),
        (And((HasType("Car"), Compare(Path("speed"), "==", 0))), [ROOM]),
        (InScope(("south",)), [ROOM]),
        (Exists(Path("hot", links=(Link("in_"),))), [ROOM]),
        (within(126.5, 36.5, 127.5, 37.5), [ROOM]),
        (HasType("Lamp"), []),
        (Or(()), []),
        (HasId((CARS[1],)), []),
        (InScope(("north",), True), []),
        (within(127.5, 36.5, 128.5, 37.5), []),
        (Exists(Path("hot", links=(Link("in_", (), Or(())),))), []),
    ],
)
async def test_a_linked_entity_counts_only_if_it_is_seen(
    store: Store, seen: Condition | None, found: list[str]
) -> None:
    await furnish(store)
    query = Query(q=Exists(Path("speed", links=(Link("near", (), seen),))))
    assert ids(await store.query(query, T0)) == found


async def test_the_time_of_change_can_leave_attributes_out(store: Store) -> None:
    changed = entity(CARS[0], "Car", speed=1, secret=2)
    later: Entity = entity(CARS[1], "Car", at=T0 + SECOND, speed=1)
    changed.modified = T0 + SECOND
    changed.times["secret"] = changed.stamp("secret")._replace(modified=T0 + SECOND)
    await put(store, changed, later)

    made = DateTime(T0, time.render(T0))

    async def found(*without: tuple[str, tuple[str, ...]]) -> list[str]:
        path = Path("modifiedAt", without=without)
        return ids(await store.query(Query(q=Compare(path, "!=", made)), T0))

    assert await found() == CARS[:2]
    assert await found(("speed", ())) == CARS[:2]
    assert await found(("secret", ("Lamp",))) == CARS[:2]
    assert await found(("secret", ("Car",))) == [CARS[1]]


async def test_shapes_can_be_counted_for_a_query(store: Store) -> None:
    await furnish(store)

    async def counts(query: Query) -> dict[tuple[str, ...], int]:
        found: list[Shape] = await store.shapes(query, T0)
        return {shape.types: shape.count for shape in found}

    assert await counts(Query()) == {("Car",): 3, ("Lamp", "Thing"): 1, ("Room",): 1}
    assert sorted(await store.shapes(Query(), T0)) == sorted(await store.shapes())
    assert await counts(Query(reach=HasType("Car"))) == {("Car",): 3}
    mixed = Or((HasType("Lamp"), InScope(("north",), True), HasId((CARS[0],))))
    assert await counts(Query(reach=mixed)) == {("Lamp", "Thing"): 1, ("Car",): 3}
    assert await counts(Query(reach=InScope(("north",), True))) == {("Car",): 2}
    fast = Compare(Path("speed"), ">", 1)
    assert await counts(Query(q=fast, reach=Not(HasType("Room")))) == {
        ("Lamp", "Thing"): 1,
        ("Car",): 1,
    }
    assert await counts(Query(reach=Or(()))) == {}


async def test_shapes_of_a_query_leave_out_what_has_expired(store: Store) -> None:
    await put(store, entity(CARS[0], "Car", expires=T0 + SECOND), entity(CARS[1], "Car"))
    cars = Query(reach=HasType("Car"))
    assert [shape.count for shape in await store.shapes(cars, T0)] == [2]
    assert [shape.count for shape in await store.shapes(cars, T0 + 2 * SECOND)] == [1]

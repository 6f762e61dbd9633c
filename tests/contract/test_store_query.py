"""The contract of a store: which entities a query finds, in pages, counted and streamed."""

from __future__ import annotations

import orjson
import pytest

from madang.model.errors import TooComplexQuery
from madang.query.tree import (
    Compare,
    Exists,
    HasType,
    InScope,
    Not,
    Or,
    Order,
    Path,
    Query,
    Selector,
)
from madang.store.protocol import Store
from tests.contract.city import (
    SECOND,
    T0,
    all_of,
    entity,
    faster_than,
    ids,
    near,
    numbers,
    of_type,
    put,
    remove,
    vehicle,
    within,
)
from tests.contract.engines import Place

HALL, ROOM, LAMP = "urn:ngsi-ld:X:hall", "urn:ngsi-ld:X:room", "urn:ngsi-ld:X:lamp"


async def furnish(store: Store) -> None:
    await put(
        store,
        entity(HALL, ["Hall", "Room"], scope=["/city/north", "/events"], seats=80, hot=1),
        entity(ROOM, "Room", scope="/city/south/a", seats=4),
        entity(LAMP, "Lamp", hot=0),
    )


async def streamed(store: Store, query: Query, now: int = T0) -> list[str]:
    return [row.id async for rows in store.stream(query, now) for row in rows]


async def test_no_condition_finds_everything(store: Store) -> None:
    await furnish(store)
    assert sorted(ids(await store.query(Query(), T0))) == sorted([HALL, ROOM, LAMP])


@pytest.mark.parametrize(
    ("types", "found"),
    [
        (HasType("Room"), {HALL, ROOM}),
        (HasType("Hall"), {HALL}),
        (HasType("Nothing"), set()),
        (Or((HasType("Lamp"), HasType("Hall"))), {HALL, LAMP}),
        (all_of(HasType("Room"), HasType("Hall")), {HALL}),
    ],
)
async def test_entities_are_found_by_type(store: Store, types: object, found: set[str]) -> None:
    await furnish(store)
    query = Query(selectors=(Selector(types=types),), count=True)  # type: ignore[arg-type]
    page = await store.query(query, T0)
    assert set(ids(page)) == found
    assert page.count == len(found)


async def test_one_of_several_selectors_is_enough(store: Store) -> None:
    await furnish(store)
    query = Query(
        selectors=(
            Selector(types=HasType("Room"), id_pattern="ha.l$"),
            Selector(types=HasType("Lamp"), ids=(LAMP, ROOM)),
            Selector(ids=("urn:unknown",)),
        )
    )
    assert set(ids(await store.query(query, T0))) == {HALL, LAMP}


async def test_ids_and_pattern_narrow_a_type(store: Store) -> None:
    await put(store, *(vehicle(n) for n in range(20)))
    some = tuple(vehicle(n).id for n in (3, 4, 99))
    by_id = Query(selectors=(Selector(types=HasType("Vehicle"), ids=some),), count=True)
    page = await store.query(by_id, T0)
    assert (numbers(page), page.count) == ([3, 4], 2)
    by_pattern = Query(selectors=(Selector(id_pattern=":001[0-4]"),))
    assert numbers(await store.query(by_pattern, T0)) == [10, 11, 12, 13, 14]


async def test_having_one_of_the_attributes_is_enough(store: Store) -> None:
    await furnish(store)
    assert set(ids(await store.query(Query(attributes=("hot", "cold")), T0))) == {HALL, LAMP}
    page = await store.query(Query(attributes=("seats",), count=True, limit=1), T0)
    assert (len(page.rows), page.count) == (1, 2)


@pytest.mark.parametrize(
    ("q", "found"),
    [
        (faster_than(17), [18, 19]),
        (Compare(Path("speed"), "==", 5), [5]),
        (all_of(faster_than(3), Compare(Path("speed"), "<=", 6)), [4, 5, 6]),
        (Or((Compare(Path("speed"), "<", 1), faster_than(18))), [0, 19]),
        (Not(Exists(Path("speed"))), []),
        (Exists(Path("colour")), []),
    ],
)
async def test_entities_are_found_by_value(store: Store, q: object, found: list[int]) -> None:
    await put(store, *(vehicle(n) for n in range(20)))
    page = await store.query(of_type("Vehicle", q=q, count=True), T0)
    assert (numbers(page), page.count) == (found, len(found))


async def test_a_query_sees_what_was_last_committed(store: Store) -> None:
    await put(store, vehicle(1, speed=10))
    query = of_type("Vehicle", q=faster_than(50), count=True)
    assert (await store.query(query, T0)).count == 0
    await put(store, vehicle(1, speed=60))
    assert numbers(await store.query(query, T0)) == [1]


# --- place ------------------------------------------------------------------------------------


async def test_entities_are_found_by_distance(store: Store) -> None:
    await put(store, *(vehicle(n) for n in range(20)), entity(ROOM, "Vehicle", speed=1))
    page = await store.query(of_type("Vehicle", geo=near(127.0, 37.05, 1500), count=True), T0)
    assert (sorted(numbers(page)), page.count) == ([4, 5, 6], 3)


async def test_entities_are_found_by_area_together_with_type_and_value(store: Store) -> None:
    await put(store, *(vehicle(n) for n in range(20)), entity(LAMP, "Lamp", location=(127, 37.03)))
    area = within(126.9, 37.005, 127.1, 37.055)
    page = await store.query(of_type("Vehicle", geo=area), T0)
    assert sorted(numbers(page)) == [1, 2, 3, 4, 5]
    page = await store.query(of_type("Vehicle", geo=area, q=faster_than(3), count=True), T0)
    assert (sorted(numbers(page)), page.count) == ([4, 5], 2)
    assert set(ids(await store.query(Query(geo=area), T0))) > {LAMP}


async def test_an_entity_is_found_where_it_is_now_however_often_it_moves(store: Store) -> None:
    for step in range(60):
        lon = round(126.0 + step * 0.003 * (1 + step % 7), 6)
        moving = entity(ROOM, "Vehicle", location=(lon, 37.0))
        await put(store, moving)
        assert ids(await store.query(Query(geo=near(lon, 37.0, 50)), T0)) == [ROOM]
        assert ids(await store.query(Query(geo=near(lon + 0.01, 37.0, 50)), T0)) == []
    assert await store.check() == []


async def test_a_place_that_is_taken_away_is_no_longer_found(store: Store) -> None:
    await put(store, vehicle(5))
    await put(store, entity(vehicle(5).id, speed=5))
    around = near(127.0, 37.05, 10_000)
    assert ids(await store.query(Query(geo=around), T0)) == []
    await put(store, vehicle(5))
    assert numbers(await store.query(Query(geo=around), T0)) == [5]
    await remove(store, vehicle(5).id)
    assert ids(await store.query(Query(geo=around), T0)) == []
    assert await store.check() == []


# --- scope ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scope", "found"),
    [
        (InScope(("city", "north")), {HALL}),
        (InScope(("city",), below=True), {HALL, ROOM}),
        (InScope(("city", "+")), {HALL}),
        (InScope((), below=True), {HALL, ROOM}),
        (Or((InScope(("events",)), InScope(("city", "south", "a")))), {HALL, ROOM}),
        (all_of(InScope(("events",)), InScope(("city", "north"))), {HALL}),
    ],
)
async def test_entities_are_found_by_scope(store: Store, scope: object, found: set[str]) -> None:
    await furnish(store)
    page = await store.query(Query(scope=scope, count=True), T0)  # type: ignore[arg-type]
    assert (set(ids(page)), page.count) == (found, len(found))


# --- pages ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "query",
    [
        Query(),
        of_type("Vehicle"),
        of_type("Vehicle", q=faster_than(10)),
        of_type("Vehicle", geo=near(127.0, 37.3, 15_000)),
        Query(attributes=("speed", "weight")),
    ],
    ids=["all", "type", "value", "place", "attributes"],
)
async def test_pages_show_each_entity_once(store: Store, query: Query) -> None:
    await put(store, *(vehicle(n) for n in range(40)))
    await put(store, *(vehicle(n, weight=n) for n in range(40, 60)))
    whole = await store.query(_page(query, 1000, 0), T0)
    pages = [await store.query(_page(query, 7, offset), T0) for offset in range(0, 70, 7)]
    assert [id for page in pages for id in ids(page)] == ids(whole)
    assert len(set(ids(whole))) == whole.count == len(whole.rows) > 7
    assert {page.count for page in pages} == {whole.count}


def _page(query: Query, limit: int, offset: int) -> Query:
    return Query(
        selectors=query.selectors, attributes=query.attributes, q=query.q, geo=query.geo,
        limit=limit, offset=offset, count=True,
    )  # fmt: skip


async def test_a_count_can_be_asked_alone(store: Store) -> None:
    await put(store, *(vehicle(n) for n in range(30)))
    page = await store.query(of_type("Vehicle", limit=0, count=True), T0)
    assert (page.rows, page.count) == ([], 30)
    assert (await store.query(of_type("Vehicle", limit=5), T0)).count is None


async def test_pages_come_in_the_order_asked_for(store: Store) -> None:
    await put(store, *(vehicle(n, speed=(n * 7) % 20) for n in range(20)))
    by_speed = Order(Path("speed"), descending=True)
    pages = [
        await store.query(of_type("Vehicle", order=(by_speed,), limit=6, offset=o, count=True), T0)
        for o in range(0, 24, 6)
    ]
    speeds = [orjson.loads(row.document)["speed"]["value"] for page in pages for row in page.rows]
    assert speeds == sorted(range(20), reverse=True)
    assert {page.count for page in pages} == {20}


# --- stream -----------------------------------------------------------------------------------


async def test_a_stream_gives_all_that_match_whatever_the_page(store: Store) -> None:
    await put(store, *(vehicle(n) for n in range(1200)))
    everything = [vehicle(n).id for n in range(1200)]
    assert sorted(await streamed(store, Query())) == everything
    assert sorted(await streamed(store, of_type("Vehicle", limit=10, offset=5))) == everything
    fast = of_type("Vehicle", q=faster_than(1189))
    assert sorted(await streamed(store, fast)) == everything[1190:]


async def test_a_stream_shows_one_moment(store: Store) -> None:
    await put(store, *(vehicle(n, speed=1) for n in range(1500)))
    seen: list[float] = []
    async for rows in store.stream(of_type("Vehicle", limit=2000), T0):
        seen += [orjson.loads(row.document)["speed"]["value"] for row in rows]
        await put(store, *(vehicle(n, speed=2) for n in range(1500)))
        await remove(store, vehicle(1499).id)
    assert seen == [1] * 1500


async def test_a_stream_that_is_left_early_harms_nothing(store: Store) -> None:
    await put(store, *(vehicle(n) for n in range(1500)))
    for _ in range(8):
        stream = store.stream(of_type("Vehicle", limit=2000), T0)
        async for _rows in stream:
            break
        await stream.aclose()  # type: ignore[attr-defined]
    await put(store, vehicle(1, speed=5000))
    assert numbers(await store.query(of_type("Vehicle", q=faster_than(1499)), T0)) == [1]


# --- what is no longer there ------------------------------------------------------------------


async def test_what_has_expired_is_not_found(store: Store) -> None:
    await put(store, vehicle(1, expires=T0 + SECOND), vehicle(2))
    later = T0 + 2 * SECOND
    for query in (Query(count=True), of_type("Vehicle", count=True)):
        page = await store.query(query, later)
        assert (numbers(page), page.count) == ([2], 1)
    assert await streamed(store, Query(), later) == [vehicle(2).id]
    assert len((await store.query(Query(), T0)).rows) == 2


async def test_a_query_that_takes_too_long_is_refused(place: Place) -> None:
    engine = place.engine(query_seconds=1e-4)
    store = await engine.open("", create=True)
    assert store is not None
    await put(store, *(vehicle(n) for n in range(6000)))
    slow = of_type("Vehicle", q=faster_than(1e9), order=(Order(Path("speed")),), count=True)
    every = of_type("Vehicle", order=(Order(Path("speed")),), count=True)
    for query in (slow, every):
        with pytest.raises(TooComplexQuery):
            await store.query(query, T0)
    assert (await store.query(of_type("Vehicle", limit=1), T0)).rows
    await engine.close()

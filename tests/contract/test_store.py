"""The contract of a store (store/protocol.py): state, outbox, deliveries, items, upkeep."""

from __future__ import annotations

import asyncio
from pathlib import Path

import orjson
import pytest

from madang.model.entity import Entity, Stamp
from madang.query.tree import Query
from madang.store.protocol import Batch, Change, Delivery, Engine, Shape, Store
from madang.store.rows import entity_of
from tests.contract.city import (
    SECOND,
    T0,
    document,
    entity,
    ids,
    of_type,
    outbox,
    put,
    remove,
    sequence,
    vehicle,
)
from tests.contract.engines import Place

ROOM = "urn:ngsi-ld:Room:1"


async def reopened(engine: Engine, place: Place) -> Store:
    """Return the default tenant's store as a restarted process finds it."""
    await engine.close()
    store = await place.engine().open("", create=False)
    assert store is not None
    return store


# --- state ------------------------------------------------------------------------------------


async def test_an_entity_is_read_as_it_was_committed(store: Store) -> None:
    written = Entity(document(ROOM, "Room", temperature=21.5), T0, T0 + 2, T0 + 1)
    written.times = {"temperature": Stamp(T0, T0 + 2, T0 + 60 * SECOND)}
    written.expires = T0 + 90 * SECOND
    await put(store, written)
    row = await store.get(ROOM)
    assert row is not None
    assert entity_of(row) == written
    assert row.expires == T0 + 60 * SECOND, "a row tells the earliest expiry in it"
    assert await store.load([ROOM]) == {ROOM: written}


async def test_an_unknown_entity_is_not_there(store: Store) -> None:
    await put(store, vehicle(1))
    assert await store.get(ROOM) is None
    assert await store.load([ROOM]) == {}


async def test_text_comes_back_byte_for_byte(store: Store) -> None:
    text = "서울시 중구 <세종대로> \"110\" 'ß' \u0000 \U0001f6b2 \\n ;=()"
    made = entity(ROOM, "Room", name={"type": "Property", "value": text})
    await put(store, made)
    row = await store.get(ROOM)
    assert row is not None
    assert orjson.loads(row.document) == made.document


async def test_the_order_of_attributes_is_kept(store: Store) -> None:
    await put(store, entity(ROOM, "Room", b=1, a=2, c=3))
    await put(store, entity(ROOM, "Room", c=3, b=1, a=2))
    row = await store.get(ROOM)
    assert row is not None
    assert list(orjson.loads(row.document)) == ["id", "type", "c", "b", "a"]


async def test_a_replaced_entity_keeps_nothing_of_the_old_one(store: Store) -> None:
    await put(store, vehicle(1, expires=T0 + SECOND))
    replaced = entity(vehicle(1).id, "Car", at=T0 + 5, weight=900)
    await put(store, replaced)
    row = await store.get(replaced.id)
    assert row is not None
    assert entity_of(row) == replaced
    assert (await store.query(of_type("Vehicle", count=True), T0)).count == 0
    assert ids(await store.query(of_type("Car"), T0)) == [replaced.id]


async def test_a_deleted_entity_is_gone_everywhere(store: Store) -> None:
    await put(store, vehicle(1), vehicle(2))
    await remove(store, vehicle(1).id)
    assert await store.get(vehicle(1).id) is None
    assert await store.load([vehicle(1).id]) == {}
    page = await store.query(of_type("Vehicle", count=True), T0)
    assert (ids(page), page.count) == ([vehicle(2).id], 1)
    assert [shape.count for shape in await store.shapes()] == [1]


async def test_a_deleted_entity_can_be_made_again(store: Store) -> None:
    await put(store, vehicle(1, speed=10))
    await remove(store, vehicle(1).id)
    await put(store, vehicle(1, speed=20))
    row = await store.get(vehicle(1).id)
    assert row is not None
    assert orjson.loads(row.document)["speed"]["value"] == 20
    assert await store.check() == []


async def test_deleting_what_is_not_there_changes_nothing(store: Store) -> None:
    await put(store, vehicle(1))
    await remove(store, ROOM)
    assert (await store.query(Query(count=True), T0)).count == 1
    assert await store.check() == []


async def test_everything_is_still_there_after_a_restart(
    store: Store, engine: Engine, place: Place
) -> None:
    await put(store, *(vehicle(n, expires=T0 + (9 - n) * SECOND) for n in range(3)))
    await store.commit(Batch(items={("setting", "x"): b"1"}, deliveries=[("urn:s", T0, b"n")]))
    seen = (
        await store.query(Query(), 0),
        await store.shapes(),
        await outbox(store, 0, 100),
        await store.items("setting"),
        await store.deliveries(),
        store.next_expiry,
    )
    again = await reopened(engine, place)
    assert seen == (
        await again.query(Query(), 0),
        await again.shapes(),
        await outbox(again, 0, 100),
        await again.items("setting"),
        await again.deliveries(),
        again.next_expiry,
    )
    await again.close()


# --- tenants ----------------------------------------------------------------------------------


async def test_tenants_share_nothing(store: Store, engine: Engine) -> None:
    other = await engine.open("구청 %/..", create=True)
    assert other is not None
    await put(store, vehicle(1))
    await put(other, vehicle(2))
    assert ids(await store.query(Query(), T0)) == [vehicle(1).id]
    assert ids(await other.query(Query(), T0)) == [vehicle(2).id]
    assert await engine.tenants() == ["", "구청 %/.."]


async def test_an_unknown_tenant_is_opened_only_to_be_made(engine: Engine) -> None:
    assert await engine.open("nobody", create=False) is None
    assert await engine.open("nobody", create=True) is not None
    assert await engine.open("nobody", create=False) is not None


# --- shapes -----------------------------------------------------------------------------------


async def test_shapes_count_what_there_is(store: Store) -> None:
    await put(store, vehicle(1), vehicle(2), entity(ROOM, ["Room", "Hall"], seats=80, near="urn:b"))
    assert sorted(await store.shapes(), key=lambda shape: shape.types) == [
        Shape(("Hall", "Room"), (("near", ("Relationship",)), ("seats", ("Property",))), 1),
        Shape(("Vehicle",), (("location", ("GeoProperty",)), ("speed", ("Property",))), 2),
    ]


async def test_an_entity_that_changes_what_it_has_moves_between_shapes(store: Store) -> None:
    await put(store, entity(ROOM, "Room", a=1), entity(ROOM + "2", "Room", a=1))
    await put(store, entity(ROOM, "Room", b=1))
    found = {shape.attributes[0][0]: shape.count for shape in await store.shapes()}
    assert found == {"a": 1, "b": 1}


async def test_the_types_of_all_instances_are_in_the_shape(store: Store) -> None:
    instances = [
        {"type": "Property", "value": 1},
        {"type": "Relationship", "object": "urn:b", "datasetId": "urn:d"},
    ]
    await put(store, entity(ROOM, "Room", a=instances))
    assert (await store.shapes())[0].attributes == (("a", ("Property", "Relationship")),)


# --- expiry -----------------------------------------------------------------------------------


async def test_the_next_expiry_is_never_later_than_the_first_one(store: Store) -> None:
    assert store.next_expiry is None
    await put(store, vehicle(1, expires=T0 + 5), vehicle(2, expires=T0 + 3), vehicle(3))
    assert store.next_expiry == T0 + 3


async def test_what_has_expired_is_listed_the_earliest_first(store: Store) -> None:
    await put(store, *(vehicle(n, expires=T0 + 10 - n) for n in range(5)), vehicle(9))
    listed = await store.expired(T0 + 9, 2)
    assert listed == [vehicle(4).id, vehicle(3).id]
    assert len(await store.expired(T0 + 9, 100)) == 4


async def test_an_expiry_that_is_taken_back_is_forgotten(store: Store) -> None:
    await put(store, vehicle(1, expires=T0 + 5))
    await put(store, vehicle(1))
    assert await store.expired(T0 + 100, 10) == []
    assert store.next_expiry is None, "an empty list sets it right"


# --- outbox -----------------------------------------------------------------------------------


async def test_every_change_has_its_number_in_the_outbox(store: Store) -> None:
    await put(store, vehicle(1), vehicle(2))
    await put(store, vehicle(1, speed=50), at=T0 + 1)
    await remove(store, vehicle(2).id, at=T0 + 2)
    rows = [(seq, orjson.loads(body)) for seq, body in await outbox(store, 0, 100)]
    assert [seq for seq, _ in rows] == [1, 2, 3, 4]
    assert [row["kind"] for _, row in rows] == ["created", "created", "updated", "deleted"]
    assert [row["at"] for _, row in rows] == [T0, T0, T0 + 1, T0 + 2]
    assert {row["type"] for _, row in rows} == {"Vehicle"}
    assert rows[2][1]["entity"]["speed"]["value"] == 50


async def test_the_outbox_is_read_in_pages(store: Store) -> None:
    await put(store, *(vehicle(n) for n in range(10)))
    await put(store, *(vehicle(n) for n in range(10, 15)))
    assert sequence(await outbox(store, 0, 4)) == [1, 2, 3, 4]
    assert sequence(await outbox(store, 8, 4)) == [9, 10, 11, 12]
    assert sequence(await outbox(store, 15, 4)) == []


async def test_what_was_drained_is_forgotten_and_numbers_go_on(
    store: Store, engine: Engine, place: Place
) -> None:
    await put(store, *(vehicle(n) for n in range(5)))
    await store.drained(5)
    assert await outbox(store, 0, 100) == []
    again = await reopened(engine, place)
    await put(again, vehicle(9))
    assert sequence(await outbox(again, 0, 100)) == [6]
    await again.close()


async def test_draining_a_part_keeps_the_rest(store: Store) -> None:
    await put(store, *(vehicle(n) for n in range(5)))
    await put(store, *(vehicle(n) for n in range(5, 8)))
    await store.drained(3)
    assert sequence(await outbox(store, 3, 100)) == [4, 5, 6, 7, 8]
    await store.drained(6)
    assert sequence(await outbox(store, 6, 100)) == [7, 8]


# --- deliveries and items ---------------------------------------------------------------------


async def test_deliveries_get_rising_keys_in_their_order(store: Store) -> None:
    first = await store.commit(Batch(deliveries=[("urn:a", T0, b"1"), ("urn:b", T0, b"2")]))
    second = await store.commit(Batch(deliveries=[("urn:a", T0 + 1, b"3")]))
    keys = [*first, *second]
    assert keys == sorted(set(keys))
    assert [d.body for d in await store.deliveries()] == [b"1", b"2", b"3"]
    assert await store.deliveries("urn:a") == [
        Delivery(keys[0], "urn:a", T0, b"1"),
        Delivery(keys[2], "urn:a", T0 + 1, b"3"),
    ]
    assert [d.key for d in await store.deliveries("urn:a", after=keys[0])] == [keys[2]]
    assert [d.key for d in await store.deliveries(limit=2)] == keys[:2]


async def test_a_failed_delivery_stays_with_its_reason_and_a_done_one_goes(store: Store) -> None:
    keys = await store.commit(Batch(deliveries=[("urn:a", T0, b"1"), ("urn:a", T0, b"2")]))
    await store.commit(Batch(delivered=[keys[0]], failed=[(keys[1], 3, "refused")]))
    assert await store.deliveries() == [Delivery(keys[1], "urn:a", T0, b"2", 3, "refused")]


async def test_a_key_is_never_given_twice(store: Store, engine: Engine, place: Place) -> None:
    keys = await store.commit(Batch(deliveries=[("urn:a", T0, b"1")]))
    await store.commit(Batch(delivered=list(keys)))
    again = await reopened(engine, place)
    later = await again.commit(Batch(deliveries=[("urn:a", T0, b"2")]))
    assert later[0] > keys[0]
    await again.close()


async def test_items_are_kept_by_kind(store: Store) -> None:
    await store.commit(
        Batch(
            items={("subscription", "b"): b"1", ("subscription", "a"): b"2", ("context", "a"): b"3"}
        )
    )
    await store.commit(Batch(items={("subscription", "b"): b"4", ("context", "a"): None}))
    assert await store.items("subscription") == [("a", b"2"), ("b", b"4")]
    assert await store.items("context") == []


async def test_a_removed_subscription_takes_its_deliveries_along(store: Store) -> None:
    await store.commit(
        Batch(
            items={("subscription", "urn:a"): b"{}"},
            deliveries=[("urn:a", T0, b"1"), ("urn:b", T0, b"2")],
        )
    )
    await store.commit(Batch(items={("subscription", "urn:a"): None}))
    assert [d.subscription for d in await store.deliveries()] == ["urn:b"]


async def test_no_delivery_outlives_a_subscription_removed_in_the_same_batch(store: Store) -> None:
    await store.commit(Batch(items={("subscription", "urn:a"): b"{}"}))
    await store.commit(
        Batch(items={("subscription", "urn:a"): None}, deliveries=[("urn:a", T0, b"1")])
    )
    assert await store.deliveries() == []


# --- upkeep -----------------------------------------------------------------------------------


async def test_a_backup_is_a_store_with_the_same_content(
    store: Store, place: Place, tmp_path: Path
) -> None:
    await put(store, *(vehicle(n) for n in range(50)))
    await store.backup(tmp_path / "backup")
    copy = await place.restored(tmp_path / "backup").open("", create=False)
    assert copy is not None
    assert await copy.query(Query(limit=100), T0) == await store.query(Query(limit=100), T0)
    assert await copy.shapes() == await store.shapes()
    assert await outbox(copy, 0, 100) == await outbox(store, 0, 100)
    assert await copy.check() == []
    await copy.close()


async def test_a_sound_store_has_no_faults_and_a_damaged_one_names_them(
    store: Store, place: Place
) -> None:
    await put(store, *(vehicle(n) for n in range(3)))
    assert await store.check() == []
    place.damage(store)
    faults = await store.check()
    assert len(faults) >= 2
    assert all(isinstance(fault, str) and fault for fault in faults)


async def test_the_size_tells_what_there_is(store: Store) -> None:
    await put(store, *(vehicle(n) for n in range(7)))
    await remove(store, vehicle(0).id)
    await store.commit(Batch(deliveries=[("urn:a", T0, b"1")]))
    size = await store.size()
    assert (size["entities"], size["outbox"], size["deliveries"]) == (6, 8, 1)
    assert size["bytes"] > 0


async def test_a_change_without_attributes_is_kept_in_the_outbox(store: Store) -> None:
    made = entity(ROOM, "Room", scope="/a")
    await store.commit(
        Batch(
            states={ROOM: made},
            changes=[Change("created", T0, ROOM, None, made, (), trace="4bf9")],
        )
    )
    ((_, body),) = await outbox(store, 0, 10)
    assert orjson.loads(body)["trace"] == "4bf9"
    assert orjson.loads(body)["entity"] == made.document


@pytest.mark.parametrize("round", range(3))
async def test_readers_and_the_writer_do_not_wait_for_one_another(store: Store, round: int) -> None:
    await put(store, *(vehicle(n) for n in range(20)))

    async def write() -> None:
        for n in range(30):
            await put(store, vehicle(n % 20, speed=100 + n))

    async def read() -> None:
        for n in range(60):
            page = await store.query(of_type("Vehicle", count=True), T0)
            assert (len(page.rows), page.count) == (20, 20)
            assert await store.get(vehicle(n % 20).id) is not None
            await asyncio.sleep(0)

    await asyncio.gather(write(), read(), read())

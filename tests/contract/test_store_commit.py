"""The contract of a store: a commit is all or nothing, and nobody sees a half of it."""

from __future__ import annotations

import asyncio
from contextlib import AbstractContextManager
from pathlib import Path

import orjson
import pytest

from madang.model.entity import Entity
from madang.query.tree import Query
from madang.store.protocol import Batch, Change, Delivery, Page, Shape, Store
from tests.contract.city import T0, entity, ids, of_type, outbox, put, sequence, vehicle
from tests.contract.engines import Place

pytestmark = pytest.mark.slow

ROOM = "urn:ngsi-ld:Room:1"
Seen = tuple[Page, list[Shape], list[tuple[int, bytes]], list[tuple[str, bytes]], list[Delivery]]


async def everything(store: Store) -> Seen:
    """Return all that can be read."""
    return (
        await store.query(Query(limit=100_000, count=True), 0),
        sorted(await store.shapes(), key=repr),
        await outbox(store, 0, 100_000),
        await store.items("subscription"),
        await store.deliveries(limit=100_000),
    )


def broken(store: Store, place: Place, how: str) -> AbstractContextManager[None]:
    return place.full(store) if how == "full" else place.unwritable(store)


async def large(store: Store) -> Batch:
    """Return a batch that touches everything and needs much room."""
    pad = {"type": "Property", "value": "x" * 4000}
    made = [vehicle(n, speed=900, pad=pad) for n in range(5, 500)]
    batch = Batch(states={one.id: one for one in made})
    batch.states[vehicle(0).id] = None
    batch.states[vehicle(1).id] = entity(vehicle(1).id, "Car", location=(1.0, 1.0))
    before = await store.load(batch.states)
    for id, state in batch.states.items():
        batch.changes.append(Change("updated", T0, id, before.get(id), state, ("speed",)))
    batch.items = {("subscription", "urn:b"): b"2", ("subscription", "urn:a"): None}
    batch.deliveries = [("urn:a", T0, b"x" * 100_000)]
    batch.delivered = [1]
    return batch


@pytest.mark.parametrize("how", ["full", "unwritable"])
async def test_a_commit_that_fails_leaves_everything_as_it_was(
    store: Store, place: Place, how: str
) -> None:
    await put(store, *(vehicle(n) for n in range(10)))
    await store.commit(
        Batch(items={("subscription", "urn:a"): b"1"}, deliveries=[("urn:a", T0, b"n")])
    )
    before = await everything(store)
    for _ in range(3):
        with broken(store, place, how), pytest.raises(Exception, match=r"(?i)full|i/o|large"):
            await store.commit(await large(store))
        assert await everything(store) == before
        assert await store.check() == []


@pytest.mark.parametrize("how", ["full", "unwritable"])
async def test_after_a_commit_that_failed_the_next_one_succeeds(
    store: Store, place: Place, how: str
) -> None:
    await put(store, *(vehicle(n) for n in range(10)))
    with broken(store, place, how), pytest.raises(Exception, match=r"(?i)full|i/o|large"):
        await store.commit(await large(store))
    await put(store, vehicle(0, speed=77), vehicle(20, weight=3))
    page = await store.query(of_type("Vehicle", count=True), T0)
    assert page.count == 11
    assert await store.check() == []


@pytest.mark.parametrize("how", ["full", "unwritable"])
async def test_a_commit_that_failed_leaves_no_gap_in_the_outbox(
    store: Store, place: Place, how: str
) -> None:
    await put(store, *(vehicle(n) for n in range(10)))
    with broken(store, place, how), pytest.raises(Exception, match=r"(?i)full|i/o|large"):
        await store.commit(await large(store))
    await put(store, vehicle(0, speed=77))
    assert sequence(await outbox(store, 0, 100)) == list(range(1, 12))


async def test_an_entity_never_vanishes_while_it_changes_what_it_has(store: Store) -> None:
    forms = [entity(ROOM, "Room", a=1), entity(ROOM, "Room", b=1), entity(ROOM, ["Room", "Hall"])]
    await put(store, forms[0], vehicle(1))

    async def change() -> None:
        for n in range(150):
            await put(store, forms[n % 3])

    writing = asyncio.create_task(change())
    counts = set()
    while not writing.done():
        page = await store.query(of_type("Room", count=True), T0)
        counts.add((len(page.rows), page.count))
        await asyncio.sleep(0)
    await writing
    assert counts == {(1, 1)}


async def test_what_is_not_yet_committed_is_not_counted(store: Store, place: Place) -> None:
    """A count is never more than what a crash at that moment would leave."""
    await put(store, *(vehicle(n) for n in range(5)))
    for n in range(5, 60):
        writing = asyncio.create_task(put(store, vehicle(n)))
        while not writing.done():
            page = await store.query(of_type("Vehicle", limit=1000, count=True), T0)
            assert page.count == len(page.rows)
            await asyncio.sleep(0)
        await writing


async def test_what_has_expired_can_be_asked_while_a_commit_is_under_way(store: Store) -> None:
    await put(store, vehicle(0, expires=T0 + 1))
    for n in range(1, 60):
        writing = asyncio.create_task(put(store, vehicle(n)))
        while not writing.done():
            assert await store.expired(T0 + 5, 10) == [vehicle(0).id]
            await asyncio.sleep(0)
        await writing


async def test_the_outbox_can_be_drained_while_a_commit_is_under_way(store: Store) -> None:
    for n in range(40):
        known = await outbox(store, 0, 1000)
        upto = known[-1][0] if known else 0
        await asyncio.gather(put(store, vehicle(n)), store.drained(upto))
    assert (await store.query(Query(count=True), T0)).count == 40
    assert sequence(await outbox(store, 39, 100)) == [40]
    assert await store.check() == []


async def test_a_backup_ends_although_writing_goes_on(store: Store, tmp_path: Path) -> None:
    pad = {"type": "Property", "value": "x" * 8000}
    await put(store, *(vehicle(n, pad=pad) for n in range(4000)))
    backup = asyncio.create_task(store.backup(tmp_path / "backup"))
    async with asyncio.timeout(20):
        n = 0
        while not backup.done():
            n += 1
            await put(store, vehicle(n % 4000, speed=n, pad=pad))
        await backup
    assert (tmp_path / "backup").stat().st_size > 4000 * 8000


async def test_a_backup_is_of_one_moment(store: Store, place: Place, tmp_path: Path) -> None:
    await put(store, *(vehicle(n, speed=0) for n in range(3000)))
    backup = asyncio.create_task(store.backup(tmp_path / "backup"))
    speed = 0
    while not backup.done():
        speed += 1
        await put(store, *(vehicle(n, speed=speed) for n in range(3000)))
    await backup
    copy = await place.restored(tmp_path / "backup").open("", create=False)
    assert copy is not None
    rows = (await copy.query(Query(limit=10_000), T0)).rows
    assert len(rows) == 3000
    assert len({orjson.loads(row.document)["speed"]["value"] for row in rows}) == 1
    assert await copy.check() == []
    await copy.close()


async def test_a_large_batch_is_one_commit(store: Store) -> None:
    made: dict[str, Entity | None] = {vehicle(n).id: vehicle(n) for n in range(5000)}
    await store.load(made)
    writing = asyncio.create_task(store.commit(Batch(states=made)))
    seen = set()
    while not writing.done():
        seen.add(len(ids(await store.query(Query(limit=10_000), T0))))
        await asyncio.sleep(0)
    await writing
    seen.add(len(ids(await store.query(Query(limit=10_000), T0))))
    assert seen <= {0, 5000}
    assert 5000 in seen

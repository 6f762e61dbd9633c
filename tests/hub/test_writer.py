"""Group commit on the real store: order, failures that stay where they belong, followers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from madang.hub import writer as writing
from madang.hub.changes import Changes, FellBehind
from madang.hub.clock import Clock
from madang.hub.operations import Create, Delete, Operation, Upsert
from madang.hub.writer import Writer
from madang.model.context import CORE
from madang.model.errors import AlreadyExists, InternalError, NgsiError, Overloaded
from madang.model.normalize import entity
from madang.model.state import Outcome
from madang.store.protocol import Batch, Change
from madang.store.rows import entity_of
from madang.store.sqlite import SqliteStore


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "hub.sqlite", 10.0)
    yield opened
    await opened.close()


@pytest.fixture
async def writer(store: SqliteStore) -> AsyncIterator[Writer]:
    made = Writer(store, Clock())
    yield made
    await made.close()


def thing(id: str, number: int = 0, **members: Any) -> dict[str, Any]:
    value = {"type": "Property", "value": number}
    return {"id": f"urn:x:{id}", "type": "Thing", "n": value, **members}


def create(id: str, number: int = 0) -> Create:
    return Create(f"urn:x:{id}", entity(thing(id, number), CORE))


def upsert(id: str, number: int = 0, **members: Any) -> Upsert:
    return Upsert(f"urn:x:{id}", entity(thing(id, number, **members), CORE))


async def number(store: SqliteStore, id: str) -> int | None:
    row = await store.get(f"urn:x:{id}")
    if row is None:
        return None
    document: Any = entity_of(row).document
    return int(next(v["value"] for k, v in document.items() if k not in ("id", "type")))


class FailingOnce:
    """A store whose next commit fails as on a full disk."""

    def __init__(self, store: SqliteStore, patch: pytest.MonkeyPatch) -> None:
        self._commit = store.commit
        self.left = 1
        patch.setattr(store, "commit", self)

    async def __call__(self, batch: Batch) -> Sequence[int]:
        if self.left:
            self.left -= 1
            raise OSError("the disk is full")
        return await self._commit(batch)


class Broken:
    """A matcher with a fault."""

    def match(self, changes: Sequence[Change], now: int) -> list[tuple[str, int, bytes]]:
        raise ZeroDivisionError("a fault of the matcher")


async def test_operations_of_a_request_are_done_in_order(
    writer: Writer, store: SqliteStore
) -> None:
    work: list[Operation] = [create("a", 1), upsert("a", 2), Delete("urn:x:a"), create("a", 4)]
    results = await writer.write(work)
    assert all(isinstance(result, Outcome) for result in results)
    assert await number(store, "a") == 4


async def test_requests_are_done_in_the_order_they_came(writer: Writer, store: SqliteStore) -> None:
    await asyncio.gather(*(writer.write([upsert("a", i), upsert("b", -i)]) for i in range(300)))
    assert (await number(store, "a"), await number(store, "b")) == (299, -299)


async def test_requests_that_come_together_share_a_commit(writer: Writer) -> None:
    await asyncio.gather(*(writer.write([upsert(str(i), i)]) for i in range(500)))
    assert writer.operations == 500
    assert writer.groups <= 2


async def test_clients_that_go_on_at_once_come_to_share_a_commit(writer: Writer) -> None:
    """Half of them come while the others' first group is on its way to the disk."""

    async def client(name: str) -> None:
        for round in range(8):
            await writer.write([upsert(name, round)])
            await asyncio.sleep(0)  # the answer goes out

    taken = asyncio.Event()
    writer.on_applied = lambda _: taken.set()
    first = [asyncio.create_task(client(f"a{n}")) for n in range(8)]
    await taken.wait()
    await asyncio.gather(*first, *(client(f"b{n}") for n in range(8)))
    assert writer.operations == 128
    assert writer.groups <= 11


async def test_a_large_request_keeps_its_order_over_several_commits(
    writer: Writer, store: SqliteStore
) -> None:
    results = await writer.write([upsert(str(i % 7), i) for i in range(3000)])
    assert len(results) == 3000
    assert writer.groups > 1
    assert [await number(store, str(i)) for i in range(7)] == [
        max(n for n in range(3000) if n % 7 == i) for i in range(7)
    ]


async def test_an_operation_that_fails_fails_alone(writer: Writer, store: SqliteStore) -> None:
    work = [create("a", 1), create("a", 2), create("b", 3)]
    first, second, third = await writer.write(work)
    assert isinstance(first, Outcome)
    assert isinstance(second, AlreadyExists)
    assert isinstance(third, Outcome)
    assert (await number(store, "a"), await number(store, "b")) == (1, 3)


async def test_a_commit_that_fails_fails_its_group_and_the_next_goes_on(
    writer: Writer, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    FailingOnce(store, monkeypatch)
    told: list[Change] = []
    writer.on_changes = told.extend
    group = [asyncio.create_task(writer.write([create(id)])) for id in ("a", "b")]
    kept = asyncio.create_task(writer.keep("setting", "s", b"1"))
    await asyncio.sleep(0.02)
    later = asyncio.create_task(writer.write([create("a", 7), create("c", 8)]))
    failed = await asyncio.gather(*group, kept, return_exceptions=True)
    assert all(isinstance(error, InternalError) for error in failed)
    assert "the disk is full" in str(failed[0])
    assert all(isinstance(result, Outcome) for result in await later)
    assert (await number(store, "a"), await number(store, "b")) == (7, None)
    assert [change.id for change in told] == ["urn:x:a", "urn:x:c"]
    assert await store.items("setting") == []


async def test_a_matcher_that_raises_fails_its_group_only(
    writer: Writer, store: SqliteStore
) -> None:
    writer.matcher = Broken()
    with pytest.raises(InternalError):
        await writer.write([create("a")])
    writer.matcher = None
    await writer.write([create("b", 2)])
    assert (await number(store, "a"), await number(store, "b")) == (None, 2)


async def test_what_became_of_deliveries_survives_a_commit_that_fails(
    writer: Writer, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    await writer.add_deliveries([("urn:s:1", 5, b"body"), ("urn:s:1", 6, b"more")])
    await writer.write([create("a")])
    first, second = await store.deliveries()
    FailingOnce(store, monkeypatch)
    writer.settle([first.key], [(second.key, 3, "refused")])
    await writer.close()
    (left,) = await store.deliveries()
    assert (left.key, left.attempts, left.error) == (second.key, 3, "refused")


async def test_deliveries_are_handed_on_with_their_keys(writer: Writer, store: SqliteStore) -> None:
    handed: list[Any] = []
    writer.on_deliveries = handed.extend
    await writer.add_deliveries([("urn:s:1", 5, b"one"), ("urn:s:2", 6, b"two")])
    await writer.close()
    assert handed == await store.deliveries()


async def test_too_much_waiting_is_refused_and_nothing_of_it_done(
    writer: Writer, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "WAITING", 10)
    first = asyncio.create_task(writer.write([upsert(str(i)) for i in range(10)]))
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await writer.write([create("refused")])
    await first
    assert await number(store, "refused") is None
    await writer.write([create("now", 1)])
    assert await number(store, "now") == 1


async def test_a_request_larger_than_may_wait_is_taken_when_nothing_waits(
    writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "WAITING", 10)
    results = await writer.write([upsert(str(i)) for i in range(600)])
    assert len(results) == 600
    assert writer.waiting == 0


async def test_a_client_that_gave_up_does_not_hold_up_its_group(
    writer: Writer, store: SqliteStore
) -> None:
    gone = asyncio.create_task(writer.write([create("a", 1)]))
    other = asyncio.create_task(writer.write([create("b", 2)]))
    await asyncio.sleep(0)
    gone.cancel()
    assert not isinstance((await other)[0], NgsiError)
    assert (await number(store, "a"), await number(store, "b")) == (1, 2)


async def test_followers_get_every_change_in_order(writer: Writer) -> None:
    changes = Changes()
    writer.on_changes = changes.publish

    async def follow() -> list[tuple[str, str]]:
        return [(change.kind, change.id) async for change in changes.follow()]

    following = asyncio.create_task(follow())
    await asyncio.sleep(0)
    for i in range(40):
        await writer.write([create(str(i)), upsert(str(i), 2), create(str(i))])
    await writer.write([Delete("urn:x:0")])
    changes.close()
    seen = await following
    expected = [(kind, f"urn:x:{i}") for i in range(40) for kind in ("created", "updated")]
    assert seen == [*expected, ("deleted", "urn:x:0")]


async def test_a_follower_of_some_types_gets_all_changes_of_theirs(writer: Writer) -> None:
    changes = Changes()
    writer.on_changes = changes.publish

    async def follow() -> list[tuple[str, str]]:
        stream = changes.follow(lambda change: "Thing" in _types(change), {"Thing"})
        return [(change.kind, change.id) async for change in stream]

    def _types(change: Change) -> list[str]:
        state = change.after or change.before
        return [] if state is None else state.types

    following = asyncio.create_task(follow())
    await asyncio.sleep(0)
    await writer.write([upsert("other", 1, type="Other")])
    await writer.write(
        [upsert("both", 1, type=["Other", "Thing"]), upsert("other", 2, type="Other")]
    )
    await writer.write([upsert("a", 1)])
    await writer.write([Delete("urn:x:a")])
    changes.close()
    assert await following == [
        ("created", "urn:x:both"),
        ("created", "urn:x:a"),
        ("deleted", "urn:x:a"),
    ]


async def test_a_follower_that_is_too_slow_is_told(writer: Writer) -> None:
    changes = Changes()
    writer.on_changes = changes.publish
    stream = changes.follow()
    upcoming = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0)
    await writer.write([upsert(str(i)) for i in range(100)])
    await upcoming
    await writer.write([upsert(str(i), 1) for i in range(20_100)])
    with pytest.raises(FellBehind):
        async for _ in stream:
            pass


async def test_what_has_expired_is_gone_before_anything_is_done_to_it(
    writer: Writer, store: SqliteStore
) -> None:
    told: list[Change] = []
    writer.on_changes = told.extend
    await writer.write([upsert("a", 1, expiresAt="2999-01-01T00:00:00Z"), upsert("b", 1)])
    now = 40_000_000_000_000_000  # the year 3237
    writer._clock = Clock(now)
    results = await writer.write([create("a", 2), create("b", 2)])
    assert isinstance(results[0], Outcome)
    assert isinstance(results[1], AlreadyExists)
    assert [(c.kind, c.id) for c in told[2:]] == [("deleted", "urn:x:a"), ("created", "urn:x:a")]
    assert await number(store, "a") == 2

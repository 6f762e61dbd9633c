"""Two hubs on one database, as their stores see it: leases, items of one another, new shapes."""

from __future__ import annotations

import asyncio
import time
from itertools import count
from pathlib import Path

import pytest

from madang.model.entity import Entity
from madang.query.tree import Query
from madang.settings import Settings
from madang.store.postgres.engine import PostgresEngine
from madang.store.postgres.lease import SILENCE_S
from madang.store.postgres.shared import SharedStore
from madang.store.protocol import Batch, Change, Item, Outdated
from madang.store.word import Word
from madang.trust.trust import Trust
from tests.contract.cluster import shared

numbers = count()


@pytest.fixture
def url() -> str:
    return shared().make(f"two_{next(numbers)}")


async def stores(url: str) -> tuple[list[PostgresEngine], list[SharedStore]]:
    """Open the default tenant as two hubs do."""
    engines = [PostgresEngine(url, is_shared=True) for _ in range(2)]
    found = []
    for engine in engines:
        await engine.claim()
        await engine.open("", create=True)
        store = engine.shared("")
        assert store is not None
        found.append(store)
    return engines, found


def batch(id: str, type: str, value: int, before: Entity | None = None) -> Batch:
    """Return what commits one entity."""
    document = {"id": id, "type": type, "n": {"type": "Property", "value": value}}
    after = Entity(document, value, value, value)
    kind = "created" if before is None else "updated"
    return Batch({id: after}, [Change(kind, value, id, before, after, ("n",))])  # type: ignore[arg-type]


async def test_a_commit_takes_up_guarded_items_of_another_hub_first(url: str) -> None:
    engines, (one, other) = await stores(url)
    taken: list[Item] = []
    other.on_items = taken.extend
    await one.commit(Batch(items={("subscription", "urn:s:1"): b"{}"}, is_guarded=True))
    with pytest.raises(Outdated) as refused:
        await other.commit(batch("urn:e:1", "E", 1))
    assert refused.value.items == {("subscription", "urn:s:1")}
    assert taken == [Item("subscription", "urn:s:1", b"{}")]
    await other.commit(batch("urn:e:1", "E", 1))
    await one.commit(Batch(items={("subscription", "urn:s:1"): None}, is_guarded=True))
    assert await other.item("subscription", "urn:s:1") is None
    assert await other.take_up() == {("subscription", "urn:s:1")}
    assert taken[-1].body is None
    assert await other.take_up() == set()
    for engine in engines:
        await engine.close()


async def test_word_of_another_hub_hides_no_entity_from_a_turn_that_has_begun(url: str) -> None:
    engines, (one, other) = await stores(url)
    for id in ("urn:e:1", "urn:e:2"):
        await one.commit(batch(id, "E", 1))
    await other.load({"urn:e:1"})
    loading = asyncio.create_task(other.load({"urn:e:1", "urn:e:2"}))
    await asyncio.sleep(0)  # it waits for the second one, which it did not know
    other.hear(Word("", 2, 0, 0, ids=("urn:e:1",)))
    assert (await loading).keys() == {"urn:e:1", "urn:e:2"}
    for engine in engines:
        await engine.close()


async def test_a_deletion_is_worked_out_anew_if_another_hub_has_changed_the_entity(
    url: str,
) -> None:
    engines, (one, other) = await stores(url)
    await one.commit(batch("urn:e:1", "E", 1))
    before = (await other.load({"urn:e:1"}))["urn:e:1"]
    await one.commit(batch("urn:e:1", "E", 2, before))
    other.hear(Word("", 2, 0, 0, ids=("urn:e:1",)))
    deletion = Batch({"urn:e:1": None}, [Change("deleted", 3, "urn:e:1", before, None, ())])
    with pytest.raises(Outdated):
        await other.commit(deletion)
    await other.load({"urn:e:1"})
    await other.commit(deletion)
    assert await one.get("urn:e:1") is None
    for engine in engines:
        await engine.close()


async def test_items_that_are_not_guarded_hold_up_nobody_and_are_no_news_to_who_made_them(
    url: str,
) -> None:
    engines, (one, other) = await stores(url)
    taken: list[Item] = []
    other.on_items = taken.extend
    await one.commit(Batch(items={("service", "a"): b"1"}))
    await other.commit(Batch(items={("service", "b"): b"2"}))
    assert not taken
    assert other.misses(1)
    await other.take_up()
    assert [item.id for item in taken] == ["a"]
    for engine in engines:
        await engine.close()


async def test_a_commit_that_waited_while_items_were_taken_up_is_based_on_too_little(
    url: str,
) -> None:
    engines, (one, other) = await stores(url)
    other.on_items = lambda _: None
    known = other.taken_up
    await one.commit(Batch(items={("key", "urn:k:1"): b"1"}, is_guarded=True))
    await other.take_up()
    mine: Batch = Batch(items={("key", "urn:k:1"): b"2"}, is_guarded=True, known=known)
    with pytest.raises(Outdated) as refused:
        await other.commit(mine)
    assert refused.value.items == {("key", "urn:k:1")}
    assert await other.item("key", "urn:k:1") == b"1"
    mine.known = other.taken_up
    await other.commit(mine)
    assert await other.item("key", "urn:k:1") == b"2"
    for engine in engines:
        await engine.close()


async def test_two_hubs_make_the_same_shape_at_the_same_time(url: str) -> None:
    engines, (one, other) = await stores(url)
    await one.commit(batch("urn:a:1", "A", 1))
    with pytest.raises(Outdated):  # both gave their new shape the number 1
        await other.commit(batch("urn:b:1", "B", 2))
    await other.commit(batch("urn:b:1", "B", 2))
    for store in (one, other):
        page = await store.query(Query(limit=10), 3)
        assert [row.id for row in page.rows] == ["urn:a:1", "urn:b:1"]
        assert [(shape.types, shape.count) for shape in await store.shapes()] == [
            (("A",), 1),
            (("B",), 1),
        ]
        assert await store.check() == []
    for engine in engines:
        await engine.close()


def at_once() -> float:
    return 0.0


@pytest.mark.slow
async def test_who_leaves_a_lease_to_others_takes_it_when_nobody_does(url: str) -> None:
    engines, _ = await stores(url)
    await engines[0].prepare_sharing()
    one, other = engines[0].lease("w", "one"), engines[1].lease("w", "other")
    await one.won(at_once)
    patient = asyncio.create_task(other.won(lambda: 1.5))
    await asyncio.sleep(0)
    began = time.monotonic()
    await one.release()
    await patient
    assert 1.0 < time.monotonic() - began < 4
    for engine in engines:
        await engine.close()


async def test_hubs_see_one_another_until_they_leave(url: str) -> None:
    engines, _ = await stores(url)
    tables = [await engine.prepare_sharing() for engine in engines]
    await tables[0].beat("a", "one:8080", "worker", {"history": 5.0}, 3)
    found = await tables[1].beat("b", "two:8080", "api", {}, 0)
    assert [(n.id, n.role, n.work, n.behind, n.is_alive) for n in found] == [
        ("a", "worker", {"history": 5.0}, 3, True),
        ("b", "api", {}, 0, True),
    ]
    await tables[0].leave("a")
    assert [n.id for n in await tables[1].beat("b", "two:8080", "api", {}, 0)] == ["b"]
    for engine in engines:
        await engine.close()


@pytest.mark.slow
async def test_a_lease_is_handed_on_at_once_and_taken_over_after_a_silence(url: str) -> None:
    engines, _ = await stores(url)
    await engines[0].prepare_sharing()
    one, other = engines[0].lease("w", "one"), engines[1].lease("w", "other")
    await one.won(at_once)
    beating = asyncio.create_task(one.lost())
    waiting = asyncio.create_task(other.won(at_once))
    _, pending = await asyncio.wait({waiting}, timeout=SILENCE_S + 1.5)
    assert pending, "it was taken from who holds it"
    beating.cancel()
    first = one.number
    began = time.monotonic()
    await waiting
    assert SILENCE_S - 1.5 < time.monotonic() - began < SILENCE_S + 2
    assert other.number > first
    await asyncio.wait_for(one.lost(), 3)  # it finds out as soon as it beats again
    assert one.number == 0
    handed = asyncio.create_task(one.won(at_once))
    await asyncio.sleep(0)
    await other.release()
    await asyncio.wait_for(handed, 2)
    for engine in engines:
        await engine.close()


async def test_hubs_that_begin_together_with_a_new_database_agree_on_the_key_of_the_audit_log(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MADANG_SECRET_KEY", "0123456789abcdef0123456789abcdef")
    engines = [PostgresEngine(url, is_shared=True) for _ in range(5)]
    settings = [
        Settings(data=tmp_path / str(number), store=url, bus="nats://madang@127.0.0.1")
        for number in range(5)
    ]
    for engine, one in zip(engines, settings, strict=True):
        one.data.mkdir()
        await engine.claim()
        await engine.system()
    opened = await asyncio.gather(*map(Trust.open, settings, engines))
    keys = {trust.audit.signer.verifier for trust in opened}
    assert len(keys) == 1
    for trust, engine in zip(opened, engines, strict=True):
        await trust.identities.close()
        await trust.close()
        await engine.close()

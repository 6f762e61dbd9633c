"""What the PostgreSQL engine alone promises: several writers, one hub, moves cut off."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from madang.query import tree
from madang.query.tree import Query
from madang.store.engine import SqliteEngine
from madang.store.postgres import move as moving
from madang.store.postgres import move_rows, sql
from madang.store.postgres.engine import PostgresEngine, UnusableDatabase
from madang.store.postgres.schema import schema_of
from madang.store.protocol import Batch, Outdated
from tests.contract.city import T0, ids, of_type, put, vehicle
from tests.contract.cluster import shared

numbers = count()


@pytest.fixture
def url() -> str:
    return shared().make(f"store_{next(numbers)}")


def test_every_tenant_has_a_schema_of_its_own_that_needs_no_quotes() -> None:
    names = ["", "north", "north-1", "서울", "x" * 72, "named_north", "NORTH"]
    schemas = [schema_of(name) for name in names]
    assert len(set(schemas)) == len(names)
    assert all(schema.replace("_", "").isalnum() and len(schema) < 63 for schema in schemas)


async def test_of_two_writers_the_later_one_is_refused_and_loads_again(url: str) -> None:
    one, other = PostgresEngine(url), PostgresEngine(url)
    first, second = await one.open("", create=True), await other.open("", create=True)
    assert first is not None
    assert second is not None
    await put(first, vehicle(1))
    for state in (vehicle(1, speed=60), None):
        assert await second.load([vehicle(1).id])
        await put(first, vehicle(1, speed=70))
        with pytest.raises(Outdated):
            await second.commit(Batch(states={vehicle(1).id: state, vehicle(2).id: vehicle(2)}))
        assert await first.get(vehicle(2).id) is None
    loaded = await second.load([vehicle(1).id])
    assert loaded[vehicle(1).id].document["speed"]["value"] == 70
    await put(second, vehicle(1, speed=80))
    assert second.last_change == 4
    assert await first.check() == []
    await one.close()
    await other.close()


OWNER = tree.Uri("urn:ngsi-ld:Person:7")
LED_TO = [
    tree.Compare(tree.Path("ownedBy"), "==", value)
    for value in (OWNER, OWNER.text, tree.Values((OWNER, tree.Uri("urn:none"))))
]


@pytest.mark.parametrize("wanted", LED_TO)
async def test_an_index_finds_what_leads_to_an_entity(url: str, wanted: tree.Compare) -> None:
    """However little the others have in common with it, and whoever wrote them."""
    engine = PostgresEngine(url)
    store = await engine.open("", create=True)
    assert store is not None
    await put(store, *(vehicle(n, ownedBy=f"urn:ngsi-ld:Person:{n % 300}") for n in range(900)))
    statement = sql.where(of_type("Vehicle", q=wanted))
    assert statement.indexed
    with psycopg.connect(url.replace("postgres:", "postgresql:")) as connection:
        connection.execute("SET enable_seqscan = off")
        lines = connection.execute(
            f"EXPLAIN SELECT 1 FROM madang_default.entity e WHERE {statement.text}".encode(),
            statement.values,
        ).fetchall()
    assert sum("iris_idx" in line for (line,) in lines) == 16
    page = await store.query(of_type("Vehicle", q=wanted, count=True, limit=2), T0)
    assert (ids(page), page.count, page.more) == ([vehicle(7).id, vehicle(307).id], 3, True)
    await engine.close()


async def test_a_schema_of_an_older_version_is_brought_to_this_one(url: str) -> None:
    """With its entities, which are found by what they lead to as those that come after it."""
    engine = PostgresEngine(url)
    store = await engine.open("", create=True)
    assert store is not None
    await put(store, vehicle(1, ownedBy="urn:ngsi-ld:Person:7"), vehicle(2))
    await engine.close()
    with psycopg.connect(url.replace("postgres:", "postgresql:")) as connection:
        connection.execute("ALTER TABLE madang_default.entity DROP iris")
        connection.execute("UPDATE madang.tenant SET version = 2")
    engine = PostgresEngine(url)
    store = await engine.open("", create=False)
    assert store is not None
    await put(store, vehicle(3, ownedBy="urn:ngsi-ld:Person:7"))
    page = await store.query(of_type("Vehicle", q=LED_TO[0]), T0)
    assert ids(page) == [vehicle(1).id, vehicle(3).id]
    assert await store.check() == []
    await engine.close()


async def test_a_commit_whose_session_the_server_has_ended_is_made_again(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = conninfo_to_dict(url)["dbname"]
    shared().execute(f"ALTER DATABASE {database} SET idle_in_transaction_session_timeout = '50ms'")
    engine = PostgresEngine(url)
    store = await engine.open("", create=True)
    assert store is not None
    pauses = [0.3]

    def check(*_: object) -> None:
        if pauses:
            time.sleep(pauses.pop())  # the hub stands still with its transaction open

    monkeypatch.setattr(store, "_check", check)
    await put(store, vehicle(1))
    assert pauses == []
    assert await store.get(vehicle(1).id) is not None
    assert store.last_change == 1
    await engine.close()


@pytest.mark.slow
async def test_a_hub_has_the_database_to_itself(url: str) -> None:
    one, other = PostgresEngine(url), PostgresEngine(url)
    await one.claim()
    with pytest.raises(UnusableDatabase, match="another hub works on postgres://madang@"):
        await other.claim()
    await one.close()
    await other.claim()
    await other.close()


async def test_a_move_that_was_cut_off_goes_on_and_no_hub_starts_before(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = SqliteEngine(tmp_path)
    store = await source.open("", create=True)
    assert store is not None
    await put(store, *(vehicle(n) for n in range(30)))
    await store.commit(Batch(items={("subscription", "urn:s"): b"{}"}))
    wanted = ids(await store.query(Query(limit=100), T0))
    await source.close()
    monkeypatch.setattr(move_rows, "CHUNK", 7)

    class CutOff(Exception):
        pass

    copied: list[int] = []

    def cut(_what: str, more: int) -> None:
        copied.append(more)
        if len(copied) == 2:
            raise CutOff

    async def move(engine: PostgresEngine, told: moving.Told) -> None:
        async with await engine.connect() as connection:
            mover = moving.Mover(connection, tmp_path, told)
            await mover.begin()
            await mover.follow()
            assert await mover.finish(lambda: None, lambda: None)

    engine = PostgresEngine(url)
    with pytest.raises(CutOff):
        await move(engine, cut)
    assert not await moving.decide(engine)
    with pytest.raises(UnusableDatabase, match="run `madang move` again"):
        await engine.claim()
    await move(engine, lambda what, more: None)
    assert await moving.decide(engine)
    await engine.claim()
    moved = await engine.open("", create=False)
    assert moved is not None
    assert ids(await moved.query(Query(limit=100), T0)) == wanted
    assert await moved.items("subscription") == [("urn:s", b"{}")]
    assert moved.last_change == 30
    await put(moved, vehicle(99))
    assert await moved.check() == []
    await engine.close()
    other = PostgresEngine(url)
    with pytest.raises(move_rows.MoveError, match="name an empty database"):
        await move(other, lambda what, more: None)
    await other.close()


async def test_a_move_that_is_given_up_right_before_its_end_is_not_made_final(
    url: str, tmp_path: Path
) -> None:
    source = SqliteEngine(tmp_path)
    store = await source.open("", create=True)
    assert store is not None
    await put(store, vehicle(1))
    await source.close()
    engine = PostgresEngine(url)

    async def move(note: Callable[[], None]) -> bool:
        async with await engine.connect() as connection:
            mover = moving.Mover(connection, tmp_path, lambda what, more: None)
            await mover.begin()
            await mover.follow()
            return await mover.finish(lambda: None, note)

    found: list[bool] = []

    async def decide() -> None:
        other = PostgresEngine(url)
        found.append(await moving.decide(other))
        await other.close()

    def give_up() -> None:  # as a hub does that has heard nothing of the mover
        work = threading.Thread(target=lambda: asyncio.run(decide()))
        work.start()
        work.join()

    assert not await move(give_up)
    assert not await moving.decide(engine)
    assert found == [False]
    assert await move(lambda: None)
    assert await moving.decide(engine)
    await engine.close()


@pytest.mark.slow
async def test_a_database_that_does_not_answer_is_named_without_its_password(
    tmp_path: Path,
) -> None:
    engine = PostgresEngine(f"postgres://madang@/city?host={tmp_path}", "secret-word")
    with pytest.raises(UnusableDatabase) as raised:
        await engine.claim()
    assert "cannot be used" in str(raised.value)
    assert "secret-word" not in str(raised.value)

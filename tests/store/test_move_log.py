"""What has changed since a move began is noted once, and again if it changes while it is moved."""

from __future__ import annotations

from pathlib import Path

import pytest

from madang.model.entity import Entity
from madang.store import move_log
from madang.store.protocol import Batch
from madang.store.sqlite import SqliteStore


def thing(id: str, value: int) -> Entity:
    content = {"id": id, "type": "T", "a": {"type": "Property", "value": value}}
    return Entity(content, value, value, value)


async def put(store: SqliteStore, **values: int | None) -> None:
    ids = {f"urn:{name}": value for name, value in values.items()}
    await store.load(ids)
    states = {id: None if value is None else thing(id, value) for id, value in ids.items()}
    await store.commit(Batch(states=states))


async def test_what_is_written_is_noted_until_it_is_settled(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "default.sqlite", 30)
    await put(store, before=1, changed=1, gone=1)
    await store.commit(Batch(items={("setting", "kept"): b"1", ("setting", "other"): b"1"}))
    log = move_log.connect(store.file)
    assert not move_log.is_there(log)
    move_log.begin(log)
    assert move_log.is_there(log)
    assert move_log.noted(log, "entity") == move_log.noted(log, "item") == []
    await put(store, new=1, changed=2, gone=None)
    await put(store, changed=3)
    await store.commit(Batch(items={("setting", "other"): b"2"}))  # an INSERT OR REPLACE
    assert move_log.noted(log, "entity") == [("urn:changed",), ("urn:gone",), ("urn:new",)]
    assert move_log.noted(log, "item") == [("setting", "other")]
    move_log.take(log)
    await put(store, changed=4)
    await store.commit(Batch(items={("setting", "kept"): None}))
    move_log.settle(log)
    assert move_log.noted(log, "entity") == [("urn:changed",)]
    assert move_log.noted(log, "item") == [("setting", "kept")]
    move_log.end(log)
    assert not move_log.is_there(log)
    await put(store, changed=5)
    assert await store.check() == []
    await store.close()
    log.close()


async def test_a_write_that_fails_is_not_noted(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "default.sqlite", 30)
    log = move_log.connect(store.file)
    move_log.begin(log)
    broken = Batch(states={"urn:a": thing("urn:a", 1)}, deliveries=[(None, 0, b"")])  # type: ignore[list-item]
    with pytest.raises(Exception, match="NOT NULL"):
        await store.commit(broken)
    assert move_log.noted(log, "entity") == []
    await store.close()
    log.close()


async def test_a_store_is_closed_while_a_frozen_mover_reads_it(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "default.sqlite", 30)
    await put(store, one=1)
    log = move_log.connect(store.file)
    with move_log.snapshot(log):
        await put(store, one=2)
        await store.close()
        again = SqliteStore(store.file, 30)
        found = await again.load(["urn:one"])
        assert found["urn:one"] is not None
        assert found["urn:one"].modified == 2
        await again.close()
    log.close()

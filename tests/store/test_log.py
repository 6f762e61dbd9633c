"""The log of a store is copied in a thread by the connection that writes: nothing else uses it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from madang.hub.clock import Clock
from madang.hub.operations import Upsert
from madang.hub.writer import Writer
from madang.model.context import CORE
from madang.model.normalize import entity
from madang.store import log, sqlite
from madang.store.sqlite import SqliteStore


def upsert(number: int) -> Upsert:
    id = f"urn:ngsi-ld:Sensor:{number}"
    raw = {"id": id, "type": "Sensor", "note": {"type": "Property", "value": "x" * 2_000}}
    return Upsert(id, entity(raw, CORE), update=True)


async def test_writes_go_on_while_the_log_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each write loads entities that are not in memory while the log is copied again and again."""
    monkeypatch.setattr(log, "LONGEST", 50)
    monkeypatch.setattr(sqlite, "KEPT", 0)
    problems: list[str] = []
    monkeypatch.setattr(log.log, "warning", lambda event, **detail: problems.append(str(detail)))
    store = SqliteStore(tmp_path / "state.sqlite", 10)
    writer = Writer(store, Clock())
    for first in range(0, 6_000, 200):
        results = await asyncio.gather(
            *(writer.write([upsert(number % 2_000)]) for number in range(first, first + 200))
        )
        assert not [one for result in results for one in result if isinstance(one, Exception)]
    assert problems == []
    await store.drained(store.last_change)
    assert (await store.size())["outbox"] == 0
    await writer.close()
    await store.close()

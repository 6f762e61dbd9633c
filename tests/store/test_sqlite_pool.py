"""What is read in a thread is as of when it is read, whatever was committed while it waited."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

from madang.query.tree import Order
from madang.query.tree import Path as Term
from madang.store.sqlite import SqliteStore
from madang.store.sqlite_pool import THREADS
from tests.contract.city import T0, entity, ids, of_type, put, vehicle


async def test_an_entity_that_gets_a_first_attribute_of_its_kind_is_never_missing(
    tmp_path: Path,
) -> None:
    """As a command does with its first approval, while somebody lists the commands."""
    store = SqliteStore(tmp_path / "state.sqlite", 10)
    await put(store, vehicle(1), entity("urn:ngsi-ld:Lamp:1", "Lamp"))
    in_order = of_type("Vehicle", order=(Order(Term("createdAt")),))
    go = threading.Event()
    busy = [store._pool.threads.submit(go.wait) for _ in range(THREADS)]
    listing = asyncio.create_task(store.query(in_order, T0))
    await asyncio.sleep(0)
    await put(store, vehicle(1, approved=1))
    go.set()
    assert ids(await listing) == [vehicle(1).id]
    assert all(one.result() for one in busy)
    await store.close()

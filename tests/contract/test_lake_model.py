"""A hub's history is what was written to it, whatever the lake did and whenever it was cut off."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from madang.hub.history import Histories
from madang.hub.hub import Hub
from madang.hub.lakes import Lakes
from madang.hub.operations import Delete, DeleteAttribute, Operation, Upsert
from madang.hub.tenant import Tenant
from madang.hub.tenants import Tenants
from madang.lake.protocol import Lake
from madang.lake.questions import Wanted
from madang.model import time
from madang.model.attributes import attributes_of, instances
from madang.model.context import CORE
from madang.model.entity import INSTANCE
from madang.model.normalize import entity as normalized
from madang.query.tree import Query
from madang.settings import Settings
from madang.store import engine_of
from madang.store.protocol import Change
from tests.contract.cluster import shared

Told = tuple[str | None, Any, int | None, bool]
"""dataset, value, observedAt, deleted."""
fresh = count(1)
Model = dict[tuple[str, str], list[Told]]


class City:
    """A hub over one folder that can be cut off and started again."""

    def __init__(self, folder: Path, seed: int, store: str = "") -> None:
        self.settings = Settings(data=folder, store=store, history_drain_s=3600)
        self.random = random.Random(seed)
        self.model: Model = defaultdict(list)
        self.changes = 0
        self.tenant: Tenant

    async def start(self) -> None:
        self.tenants = Tenants(self.settings)
        self.hub = Hub(engine_of(self.settings), self.tenants.make)
        await self.hub.start()
        self.tenant = await self.hub.tenant("", create=True)
        self.tenant.writer.on_changes = self.note

    async def stop(self) -> None:
        await self.hub.close()
        await self.tenants.close()

    def note(self, changes: list[Change]) -> None:
        """Put down what history must have of acknowledged changes, straight from the states."""
        self.changes += len(changes)
        for change in changes:
            if change.after is None:
                continue
            for name, attribute in attributes_of(change.after.document):
                if name not in change.attributes:
                    continue
                old = () if change.before is None else change.before.document.get(name, ())
                former = instances(old) if old else []
                for one in instances(attribute):
                    if not any(one is other for other in former):
                        seen = one.get("observedAt")
                        at = None if seen is None else time.parse(seen)
                        told = (one.get("datasetId"), one["value"], at, False)
                        self.model[change.id, name].append(told)
            for path in change.deleted:
                name, _, dataset = path.partition(INSTANCE)
                self.model[change.id, name].append((dataset or None, None, None, True))

    def operation(self) -> Operation:
        """Return something to be done to one of a few entities."""
        choose = self.random.choice
        id = f"urn:ngsi-ld:Room:{self.random.randrange(6)}"
        what = self.random.random()
        if what < 0.05:
            return Delete(id)
        if what < 0.12:
            return DeleteAttribute(id, choose("ab"), all_instances=True)
        document: dict[str, Any] = {"id": id, "type": "Room"}
        for name in self.random.sample("abc", self.random.randint(1, 3)):
            given = [self.instance(d) for d in self.random.sample([None, "urn:d:1", "urn:d:2"], 2)]
            document[name] = given if self.random.random() < 0.3 else given[0]
        return Upsert(id, normalized(document, CORE), update=self.random.random() < 0.8)

    def instance(self, dataset: str | None) -> dict[str, Any]:
        value: dict[str, Any] = {"type": "Property", "value": self.random.randrange(10**6)}
        if dataset is not None:
            value["datasetId"] = dataset
        if self.random.random() < 0.6:  # late ones and early ones, in any order
            value["observedAt"] = time.render(self.random.randrange(4 * 10**15))
        return value

    async def compare(self) -> None:
        """Compare all of history, instance by instance, with what was put down."""

        def ask(lake: Lake) -> Model:
            found: Model = defaultdict(list)
            pasts = lake.pasts(Wanted(Query(limit=1000))).entities
            every = sorted((one for past in pasts for one in past.instances), key=lambda i: i.seq)
            for one in every:
                at = one.time if one.observed else None
                found[one.entity, one.attribute].append((one.dataset, one.value, at, one.deleted))
            return found

        found = await self.tenant.history.read(ask)
        assert {k: _ordered(v) for k, v in found.items()} == {
            k: _ordered(v) for k, v in self.model.items()
        }
        logged = await self.tenant.history.read(lambda lake: lake.log(0, 10**6))
        assert [one.seq for one in logged] == list(range(1, self.changes + 1))

    # --- what happens between the writes ------------------------------------------------------

    async def drain(self) -> None:
        await self.tenant.history.drain()

    async def maintain(self) -> None:
        await self.tenant.history.change(lambda lake: lake.maintain(whole=True))

    async def restart(self) -> None:
        await self.stop()
        await self.start()

    async def cut_off_in_a_drain(self) -> None:
        """Let the lake have the rows, and the outbox not know of it."""

        async def lost(upto: int) -> None:
            raise OSError("cut off")

        self.tenant.store.drained = lost  # type: ignore[method-assign]
        with pytest.raises(OSError, match="cut off"):
            await self.tenant.history.drain()
        await self.restart()

    async def fail_to_drain(self) -> None:
        """Let the disk be full for one drain."""
        await self.tenant.history.read(lambda lake: lake.taken)
        lake = self.tenant.history._lake
        assert lake is not None
        files: Any = lake._files  # type: ignore[attr-defined]
        right, files.files = files.files, "nowhere"
        with pytest.raises(OSError, match="could not be written"):
            await self.tenant.history.drain()
        files.files = right


def _ordered(told: list[Told]) -> list[Told]:
    # Instances of one change come in no order of their own.
    return sorted(told, key=repr)


@pytest.fixture(params=["embedded", "postgres"])
def store(request: pytest.FixtureRequest) -> str:
    """Return where the state is, and with it the catalog of history."""
    return "" if request.param == "embedded" else shared().make(f"model_{next(fresh)}")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
async def test_history_is_what_was_written_whatever_happened(
    tmp_path: Path, seed: int, store: str
) -> None:
    city = City(tmp_path, seed, store)
    await city.start()
    between = [city.drain, city.maintain, city.restart, city.cut_off_in_a_drain, city.fail_to_drain]
    for _ in range(12):
        for _ in range(city.random.randint(1, 4)):
            operations = [city.operation() for _ in range(city.random.randint(1, 15))]
            await city.tenant.write(operations)
        if city.random.random() < 0.8 and city.changes:
            await city.random.choice(between)()
        await city.compare()
    await city.stop()


@pytest.mark.slow
async def test_readers_see_every_acknowledged_write_once_while_rows_move(
    tmp_path: Path, store: str
) -> None:
    city = City(tmp_path, 1, store)
    await city.start()
    acknowledged = reads = 0
    done = asyncio.Event()
    id = "urn:ngsi-ld:Room:1"

    async def write() -> None:
        nonlocal acknowledged
        while reads < 20:
            content = normalized({"id": id, "type": "Room", "n": acknowledged}, CORE)
            await city.tenant.write([Upsert(id, content, update=True)])
            acknowledged += 1
            await asyncio.sleep(0.002)  # on a full machine readers would never catch up
        done.set()

    async def move() -> None:
        while not done.is_set():
            await city.tenant.history.drain()
            await city.tenant.history.change(lambda lake: lake.maintain())

    async def read() -> None:
        nonlocal reads
        while not done.is_set():
            least = acknowledged
            pasts = await city.tenant.history.read(lambda lake: lake.pasts(Wanted()).entities)
            values = [one.value for past in pasts for one in past.instances]
            assert values == list(range(len(values)))
            assert len(values) >= least
            reads += 1

    await asyncio.gather(write(), move(), read(), read())
    await city.compare()
    await city.stop()


async def test_an_engine_that_nobody_asks_is_not_started(tmp_path: Path) -> None:
    shared = Histories(Lakes(Settings(data=tmp_path)), 256, 3600)
    assert not (tmp_path / "lake").exists()
    shared.close()
    city = City(tmp_path, 1)
    await city.start()
    await city.stop()
    assert not (tmp_path / "lake").exists()

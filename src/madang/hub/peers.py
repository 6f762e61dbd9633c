"""Hubs that share a database: each tells the others of its commits, and looks what it missed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import psycopg
import structlog

from madang.bus.nats import Bus
from madang.hub.hub import Hub
from madang.hub.roster import Roster
from madang.hub.shared_tenant import SharedTenant
from madang.hub.tenant import Tenant
from madang.model.errors import MadangError, Unavailable
from madang.settings_types import Role
from madang.store.postgres.engine import SYSTEM_NAME, PostgresEngine
from madang.store.postgres.shared import SharedStore
from madang.store.protocol import Item
from madang.store.word import Word

log = structlog.get_logger("madang.peers")

LOOK_S = 0.5  # from one look at the counters to the next; what a lost word can cost


class Peers:
    """This hub among the others.

    Args:
        engine: of the database they share.
        hub: its tenants.
        servers: of NATS, see :class:`madang.bus.nats.Bus`.
        password: for them.
        place: what the hubs of this database have in common.
        name: of this hub, for people.
        role: which duties it takes on.
        system: takes up what another hub has changed of what belongs to no tenant.
    """

    def __init__(
        self,
        engine: PostgresEngine,
        hub: Hub,
        servers: str,
        password: str,
        place: str,
        name: str,
        role: Role,
        system: Callable[[Sequence[Item]], None],
    ) -> None:
        self._engine = engine
        self._hub = hub
        self._system = system
        self._taking: dict[str, asyncio.Task[None]] = {}
        self._opening: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[None] | None = None
        self.bus = Bus(servers, password, place, lambda text: self._hear(Word.load(text)))
        self._behind = 0
        self.roster = Roster(
            engine, self.bus.node, name, role, lambda: self._behind, lambda: hub.open
        )
        hub.on_open.append(self._join)
        hub.on_close.append(self._close)
        hub.is_told = lambda: self.bus.is_connected

    def start(self) -> None:
        """Begin to tell and to hear; the hub must have been started."""
        self._engine.on_commit = lambda word: self.bus.tell(word.dump())
        self._store(SYSTEM_NAME).on_items = self._system
        self.bus.start()
        self._looking = asyncio.get_running_loop().create_task(self._look())

    async def _join(self, tenant: Tenant) -> None:
        assert isinstance(tenant, SharedTenant), "what hubs share is shared"
        tenant.join(self.bus.stream(tenant.name))

    def _store(self, name: str) -> SharedStore:
        found = self._engine.shared(name)
        assert found is not None, "what this hub has opened on a shared database is shared"
        return found

    # --- what the others do -------------------------------------------------------------------

    def _hear(self, word: Word) -> None:
        tenant = self._hub.open.get(word.store)
        if isinstance(tenant, SharedTenant):
            tenant.hear(word)
        elif word.store != SYSTEM_NAME:
            self._open_soon()
            return
        if self._store(word.store).misses(word.items) and word.store not in self._taking:
            task = asyncio.get_running_loop().create_task(self._take_up(word.store))
            self._taking[word.store] = task

    async def _take_up(self, name: str) -> None:
        try:
            await self._store(name).take_up()
        except Unavailable as error:  # the next look tries again
            log.warning("peers.not_taken_up", store=name, error=str(error))
        finally:
            del self._taking[name]

    async def catch_up(self) -> bool:
        """Take up what belongs to no tenant; tell whether anything had changed."""
        store = self._store(SYSTEM_NAME)
        before = store.taken_up
        await store.take_up()  # or wait for who is at it already
        return store.taken_up != before

    async def _look(self) -> None:
        """Look at the counters again and again, for words that have been lost."""
        while True:
            await asyncio.sleep(LOOK_S)
            try:
                behind = 0
                for word in await self._engine.counters():
                    store = self._store(word.store)
                    if word.last > store.last_change:
                        behind += word.last - store.last_change
                        await store.learn_expiry()
                    self._hear(word)
                self._behind = behind
                self._open_soon()
            except (MadangError, psycopg.Error) as error:
                log.warning("peers.unseen", error=str(error))

    def _open_soon(self) -> None:
        """Open tenants that another hub has made, if their work is done here."""
        if self._hub.duties and self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._open())

    async def _open(self) -> None:
        try:
            for name in set(await self._engine.tenants()) - self._hub.open.keys():
                await self._hub.tenant(name, create=False)
        except MadangError as error:
            log.warning("peers.not_opened", error=str(error))
        finally:
            self._opening = None

    async def _close(self) -> None:
        """Part with the others, who are told that this hub's duties are free."""
        tasks = [*self._taking.values(), *filter(None, (self._looking, self._opening))]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._engine.on_commit = lambda _: None
        await self.roster.close()
        await self.bus.close()

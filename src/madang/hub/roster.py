"""Which of several hubs has which duty: taken by leases, shared out among hubs of equal role."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

import structlog

from madang.hub.duties import OF_ROLE, Duty, busy, patience, surplus
from madang.model.errors import MadangError, Unavailable
from madang.settings_types import Role

if TYPE_CHECKING:
    from madang.store.postgres.engine import PostgresEngine
    from madang.store.postgres.lease import Lease
    from madang.store.postgres.nodes import Node, Nodes

log = structlog.get_logger("madang.roster")

BEAT_S = 1.0  # from one sign of life to the next

Do = Callable[[Duty], Awaitable[None]]


class Roster:
    """The duties of this hub, and what it knows of the others.

    Args:
        engine: of the database that the hubs share.
        id: of this hub, which no other has.
        name: of this hub, for people.
        role: which duties it takes on.
        behind: returns how many changes of others this hub has not heard of.
        tenants: returns those that there are.
    """

    def __init__(
        self,
        engine: PostgresEngine,
        id: str,
        name: str,
        role: Role,
        behind: Callable[[], int],
        tenants: Callable[[], Iterable[str]],
    ) -> None:
        self.id = id
        self.name = name
        self.role = role
        self._engine = engine
        self._behind = behind
        self._tenants = tenants
        self._table: Nodes | None = None
        self._nodes: list[Node] = []
        self._leases: dict[Duty, Lease] = {}
        self._since: dict[Duty, float] = {}
        self._given: dict[Duty, asyncio.Event] = {}
        """To be set for a duty that is to be handed over."""
        self._turn = asyncio.Lock()
        """Held while a duty is begun or ended."""
        self._is_settled = False
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def nodes(self) -> list[Node]:
        """All hubs that have shown themselves of late, as of the last beat."""
        return self._nodes

    def start(self, begin: Do, end: Do, stop: Callable[[], None]) -> None:
        """Take on duties.

        Args:
            begin: begins one.
            end: ends one, that another hub is to have.
            stop: ends this hub, because a duty was taken from it or could not be begun.
        """
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._run(begin, end))]
        self._tasks[0].add_done_callback(lambda task: _ended(task, stop))

    async def _run(self, begin: Do, end: Do) -> None:
        self._table = await self._prepared()
        await self._beat()
        async with asyncio.TaskGroup() as group:
            for duty in OF_ROLE[self.role]:
                group.create_task(self._hold(duty, begin, end))
            while True:
                await asyncio.sleep(BEAT_S)
                await self._beat()
                self._share_out()

    async def _prepared(self) -> Nodes:
        while True:
            try:
                return await self._engine.prepare_sharing()
            except Unavailable as error:
                log.warning("roster.waits", error=str(error))
                await asyncio.sleep(BEAT_S)

    # --- the others ---------------------------------------------------------------------------

    async def _beat(self) -> None:
        assert self._table is not None
        work = {str(duty): since for duty, since in self._since.items()}
        with suppress(Unavailable):  # nobody sees anything then
            self._nodes = await self._table.beat(
                self.id, self.name, self.role, work, self._behind()
            )

    def _others(self) -> list[list[Duty]]:
        """Return the duties of each other hub that takes on what a worker does."""
        return [
            [duty for duty in OF_ROLE["all"] if duty in node.work]
            for node in self._nodes
            if node.id != self.id and node.is_alive and node.role in ("all", "worker")
        ]

    def _share_out(self) -> None:
        duty = surplus(self._since.keys(), self._others(), busy(self._tenants()))
        if duty is not None and not self._is_settled:
            self._given[duty].set()

    def _patience(self, duty: Duty) -> float:
        return patience(duty, self._since.keys(), self._others(), busy(self._tenants()))

    # --- the duties ---------------------------------------------------------------------------

    async def _hold(self, duty: Duty, begin: Do, end: Do) -> None:
        """Wait for a duty and do it, again and again when it has been handed over meanwhile.

        Raises:
            DutyLost: another hub has taken it over.
        """
        while True:
            lease = self._leases[duty] = self._engine.lease(duty, self.id)
            await lease.won(lambda: self._patience(duty))
            losing = asyncio.create_task(lease.lost())
            try:
                await self._do(duty, begin, end, losing)
            finally:
                losing.cancel()
            await lease.release()

    async def _do(self, duty: Duty, begin: Do, end: Do, losing: asyncio.Task[None]) -> None:
        given = self._given[duty] = asyncio.Event()
        self._since[duty] = time.time()
        if await self._whole(begin, duty):
            log.info("duty.begun", duty=duty, lease=self._leases[duty].number)
        giving = asyncio.create_task(given.wait())
        try:
            await asyncio.wait([losing, giving], return_when=asyncio.FIRST_COMPLETED)
        finally:
            giving.cancel()
        if losing.done():
            losing.result()
            raise DutyLost(f"this hub was silent for too long, and another has {duty} now")
        if not await self._whole(end, duty):
            await losing  # the end of this hub gives it back
        del self._since[duty]
        log.info("duty.handed_over", duty=duty)

    async def _whole(self, do: Do, duty: Duty) -> bool:
        """Begin or end a duty, to the end even if nobody waits any more; tell whether it was."""

        async def done() -> bool:
            async with self._turn:
                if not self._is_settled:
                    await do(duty)
            return not self._is_settled

        return await asyncio.shield(asyncio.create_task(done()))

    # --- the end ------------------------------------------------------------------------------

    async def settle(self) -> None:
        """Begin and end no duty any more; what has been begun goes on, and is whole from here."""
        self._is_settled = True
        async with self._turn:
            pass

    async def close(self) -> None:
        """Give the duties back: this hub does nothing any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(MadangError):
            for lease in self._leases.values():
                await lease.release()
            if self._table is not None:
                await self._table.leave(self.id)


class DutyLost(MadangError):
    """Another hub has taken a duty over; to go on would do it twice."""


def _ended(task: asyncio.Task[None], stop: Callable[[], None]) -> None:
    """End this hub if a duty was taken from it, or could not be begun."""
    if task.cancelled():
        return
    if (error := task.exception()) is not None:
        log.error("duty.lost", exc_info=error)
    stop()

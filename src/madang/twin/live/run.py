"""Runs a live twin: a second of the street each second, and a connection to the hub's broker."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import structlog

from madang.twin.live.pace import DAY_S, behind, time_of_day
from madang.twin.live.said import Devices, Said
from madang.twin.network.scenario import Scenario
from madang.twin.street.street import Street

if TYPE_CHECKING:
    from aiomqtt import Client

    from madang.twin.live.job import Job

log = structlog.get_logger("madang.twin")

WARM_S: Final = 180.0
"""Traffic begins so long before now, so that streets are not empty. [s]"""
LATE_S: Final = 900.0
"""Who is so far behind the clock (the machine has slept) begins anew. [s]"""
SPEAKS_S: Final = 5.0
"""Nothing is said of moments longer ago: they are being caught up on. [s]"""
MOST_WAITING: Final = 5_000  # messages; beyond, the oldest are dropped
_UNDER_WAY: Final = 50  # messages that are not acknowledged yet
_RETRY_S: Final = 5.0
_OLD_JAM: Final = ("--max-depart-delay", "600")  # who cannot get in for so long stays at home [s]

Tell = Callable[[dict[str, Any]], None]


class LiveTwin:
    """See the module.

    Args:
        job: what it is told at its beginning.
        tell: takes what the hub is to know: ``{"buses": [ids]}`` that drive here, and from then on
            ``{"live": true}``.
    """

    def __init__(self, job: Job, tell: Tell) -> None:
        self._job, self._tell = job, tell
        self._scenario = Scenario.open(job.scenario)
        self._outbox: asyncio.Queue[Said] = asyncio.Queue()
        self._street, self._devices = self._begin()
        self._buses: list[str] | None = None

    def _begin(self) -> tuple[Street, Devices]:
        now = max(0.0, self._clock() - WARM_S)
        street = Street(self._scenario, int(now), self._job.seed, arguments=_OLD_JAM)
        return street, Devices(self._job, street)

    def _clock(self) -> float:
        return time_of_day(datetime.now(UTC), self._scenario.zone)

    async def run(self) -> None:
        """Run until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._drive())
            group.create_task(self._speak())

    async def _drive(self) -> None:
        while True:
            late = behind(self._street.now, self._clock())
            if abs(late) > LATE_S or self._street.now >= DAY_S:
                self._street.close()
                self._street, self._devices = self._begin()
            elif late < 1.0:
                await asyncio.sleep(1.0 - late)
            else:
                self._second(late)
                await asyncio.sleep(0)

    def _second(self, late: float) -> None:
        """Let a second pass, and say what is to be said."""
        self._street.step()
        self._devices.follow()
        if late > SPEAKS_S:
            return
        for said in self._devices.said(datetime.now(UTC)):
            self._post(said)
        if self._devices.buses != self._buses:
            self._buses = self._devices.buses
            self._tell({"buses": self._buses})

    def _post(self, said: Said) -> None:
        if self._outbox.qsize() >= MOST_WAITING:
            self._outbox.get_nowait()
        self._outbox.put_nowait(said)

    # --- the connection -----------------------------------------------------------------------

    async def _speak(self) -> None:
        """Connect, again and again."""
        import aiomqtt

        logger = logging.getLogger("madang.twin.mqtt")
        logger.setLevel(logging.ERROR)  # not each time that messages wait for one another
        while True:
            try:
                client = aiomqtt.Client(
                    "127.0.0.1", self._job.port, username="twin", password=self._job.key,
                    logger=logger,
                )  # fmt: skip
                async with client, asyncio.TaskGroup() as group:
                    group.create_task(self._hear(client))
                    group.create_task(self._send(client))
            except* aiomqtt.MqttError as errors:
                reason = str(errors.exceptions[0])
                log.warning("twin.lost", reason=reason, retry_in_s=_RETRY_S)
            await asyncio.sleep(_RETRY_S)

    async def _hear(self, client: Client) -> None:
        await client.subscribe([(topic, 1) for topic in self._devices.topics])
        async for message in client.messages:
            device = str(message.topic).split("/")[2]
            if isinstance(message.payload, bytes):
                for said in self._devices.take(device, message.payload):
                    self._post(said)

    async def _send(self, client: Client) -> None:
        room = asyncio.Semaphore(_UNDER_WAY)

        async def publish(said: Said) -> None:
            try:
                await client.publish(said.topic, said.body, qos=said.qos)
            finally:
                room.release()

        async with asyncio.TaskGroup() as group:
            while True:
                said = await self._outbox.get()
                await room.acquire()
                group.create_task(publish(said))


def run(job: Job, tell: Tell) -> None:
    """Run a live twin until its process is ended."""
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(LiveTwin(job, tell).run())

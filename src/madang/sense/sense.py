"""Composes sense for one process: stations of tenants, the intake, and what brings messages in."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog

from madang.model.errors import Forbidden, MadangError, Unauthorized
from madang.sense.dead_letters import Filter, Letter
from madang.sense.devices.commands import Equipment
from madang.sense.edge.node import Edge
from madang.sense.feeds.schedule import Feeds
from madang.sense.files.drop import Drop
from madang.sense.intake import Intake, Taken
from madang.sense.message import Message, Reading, Reason
from madang.sense.quality.daily import Daily
from madang.sense.station import Station
from madang.sense.transports.mqtt_broker import Broker
from madang.sense.transports.mqtt_external import ExternalBrokers

if TYPE_CHECKING:
    from madang.hub.hub import Hub
    from madang.settings import Settings
    from madang.trust.principal import Principal
    from madang.trust.trust import Trust

log = structlog.get_logger("madang.sense")

FOLDER = "sense"


class Sense:
    """All of it. Started when the hub is, closed before it."""

    def __init__(self, settings: Settings, hub: Hub, trust: Trust) -> None:
        self._settings = settings
        self._hub = hub
        self._folder = settings.data / FOLDER
        self._stations: dict[str, Station] = {}
        self._opening = asyncio.Lock()
        self.intake = Intake(trust.gate, self.station)
        self.broker = Broker(settings, trust.gate, self.intake, hub)
        self.brokers = ExternalBrokers(settings, self.intake)
        self.equipment = Equipment(self.station, self.broker, self.brokers)
        self.intake.answers = self.equipment.answered
        self.feeds = Feeds(settings, hub, self)
        self.drop = Drop(settings.data, hub, self)
        self._watches_drop = settings.sense_drop
        self._daily = Daily(self._stations.values)
        self.edge = Edge(settings, self, lambda: trust.policies.marks, trust.identities.keys)

    async def station(self, tenant: str) -> Station:
        """Return what is kept of a tenant.

        Raises:
            NonexistentTenant: there is none of that name.
        """
        found = self._stations.get(tenant)
        if found is not None:
            return found
        async with self._opening:
            if tenant not in self._stations:
                opened = await self._hub.tenant(tenant, create=False)
                self._stations[tenant] = await Station.open(opened, self._folder)
            return self._stations[tenant]

    async def start(self) -> None:
        """Take up the devices of every tenant, and begin to listen."""
        for name in self._hub.open:
            await self.station(name)
        if self._settings.mqtt_broker:
            await self._start_broker()
        self.brokers.start()
        await self.feeds.start()
        if self._watches_drop:
            self.drop.start()
        self._daily.start()
        await self.edge.start()

    async def _start_broker(self) -> None:
        """Listen for MQTT. A laptop may have a broker already: then the hub goes without.

        Raises:
            MadangError: the port that the settings name cannot be used.
        """
        try:
            await self.broker.start()
        except MadangError as error:
            if not self._settings.model_fields_set.isdisjoint({"mqtt_port", "mqtt_tls_port"}):
                raise
            log.warning("mqtt.not_listening", reason=str(error))

    async def put(
        self, tenant: str, readings: Sequence[Reading], principal: Principal, source: str
    ) -> Taken:
        """Write what a feed has brought; see :meth:`~madang.sense.intake.Intake.put`."""
        return await self.intake.put(tenant, readings, principal, source)

    async def keep(self, message: Message, reason: Reason, detail: str) -> int:
        """Keep a record of a feed that cannot be used as a dead letter; return its number."""
        station = await self.station(message.tenant)
        return await station.letters.keep(message, reason, detail)

    async def replay(self, station: Station, letter: Letter, sender: Principal) -> str | None:
        """Take the message of a dead letter again; return why it still cannot be used, or None.

        What of it was good the first time is known, so it does nothing the second time.
        """
        if letter.transport in ("feed", "file"):
            return "this is a record of a feed or a file; run that again after the fix"
        message = Message(
            letter.transport,
            letter.address,
            letter.body,
            sender,
            letter.at,
            station.tenant.name,
            letter.codec,
            letter.named,
            letter.origin,
        )
        try:
            taken = await self.intake.take(message, again=True)
        except (Forbidden, Unauthorized) as error:  # the sender may not send at all any more
            taken = Taken(reason="forbidden", detail=str(error))
        if taken.reason:
            await station.letters.failed_again(letter.id, taken.reason, taken.detail)
            return taken.detail
        await station.letters.remove(Filter(), letter.id)
        return None

    async def close(self) -> None:
        """Stop listening and finish what is under way."""
        await self.broker.close()
        await self.brokers.close()
        await self.equipment.close()
        await self.edge.close()
        await self._daily.close()
        await self.feeds.close()
        await self.drop.close()
        for station in self._stations.values():
            await station.close()
        self._stations.clear()

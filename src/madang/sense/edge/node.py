"""An edge node: the same process as a hub, with a centre that it tells of its changes."""

from __future__ import annotations

import asyncio
import contextlib
import time as clocks
from typing import TYPE_CHECKING, Any

from madang.sense.edge.book import Books
from madang.sense.edge.centre import PUSH, Centre
from madang.sense.edge.forward import Forwarder
from madang.sense.edge.kept import KeptFile
from madang.sense.edge.late import Late
from madang.sense.edge.parts import Parts
from madang.sense.edge.position import Position
from madang.sense.edge.taking import Own, Taking
from madang.sense.message import Message
from madang.trust.principal import LOCAL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from madang.sense.sense import Sense
    from madang.settings import Settings
    from madang.trust.keys import Keys
    from madang.trust.marks import Mark

FILE = "edge.json"
CONFIGURATION = "edge-configuration.json"
LATE = "edge-late"
TENANT = ""
"""What belongs to other tenants of the node stays there."""


class Edge:
    """What makes a hub an edge node, without a centre nothing; and what a centre says of its nodes.

    Args:
        settings: ``edge_*``.
        sense: with the station that it forwards.
        marks: which attributes policies mark, as of now.
        keys: all keys of this hub.
    """

    def __init__(
        self,
        settings: Settings,
        sense: Sense,
        marks: Callable[[], Sequence[Mark]],
        keys: Keys,
    ) -> None:
        self._settings = settings
        self._sense = sense
        self._own = Own(settings.edge_rules, settings.edge_personal, marks)
        self._keys = keys
        self.books = Books(sense, keys)
        self._centre: Centre | None = None
        self._forwarder: Forwarder | None = None
        self._taking: Taking | None = None
        self._work: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to forward, if there is a centre."""
        settings, folder = self._settings, self._settings.data / "sense"
        if not settings.edge_upstream:
            return
        station = await self._sense.station(TENANT)
        key = settings.edge_key.get_secret_value()
        centre = self._centre = Centre(settings.edge_upstream, key, settings.edge_name)
        file = KeptFile(folder / CONFIGURATION, centre.url)
        rules, turned = self._own.at_start(file.content)
        position, late = Position(folder / FILE, centre.url), Late(folder / LATE)
        forwarder = self._forwarder = Forwarder(
            station.tenant, centre, position, late, rules, self._keep, turned
        )
        parts = Parts(TENANT, station.devices, self._keys)
        taking = self._taking = Taking(centre, file, self._own, parts, forwarder)
        station.pasts.on_added = forwarder.late_ones
        self._work = asyncio.get_running_loop().create_task(self._run(taking, forwarder))

    @staticmethod
    async def _run(taking: Taking, forwarder: Forwarder) -> None:
        """Ask what may leave before anything does; then forward, and ask from time to time."""
        asking = asyncio.ensure_future(taking.run())
        try:
            await taking.begun.wait()
            await forwarder.run()
        finally:
            asking.cancel()
            await asyncio.wait([asking])

    async def _keep(self, body: bytes, why: str) -> None:
        """Keep what the centre cannot use as a dead letter of this node."""
        assert self._centre is not None
        address = self._centre.url + PUSH
        message = Message("edge", address, body, LOCAL, clocks.time_ns() // 1000, codec="ngsi-ld")
        await self._sense.keep(message, "badEntity", why)

    def status(self) -> dict[str, Any]:
        """Return how it goes, for operators."""
        if self._forwarder is None or self._taking is None:
            return {"upstream": None}
        settings = self._settings
        told = {"upstream": settings.edge_upstream, "name": settings.edge_name}
        return told | self._forwarder.status() | {"configuration": self._taking.status()}

    async def close(self) -> None:
        """Stop; what was not acknowledged is sent after the next start."""
        if self._work is not None:
            self._work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._work
        if self._centre is not None:
            await self._centre.close()

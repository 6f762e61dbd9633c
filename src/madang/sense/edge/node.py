"""An edge node: the same process as a hub, with a centre that it tells of its changes."""

from __future__ import annotations

import asyncio
import contextlib
import time as clocks
from typing import TYPE_CHECKING, Any

from madang.sense.edge.centre import PUSH, Centre
from madang.sense.edge.forward import Forwarder
from madang.sense.edge.late import Late
from madang.sense.edge.position import Position
from madang.sense.edge.rules import Rules
from madang.sense.message import Message
from madang.trust.principal import LOCAL

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from madang.sense.sense import Sense
    from madang.settings import Settings
    from madang.trust.marks import Mark

FILE = "edge.json"
LATE = "edge-late"
TENANT = ""
"""What belongs to other tenants of the node stays there."""


class Edge:
    """What makes a hub an edge node; without a centre it does nothing.

    Args:
        settings: ``edge_*``.
        sense: with the station that it forwards.
        marks: which attributes policies mark, as of now.
    """

    def __init__(
        self, settings: Settings, sense: Sense, marks: Callable[[], Sequence[Mark]]
    ) -> None:
        self._settings = settings
        self._sense = sense
        self._rules = Rules(settings.edge_rules, marks, settings.edge_personal)
        self._centre: Centre | None = None
        self._forwarder: Forwarder | None = None
        self._work: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to forward, if there is a centre."""
        settings = self._settings
        if not settings.edge_upstream:
            return
        station = await self._sense.station(TENANT)
        key = settings.edge_key.get_secret_value()
        self._centre = Centre(settings.edge_upstream, key, settings.edge_name)
        position = Position(settings.data / "sense" / FILE, self._centre.url)
        late = Late(settings.data / "sense" / LATE)
        self._forwarder = Forwarder(
            station.tenant, self._centre, position, late, self._rules, self._keep
        )
        station.pasts.on_added = self._forwarder.late_ones
        self._work = asyncio.get_running_loop().create_task(self._forwarder.run())

    async def _keep(self, body: bytes, why: str) -> None:
        """Keep what the centre cannot use as a dead letter of this node."""
        assert self._centre is not None
        address = self._centre.url + PUSH
        message = Message("edge", address, body, LOCAL, clocks.time_ns() // 1000, codec="ngsi-ld")
        await self._sense.keep(message, "badEntity", why)

    def status(self) -> dict[str, Any]:
        """Return how it goes, for operators."""
        if self._forwarder is None:
            return {"upstream": None}
        settings = self._settings
        told = {"upstream": settings.edge_upstream, "name": settings.edge_name}
        return told | self._forwarder.status()

    async def close(self) -> None:
        """Stop; what was not acknowledged is sent after the next start."""
        if self._work is not None:
            self._work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._work
        if self._centre is not None:
            await self._centre.close()

"""What the hub publishes to a city's own broker, until that has acknowledged it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from madang.sense.transports.mqtt_packets import V311, Publish, encode

ANSWER_S: Final = 10.0
"""How long the broker may take."""


class Outgoing:
    """Those of one broker that are under way."""

    def __init__(self) -> None:
        self._last_id = 0
        self._waiting: dict[int, asyncio.Future[bool]] = {}
        self._topics: dict[int, str] = {}

    @property
    def topics(self) -> list[str]:
        """Of what is not acknowledged yet."""
        return [*self._topics.values()]

    async def publish(self, send: Callable[[bytes], None], topic: str, payload: bytes) -> bool:
        """Publish with QoS 1, not retained; return whether the broker has it."""
        self._last_id = self._last_id % 65_535 + 1
        id = self._last_id
        taken: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[id], self._topics[id] = taken, topic
        send(encode(Publish(topic, payload, 1, id=id), V311))
        try:
            async with asyncio.timeout(ANSWER_S):
                return await taken
        except TimeoutError:
            return False
        finally:
            self._waiting.pop(id, None)
            self._topics.pop(id, None)

    def acknowledged(self, id: int) -> None:
        """Take note that the broker has a message."""
        self._settle(id, True)

    def lost(self) -> None:
        """Take note that the connection is gone: nobody knows whether the broker has them."""
        for id in [*self._waiting]:
            self._settle(id, False)

    def _settle(self, id: int, is_taken: bool) -> None:
        taken = self._waiting.get(id)
        if taken is not None and not taken.done():
            taken.set_result(is_taken)

"""What the broker knows of a client beyond its connection: subscriptions and what waits for it.

All of it is in memory. A session outlives its connection for as long as the client asked, a day at
most, but not the process.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from madang.sense.transports.mqtt_packets import Wanted
from madang.sense.transports.mqtt_relay import Relayed

MOST_WAITING = 1_000
"""Messages that may wait for one client; beyond, the oldest is dropped."""
MOST_WAITING_BYTES = 64 * 1024 * 1024
"""What may wait for all clients together, about."""
MOST_SUBSCRIPTIONS = 1_000
"""Of one client."""
LONGEST_S = 86_400
"""How long a session is kept without a connection."""
WINDOW = 100
"""Messages sent to a client that it has not acknowledged."""


@dataclass(slots=True)
class Figures:
    """Counts since the start, and what there is now, for operators."""

    connections: int = 0
    received: int = 0
    """Messages published by clients."""
    acknowledged: int = 0
    refused: int = 0
    """Messages and connections that were not allowed."""
    held: int = 0
    """How often the broker stopped reading from a client because too much was under way."""
    sent: int = 0
    """Messages sent to subscribers."""
    dropped: int = 0
    """Messages that a subscriber did not get because it was too slow or away too long."""
    waiting: int = 0
    waiting_bytes: int = 0
    """Messages that wait for a subscriber."""
    sessions: int = 0
    retained: int = 0


class Peer(Protocol):
    """The connection of a session, as far as sending goes."""

    version: int
    is_writable: bool
    most: int
    """Bytes of a packet that the client takes."""
    window: int

    def send(self, data: bytes) -> None: ...

    def may_see(self, topic: str) -> bool: ...


class _Waiting(NamedTuple):
    message: Relayed
    retain: bool
    share: str
    """The shared subscription for which it was chosen, if it was."""
    id: int = 0
    """The packet id under which it was sent before; 0 if it was not."""


@dataclass(slots=True, eq=False)
class Session:
    """One client of one principal."""

    key: tuple[str, str]
    """Id of the principal and of the client: nobody takes over a session of somebody else."""
    figures: Figures
    lasts_s: float = 0.0
    """How long it is kept without a connection. [s]"""
    reads: Callable[[str], bool] = bool
    """Whether its last client could see a topic."""
    subscriptions: dict[str, Wanted] = field(default_factory=dict)
    incoming: dict[int, asyncio.Task[Any] | None] = field(default_factory=dict)
    """Messages of QoS 2 that the client has not released yet, by packet id."""
    peer: Peer | None = None
    timer: asyncio.TimerHandle | None = None
    will_timer: asyncio.TimerHandle | None = None
    _queue: deque[_Waiting] = field(default_factory=deque)
    _sent: dict[int, _Waiting] = field(default_factory=dict)
    _last_id: int = 0

    @property
    def waiting(self) -> int:
        return len(self._queue) + len(self._sent)

    def offer(self, message: Relayed, qos: int, retain: bool, share: str = "") -> None:
        """Send a message to the client, or keep it until that is possible."""
        peer = self.peer
        if qos:
            if peer is not None or self.lasts_s > 0:
                self._wait(_Waiting(message, retain, share))
                self.pump()
        elif peer is not None and peer.may_see(message.topic):
            self._send_now(peer, message, retain)

    def _send_now(self, peer: Peer, message: Relayed, retain: bool) -> None:
        data = message.wire(peer.version, 0, retain, 0)
        if peer.is_writable and len(data) <= peer.most:
            peer.send(data)
            self.figures.sent += 1
        else:
            self.figures.dropped += 1

    def _wait(self, one: _Waiting) -> None:
        figures, size = self.figures, one.message.size
        while len(self._queue) >= MOST_WAITING or figures.waiting_bytes + size > MOST_WAITING_BYTES:
            figures.dropped += 1
            if not self._queue:
                return
            self._forget(self._queue.popleft())
        self._queue.append(one)
        figures.waiting += 1
        figures.waiting_bytes += size

    def _forget(self, one: _Waiting) -> None:
        self.figures.waiting -= 1
        self.figures.waiting_bytes -= one.message.size

    def pump(self) -> None:
        """Send what waits, as far as the client takes it."""
        peer = self.peer
        while self._queue and peer is not None and peer is self.peer and peer.is_writable:
            if len(self._sent) >= peer.window:
                return
            one = self._queue.popleft()
            if not self._send(peer, one):
                self._forget(one)

    def _send(self, peer: Peer, one: _Waiting) -> bool:
        message = one.message
        if message.is_over or not peer.may_see(message.topic):
            return False
        id = one.id or self._next_id()
        data = message.wire(peer.version, 1, one.retain, id, dup=bool(one.id))
        if len(data) > peer.most:
            self.figures.dropped += 1
            return False
        self._sent[id] = one._replace(id=id)
        peer.send(data)
        self.figures.sent += 1
        return True

    def _next_id(self) -> int:
        while True:
            self._last_id = self._last_id % 65_535 + 1
            if self._last_id not in self._sent:
                return self._last_id

    def acknowledged(self, id: int) -> None:
        """Take note that the client has a message."""
        one = self._sent.pop(id, None)
        if one is not None:
            self._forget(one)
            self.pump()

    def resume(self, peer: Peer) -> None:
        """Go on with a new connection: what was not acknowledged is sent again, in its order."""
        self.peer = peer
        self._queue.extendleft(reversed(self._sent.values()))
        self._sent.clear()
        self.pump()

    def clear(self) -> list[tuple[str, Relayed]]:
        """Forget what waits; return what others share, with the shared subscription."""
        left = [*self._sent.values(), *self._queue]
        for one in left:
            self._forget(one)
        self._queue.clear()
        self._sent.clear()
        return [(one.share, one.message) for one in left if one.share]

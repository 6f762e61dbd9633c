"""One subscription's queue of notifications: a window in memory, the rest in the store."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from madang.store.protocol import Delivery as Waiting

WINDOW_BYTES = 1_000_000  # of one queue held in memory


@dataclass(slots=True)
class Queue:
    """What waits for one subscription. Keys grow, so two of them tell what only the store has."""

    subscription: str
    window: deque[Waiting] = field(default_factory=deque)
    bytes: int = 0
    """Size of the bodies in the window."""
    taken: int = 0
    """The highest key that has been in the window."""
    newest: int = 0
    """The highest key that exists; what lies between ``taken`` and it is in the store only."""
    count: int = 0
    task: asyncio.Task[None] | None = None
    timer: asyncio.TimerHandle | None = None
    is_ending: bool = False
    """Nothing more is sent: another hub does, or this one ends."""
    failures: int = 0
    """Attempts in a row that showed the endpoint to be in trouble."""
    error: str | None = None
    refused: int = 0
    """Notifications put aside because the endpoint does not want them."""
    dropped: int = 0
    """Notifications given up since that was last logged."""

    @property
    def idle(self) -> bool:
        return self.task is None and self.timer is None

    @property
    def empty(self) -> bool:
        return not self.window and self.newest == self.taken

    def offer(self, delivery: Waiting, room: bool) -> None:
        """Take a new notification into the window if there is room, else leave it to the store."""
        self.count += 1
        fits = room and not self.failures and self.bytes < WINDOW_BYTES
        if self.newest == self.taken and (fits or not self.window):
            self._append(delivery)
        self.newest = delivery.key
        if delivery.attempts and not self.failures:
            self.failures = delivery.attempts  # it was in trouble before the hub was started

    def refill(self, rows: Sequence[Waiting], upto: int) -> None:
        """Take what the store had after ``taken``; nothing means nothing is left up to ``upto``."""
        for row in rows:
            self._append(row)
        if not rows:
            self.taken = max(self.taken, upto)

    def _append(self, delivery: Waiting) -> None:
        self.window.append(delivery)
        self.bytes += len(delivery.body)
        self.taken = delivery.key

    def pop(self) -> Waiting | None:
        """Take the next notification out of the window."""
        if not self.window:
            return None
        head = self.window.popleft()
        self.bytes -= len(head.body)
        return head

    def put_back(self, head: Waiting) -> None:
        """Keep only the notification that failed; the rest stays in the store until it is sent."""
        self.window.clear()
        self.window.append(head)
        self.bytes = len(head.body)
        self.taken = head.key

    def rewind(self) -> None:
        """Begin anew with the oldest notification that the store still has."""
        self.window.clear()
        self.bytes = self.taken = self.refused = 0

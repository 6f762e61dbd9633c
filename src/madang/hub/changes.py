"""The stream of changes: whoever follows it sees every acknowledged write, in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable

from madang.model.errors import MadangError
from madang.store.protocol import Change

BEHIND = 20_000  # changes a follower may be behind before it is told that it lost some


class FellBehind(MadangError):
    """A follower read too slowly; it must read the state anew and follow again."""


class _Follower:
    def __init__(self, wanted: Callable[[Change], bool] | None) -> None:
        self.wanted = wanted
        self.queue: deque[Change] = deque()
        self.ready = asyncio.Event()
        self.lost = False
        self.closed = False


class Changes:
    """Passes changes on to followers; nobody following costs nothing."""

    def __init__(self) -> None:
        self._followers: set[_Follower] = set()

    @property
    def followed(self) -> bool:
        """Whether anybody follows."""
        return bool(self._followers)

    @property
    def followers(self) -> int:
        """How many follow: services, streams of changes, live maps."""
        return len(self._followers)

    def publish(self, changes: list[Change]) -> None:
        for follower in self._followers:
            wanted = follower.wanted
            follower.queue.extend(changes if wanted is None else filter(wanted, changes))
            if len(follower.queue) > BEHIND:
                follower.queue.clear()
                follower.lost = True
            follower.ready.set()

    def lose(self) -> None:
        """Tell all followers that they have missed some."""
        for follower in self._followers:
            follower.lost = True
            follower.ready.set()

    async def follow(
        self, wanted: Callable[[Change], bool] | None = None
    ) -> AsyncGenerator[Change, None]:
        """Yield changes from now on.

        Raises:
            FellBehind: the follower was so slow that changes had to be dropped.
        """
        follower = _Follower(wanted)
        self._followers.add(follower)
        try:
            while not follower.closed:
                await follower.ready.wait()
                follower.ready.clear()
                while follower.queue:
                    yield follower.queue.popleft()
                if follower.lost:
                    raise FellBehind("this reader was too slow; read the state again, then follow")
        finally:
            self._followers.discard(follower)

    def close(self) -> None:
        """Let every follower end."""
        for follower in self._followers:
            follower.closed = True
            follower.ready.set()

"""The stream of changes: whoever follows it sees every acknowledged write, in order."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection, Sequence

from madang.model.errors import MadangError
from madang.store.protocol import Change

BEHIND = 20_000  # changes a follower may be behind before it is told that it lost some


class FellBehind(MadangError):
    """A follower read too slowly; it must read the state anew and follow again."""


class _Follower:
    def __init__(
        self, wanted: Callable[[Change], bool] | None, types: Collection[str] | None
    ) -> None:
        self.wanted = wanted
        self.types = None if types is None else frozenset(types)
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

    @property
    def types(self) -> frozenset[str] | None:
        """Types of entities that anybody follows; None is all."""
        found: set[str] = set()
        for follower in self._followers:
            if follower.types is None:
                return None
            found |= follower.types
        return frozenset(found)

    def publish(self, changes: list[Change]) -> None:
        types = _types(changes)
        for follower in self._followers:
            if follower.types is not None and follower.types.isdisjoint(types):
                continue
            wanted = follower.wanted
            follower.queue.extend(changes if wanted is None else filter(wanted, changes))
            if len(follower.queue) > BEHIND:
                follower.queue.clear()
                follower.lost = True
            if follower.queue or follower.lost:
                follower.ready.set()

    def lose(self) -> None:
        """Tell all followers that they have missed some."""
        for follower in self._followers:
            follower.lost = True
            follower.ready.set()

    async def follow(
        self,
        wanted: Callable[[Change], bool] | None = None,
        types: Collection[str] | None = None,
    ) -> AsyncGenerator[Change, None]:
        """Yield changes from now on.

        Args:
            wanted: tells of which changes; None is all.
            types: ``wanted`` is about entities of these types only. Changes committed together of
                which none is one of theirs are then passed over at once.

        Raises:
            FellBehind: the follower was so slow that changes had to be dropped.
        """
        follower = _Follower(wanted, types)
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


def _types(changes: Sequence[Change]) -> set[str]:
    """Return the types of the entities that changed."""
    found: set[str] = set()
    for change in changes:
        state = change.after or change.before
        kind = state.document["type"] if state is not None else ()
        if type(kind) is str:
            found.add(kind)
        else:
            found.update(kind)
    return found

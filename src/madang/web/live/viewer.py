"""One who looks at the live map: what they look at, and up to where they were told of it."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from madang.model.errors import NgsiError
from madang.web.live import frames
from madang.web.live.grid import Area

if TYPE_CHECKING:
    from madang.web.live.layer import Layer

MOST_BYTES: Final = 256 * 1024
"""Of a message; what is more comes in several, so that little waits for who reads slowly."""
MOST_UNSEEN: Final = 10
"""Messages that may be on their way to a viewer who says how many it has taken up. Pages have to
say so, for a browser takes in messages without end, however late its page comes to them."""
FAR_ZOOM: Final = 11.0
"""Farther away than this, little in a city moves by a pixel (30 m and more) within a second,
so one is told once a second."""
FAR_S: Final = 1.0


class _Watch:
    """One layer of a look."""

    __slots__ = ("area", "layer", "name", "told_problem", "version")

    def __init__(self, name: str, layer: Layer | None, problem: NgsiError | None = None) -> None:
        self.name = name
        self.layer = layer
        self.area: Area | None = None
        """What was told of; None is nothing yet."""
        self.version = 0
        self.told_problem = problem


class Viewer:
    """Chooses what one connection is told; whoever sends it waits for :meth:`wait`."""

    def __init__(self) -> None:
        self.looks = 0
        self._watches: list[_Watch] = []
        self._area: Area | None = None
        self._told_look = 0
        self._problems: deque[tuple[str, NgsiError]] = deque()
        self._ready = asyncio.Event()
        self._sent = 0
        self._seen: int | None = None
        self._pause = 0.0
        self._next = 0.0

    @property
    def layers(self) -> list[Layer]:
        return [watch.layer for watch in self._watches if watch.layer is not None]

    def look(self, area: Area, zoom: float, layers: list[tuple[str, Layer | NgsiError]]) -> None:
        """Look elsewhere, or at something else; layers that are the same go on."""
        former = {(watch.name, watch.layer): watch for watch in self._watches}
        self._watches = []
        for name, layer in layers:
            if isinstance(layer, NgsiError):
                self._problems.append((name, layer))
                self._watches.append(_Watch(name, None))
            else:
                self._watches.append(former.get((name, layer)) or _Watch(name, layer))
        self._area = area
        self._pause = FAR_S if zoom < FAR_ZOOM else 0.0
        self._next = 0.0
        self.looks += 1
        self.wake()

    def seen(self, count: int) -> None:
        """So many messages have been taken up."""
        self._seen = count
        self.wake()

    def wake(self) -> None:
        """There may be something to tell."""
        self._ready.set()

    async def wait(self) -> None:
        """Return when there may be something to tell."""
        await self._ready.wait()
        self._ready.clear()

    def problems(self) -> list[tuple[str, NgsiError]]:
        """Return what has to be told of layers that cannot be shown, once."""
        for watch in self._watches:
            problem = None if watch.layer is None else watch.layer.problem
            if problem is not watch.told_problem:
                watch.told_problem = problem
                if problem is not None:
                    self._problems.append((watch.name, problem))
        found = list(self._problems)
        self._problems.clear()
        return found

    def messages(self) -> Iterator[bytes]:
        """Return what is new since the last time, as of now; all of it has to be sent, in order.

        Each message is put together when it is asked for: before, all viewers share its parts.
        """
        area, now = self._area, time.monotonic()
        if area is None or (now < self._next and self._told_look == self.looks):
            return iter(())
        if self._seen is not None and self._sent - self._seen >= MOST_UNSEEN:
            return iter(())
        made = _Messages()
        for place, watch in enumerate(self._watches):
            if watch.layer is not None and watch.layer.is_ready:
                _tell(made, place, watch, watch.layer, area)
        if not made.blocks and not made.done and self._told_look == self.looks:
            return iter(())
        self._told_look = self.looks
        self._next = now + self._pause
        parts = made.finished()
        self._sent += len(parts)
        look = self.looks
        return (frames.message(look, time.time() * 1000, area, blocks) for blocks in parts)


def _tell(made: _Messages, place: int, watch: _Watch, layer: Layer, area: Area) -> None:
    """Add what is new of one layer."""
    held = layer.held
    known, version = watch.area, watch.version
    watch.area, watch.version = area, held.version
    if known is None or version < held.forgotten:
        made.add(place, held.whole(area), anew=True)
        return
    if known == area:
        parts = held.since(area, version)
    else:
        parts = [*held.news(area, known, version), *held.whole(area, known)]
    if parts:
        made.add(place, parts)


class _Messages:
    """Blocks put together to messages of a limited size."""

    def __init__(self) -> None:
        self.done: list[list[list[bytes]]] = []
        self.blocks: list[list[bytes]] = []
        self._size = 0

    def add(self, place: int, sections: list[bytes], *, anew: bool = False) -> None:
        size = sum(map(len, sections))
        if self._size + size <= MOST_BYTES:
            self._size += size
            self.blocks.append(frames.block(place, sections, anew=anew))
            return
        taken: list[bytes] = []
        for section in sections:
            if self._size and self._size + len(section) > MOST_BYTES:
                self.blocks.append(frames.block(place, taken, anew=anew))
                self._end()
                taken, anew = [], False
            taken.append(section)
            self._size += len(section)
        if taken or anew:
            self.blocks.append(frames.block(place, taken, anew=anew))

    def _end(self) -> None:
        self.done.append(self.blocks)
        self.blocks, self._size = [], 0

    def finished(self) -> list[list[list[bytes]]]:
        if self.blocks or not self.done:
            self._end()
        return self.done

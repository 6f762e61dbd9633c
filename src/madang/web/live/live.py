"""The live stream: layers that are shared by all who see alike, and told of five times a second.

A layer begins with the first who looks at it and ends with the last. What changes is taken up as
it happens; a moment after the first change, and then every 200 ms while there are more, all who
look are woken and fetch what is new for them (:mod:`madang.web.live.viewer`). Who is still busy
sending fetches it later, and then all of it at once: nothing ever waits in a queue.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Final

from madang.model.errors import NgsiError, Overloaded
from madang.trust.view import View
from madang.web.live.alike import Alike, alike
from madang.web.live.asked import Asked, Look
from madang.web.live.follower import Follower
from madang.web.live.layer import Layer
from madang.web.live.viewer import Viewer

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant

PERIOD_S: Final = 0.2
GATHER_S: Final = 0.02  # what happens together is told together
WATCH_S: Final = 1.0
"""All viewers are woken so often, to look whether they may still be here."""
REREAD_S: Final = 10.0
"""Layers that only one sees so are read anew so often: consent may have been withdrawn."""
MOST_VIEWERS: Final = 5_000
MOST_LAYERS: Final = 300
MOST_POINTS: Final = 1_000_000
"""Of all layers; a quarter of a gigabyte."""
_AT_ONCE: Final = 25  # viewers woken before others get their turn


class Live:
    """All layers and viewers of one process."""

    def __init__(self) -> None:
        self._layers: dict[tuple[Alike, Asked], Layer] = {}
        self._followers: dict[Tenant | View, Follower] = {}
        self._viewers: set[Viewer] = set()
        self._fresh: set[Layer] = set()
        self._waking: deque[Viewer] = deque()
        self._alarm: asyncio.TimerHandle | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._told_at = 0.0
        self._reread_at = 0.0

    @property
    def layers(self) -> int:
        """Return how many layers are kept."""
        return len(self._layers)

    def join(self) -> Viewer:
        """Return a new viewer, who has to leave again.

        Raises:
            Overloaded: there are too many.
        """
        if len(self._viewers) >= MOST_VIEWERS:
            raise Overloaded(f"{MOST_VIEWERS:,} look at the live map; try again later")
        viewer = Viewer()
        self._viewers.add(viewer)
        if self._watch is None:
            self._watch = asyncio.get_running_loop().call_later(WATCH_S, self._look_after)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """Forget a viewer, and what only they looked at."""
        self._viewers.discard(viewer)
        for layer in viewer.layers:
            self._without(viewer, layer)
        if not self._viewers:
            for timer in (self._watch, self._alarm):
                if timer is not None:
                    timer.cancel()
            self._watch = self._alarm = None
            self._waking.clear()

    def look(self, viewer: Viewer, look: Look, seen: Tenant | View, tenant: Tenant) -> None:
        """Let a viewer look at something.

        Args:
            viewer: who looks.
            look: at what.
            seen: the tenant as they see it.
            tenant: the tenant itself.
        """
        former = set(viewer.layers)
        layers: list[tuple[str, Layer | NgsiError]] = []
        for name, asked in look.layers:
            layers.append(
                (name, asked if isinstance(asked, NgsiError) else self._layer(asked, seen, tenant))
            )
        viewer.look(look.area, look.zoom, layers)
        now = set(viewer.layers)
        for layer in now - former:
            layer.viewers.add(viewer)
        for layer in former - now:
            self._without(viewer, layer)

    def _layer(self, asked: Asked, seen: Tenant | View, tenant: Tenant) -> Layer | NgsiError:
        sight = alike(seen, tenant, asked)
        layer = self._layers.get((sight, asked))
        if layer is None:
            points = sum(len(one.held) for one in self._layers.values())
            if len(self._layers) >= MOST_LAYERS or points >= MOST_POINTS:
                return Overloaded(
                    f"{len(self._layers)} layers with {points:,} points are looked at on this hub;"
                    " try again later, or show a layer that others show"
                )
            layer = self._layers[sight, asked] = Layer(sight, asked, self._news)
            follower = self._followers.get(sight.source)
            if follower is None:
                follower = self._followers[sight.source] = Follower(sight.source)
            follower.add(layer)
        return layer

    def _without(self, viewer: Viewer, layer: Layer) -> None:
        layer.viewers.discard(viewer)
        if layer.viewers:
            return
        del self._layers[layer.seen, layer.asked]
        self._fresh.discard(layer)
        follower = self._followers[layer.seen.source]
        follower.remove(layer)
        if not follower.is_needed:
            del self._followers[layer.seen.source]

    # --- telling ------------------------------------------------------------------------------

    def _news(self, layer: Layer) -> None:
        """Something in a layer is new: tell of it soon."""
        self._fresh.add(layer)
        if self._alarm is None:
            loop = asyncio.get_running_loop()
            due = max(loop.time() + GATHER_S, self._told_at + PERIOD_S)
            self._alarm = loop.call_at(due, self._tell)

    def _tell(self) -> None:
        self._alarm = None
        self._told_at = asyncio.get_running_loop().time()
        woken: dict[Viewer, None] = {}
        for layer in self._fresh:
            layer.held.commit()
            woken.update(dict.fromkeys(layer.viewers))
        self._fresh.clear()
        self._wake(woken)

    def _look_after(self) -> None:
        """Wake all viewers from time to time, and read anew what may have been closed."""
        loop = asyncio.get_running_loop()
        self._watch = loop.call_later(WATCH_S, self._look_after)
        self._wake(dict.fromkeys(self._viewers))
        if loop.time() - self._reread_at > REREAD_S:
            self._reread_at = loop.time()
            for layer in self._layers.values():
                if isinstance(layer.seen.source, View) and layer.is_ready:
                    layer.fill()

    def _wake(self, viewers: dict[Viewer, None]) -> None:
        """Wake some at a time: requests that come meanwhile are not to wait for all of them."""
        idle = not self._waking
        self._waking.extend(viewers)
        if idle:
            self._wake_some()

    def _wake_some(self) -> None:
        for _ in range(min(_AT_ONCE, len(self._waking))):
            self._waking.popleft().wake()
        if self._waking:
            asyncio.get_running_loop().call_soon(self._wake_some)

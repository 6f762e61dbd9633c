"""Follows the changes of a tenant, or of what one reader sees of it, for the layers shown of it."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import TYPE_CHECKING

import structlog

from madang.hub.changes import FellBehind
from madang.model.errors import NgsiError
from madang.store.protocol import Change

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant
    from madang.model.entity import Entity
    from madang.trust.view import View
    from madang.web.live.layer import Layer

log = structlog.get_logger("madang.live")


class Follower:
    """Gives each change to the layers that it may concern."""

    def __init__(self, source: Tenant | View) -> None:
        self._source = source
        self._layers: dict[str, list[Layer]] = {}
        self._task: asyncio.Task[None] | None = None

    @property
    def is_needed(self) -> bool:
        return bool(self._layers)

    def add(self, layer: Layer) -> None:
        """Keep a layer current from now on."""
        self._layers.setdefault(layer.asked.type, []).append(layer)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        layer.fill()

    def remove(self, layer: Layer) -> None:
        """Leave a layer alone; with the last one, stop following."""
        layers = self._layers[layer.asked.type]
        layers.remove(layer)
        layer.stop()
        if not layers:
            del self._layers[layer.asked.type]
        if not self._layers and self._task is not None:
            self._task.cancel()
            self._task = None

    def _wants(self, change: Change) -> bool:
        """Tell whether an entity is, or was before, of a type that a layer shows."""
        after, before = change.after, change.before
        return (after is not None and self._shows(after)) or (
            before is not None and self._shows(before)
        )

    def _shows(self, entity: Entity) -> bool:
        kind = entity.document["type"]
        if type(kind) is str:
            return kind in self._layers
        return not self._layers.keys().isdisjoint(kind)

    async def _run(self) -> None:
        """Follow until nothing is left to follow; who fell behind reads everything anew."""
        while True:
            try:
                async with aclosing(self._source.follow(self._wants)) as changes:
                    async for change in changes:
                        self._pass_on(change)
                return
            except FellBehind:
                log.warning("live.fell_behind", tenant=self._source.name)
                for layers in self._layers.values():
                    for layer in layers:
                        layer.fill()
            except NgsiError as error:
                log.warning("live.lost", tenant=self._source.name, error=str(error))
                return

    def _pass_on(self, change: Change) -> None:
        state = change.after or change.before
        if state is None:
            return
        kind = state.document["type"]
        if change.after is not None and change.before is not None:
            former = change.before.document["type"]
            if former != kind:
                kind = [*_several(kind), *_several(former)]
        if type(kind) is str:
            for layer in self._layers.get(kind, ()):
                layer.take(change)
            return
        for layer in {one: None for name in kind for one in self._layers.get(name, ())}:
            layer.take(change)


def _several(kind: str | list[str]) -> list[str]:
    return [kind] if isinstance(kind, str) else kind

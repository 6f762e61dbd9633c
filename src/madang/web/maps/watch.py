"""What is kept of each tenant to answer maps and search quickly, as of its last change.

Nothing is kept until somebody asks, and nothing that was not asked for in half an hour.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import orjson
import structlog

from madang.hub.changes import FellBehind
from madang.model.errors import NgsiError
from madang.query.tree import Query
from madang.store.protocol import Change, Row
from madang.web.maps import told
from madang.web.maps.names import Names, text_of

if TYPE_CHECKING:
    from madang.hub.hub import Hub
    from madang.hub.tenant import Tenant

log = structlog.get_logger("madang.maps")

IDLE_S: Final = 1_800.0
_NAMING: Final = frozenset({*told.NAMES, told.ADDRESS})
_STANDING: Final = _NAMING | {told.PLACE, "height", "floorsAboveGround", "category", "roadClass"}


@lru_cache(maxsize=4096)
def _is_naming(name: str) -> bool:
    return told.short(name) in _NAMING


@lru_cache(maxsize=4096)
def _is_standing(name: str) -> bool:
    return told.short(name) in _STANDING


class Watch:
    """One tenant, followed: names of entities, and which types changed where they stand."""

    def __init__(self, tenant: Tenant, on_end: Callable[[], object]) -> None:
        self._tenant = tenant
        self._on_end = on_end
        self._names = Names()
        self._loading: asyncio.Task[None] | None = None
        self._touched: set[str] | None = None
        self._generations: dict[str, int] = {}
        self._idle: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._work = asyncio.get_running_loop().create_task(self._follow())
        self.use()

    def use(self) -> None:
        """Keep it for another while."""
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(IDLE_S, self.close)

    def close(self) -> None:
        """Let it go; whoever asks next gets another one."""
        if self._is_closed:
            return
        self._is_closed = True
        self._on_end()
        for one in (self._idle, self._work, self._loading):
            if one is not None:
                one.cancel()

    # --- what is asked ------------------------------------------------------------------------

    async def names(self) -> Names:
        """Return the names of all entities; the first time, all are read."""
        if self._loading is None:
            self._loading = asyncio.get_running_loop().create_task(self._load())
        await asyncio.shield(self._loading)
        return self._names

    def generation(self, types: tuple[str, ...]) -> tuple[int, ...]:
        """Return numbers that change when entities of these types come, go, move or are renamed.

        Types that were never asked for are watched from now on.
        """
        return tuple(self._generations.setdefault(type, 0) for type in types)

    # --- from the tenant ----------------------------------------------------------------------

    def _is_wanted(self, change: Change) -> bool:
        """Tell whether a change says anything here; called for every change of the tenant."""
        if change.kind != "updated":
            return True
        if self._loading is not None and any(map(_is_naming, change.attributes)):
            return True
        entity = change.after
        return (
            bool(self._generations)
            and entity is not None
            and any(type in self._generations for type in entity.types)
            and any(map(_is_standing, (*change.attributes, *change.deleted)))
        )

    async def _follow(self) -> None:
        try:
            async for change in self._tenant.follow(self._is_wanted):
                self._take(change)
        except FellBehind:
            log.info("maps.fell_behind", tenant=self._tenant.name)
        finally:
            self.close()

    def _take(self, change: Change) -> None:
        for entity in (change.before, change.after):
            for type in entity.types if entity is not None else ():
                if type in self._generations:
                    self._generations[type] += 1
        if self._loading is None:
            return
        if self._touched is not None:
            self._touched.add(change.id)
        if change.after is None:
            self._names.drop(change.id)
        else:
            document = change.after.document
            self._names.put(change.id, told.types_of(document), text_of(document))

    async def _load(self) -> None:
        """Read all entities. What changes meanwhile is newer than what is read."""
        self._touched = set()
        await asyncio.sleep(0)  # the changes are followed from here on
        try:
            async for rows in self._tenant.stream(Query()):
                for id, types, text in await asyncio.to_thread(_texts, rows):
                    if id not in self._touched:
                        self._names.put(id, types, text)
        except NgsiError:
            self.close()
            raise
        self._touched = None


def _texts(rows: list[Row]) -> list[tuple[str, list[str], str]]:
    documents = [orjson.loads(row.document) for row in rows]
    return [(one["id"], told.types_of(one), text_of(one)) for one in documents]


class Watches:
    """The watches of all tenants that were asked for of late."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self._open: dict[str, Watch] = {}

    async def of(self, name: str) -> Watch:
        """Return the watch of a tenant that is there."""
        tenant = await self._hub.tenant(name, create=False)
        found = self._open.get(name)
        if found is None:
            found = self._open[name] = Watch(tenant, lambda: self._open.pop(name, None))
        found.use()
        await asyncio.sleep(0)  # a new one follows its tenant from here on
        return found

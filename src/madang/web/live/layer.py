"""One layer that somebody looks at: filled from the state, kept current by changes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from madang.model.errors import NgsiError, TooManyResults
from madang.store.protocol import Change
from madang.store.rows import entity_of
from madang.web.live.alike import Alike, Judge
from madang.web.live.held import Held

if TYPE_CHECKING:
    from madang.web.live.asked import Asked
    from madang.web.live.viewer import Viewer

MOST_POINTS: Final = 100_000
"""Of one layer; a map of more shows nothing that a person could tell apart."""


class Layer:
    """What all who see alike see of one type.

    Args:
        seen: who sees it.
        asked: what it shows.
        on_news: is called when there is something new that has not been committed.
    """

    def __init__(self, seen: Alike, asked: Asked, on_news: Callable[[Layer], None]) -> None:
        self.seen = seen
        self.asked = asked
        self.held = Held()
        self.viewers: set[Viewer] = set()
        self.problem: NgsiError | None = None
        """Why it cannot be shown."""
        self.is_ready = False
        self._judge = Judge(seen, asked)
        self._on_news = on_news
        self._early: dict[str, Change] | None = None  # changes that came while it is being filled
        self._filling: asyncio.Task[None] | None = None

    def fill(self) -> None:
        """Begin to fill it, or to fill it anew; changes must be taken from now on."""
        self.stop()
        self._early = {}
        self._filling = asyncio.get_running_loop().create_task(self._fill())

    def stop(self) -> None:
        """Stop filling it."""
        if self._filling is not None:
            self._filling.cancel()
            self._filling = None

    def take(self, change: Change) -> None:
        """Take up a change; while it is being filled, only the last one of each entity counts."""
        if self._early is not None:
            self._early[change.id] = change
        elif self.problem is None:
            self._apply(change)

    def _apply(self, change: Change) -> None:
        held = self.held
        spot = None if change.after is None else self._judge(change.after)
        if spot is not None:
            held.put(change.id, spot, change.at / 1000)
            if len(held) > MOST_POINTS:
                self._fail(_too_many())
        elif change.id in held:
            held.remove(change.id, change.at / 1000)
        else:
            return
        self._on_news(self)

    async def _fill(self) -> None:
        try:
            await self._read()
        except NgsiError as error:
            self._fail(error)
        early, self._early = self._early or {}, None
        for change in early.values():
            self.take(change)
        self.is_ready = True
        self._on_news(self)

    async def _read(self) -> None:
        """Take up all there is, and forget what is no longer there."""
        gone = set(self.held.ids)
        async with aclosing(self.seen.source.stream(self._judge.query)) as stream:  # type: ignore[type-var]
            async for rows in stream:
                for row in rows:
                    spot = self._judge(entity_of(row))
                    if spot is not None:
                        self.held.put(row.id, spot, 0.0)
                        gone.discard(row.id)
                if len(self.held) > MOST_POINTS:
                    raise _too_many()
        for id in gone:
            self.held.remove(id, 0.0)

    def _fail(self, error: NgsiError) -> None:
        """Say from now on why there is nothing to see."""
        self.problem = error
        self.held = Held()


def _too_many() -> NgsiError:
    return TooManyResults(
        f"more than {MOST_POINTS:,} entities would be on the map; narrow the layer with a filter"
    )

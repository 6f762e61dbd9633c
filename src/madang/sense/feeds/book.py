"""The feeds of one tenant: their declarations and how they have gone, durable."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self

import orjson

from madang.model.errors import AlreadyExists, ResourceNotFound, TooManyResults
from madang.model.names import shown
from madang.sense.feeds import state as states
from madang.sense.feeds.declaration import Feed, parse
from madang.sense.feeds.errors import BadFeed
from madang.sense.feeds.pull import Known
from madang.sense.feeds.state import State

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant

MOST_FEEDS = 500  # of a tenant


class Entry:
    """One feed and all that is known of it."""

    def __init__(self, name: str, text: str, state: State) -> None:
        self.name = name
        self.state = state
        self.known: Known = {}
        self.turn = asyncio.Lock()
        """Held while it is read: never twice at once."""
        self.feed: Feed[Any] | None
        try:
            self.feed = parse(text, name)
        except BadFeed as error:  # of another version, say; it is shown and can be replaced
            self.feed = None
            state.trouble, state.error = "fault", str(error)
        self.text = text

    @property
    def is_due(self) -> bool:
        return self.feed is not None and self.state.on

    def shown(self, whole: bool = False) -> dict[str, Any]:
        """Return it as JSON for people; ``whole`` with its file."""
        said = None if self.feed is None else self.feed.declaration
        told: dict[str, Any] = {"name": self.name}
        if said is not None:
            told |= {
                "kind": said.kind,
                "title": said.title,
                "provider": said.provider,
                "licence": said.licence,
                "url": said.url,
                "everySeconds": said.every,
            }
        told |= self.state.shown()
        return told | {"text": self.text} if whole else told


class Book:
    """Made by :meth:`open`, because it has to be read first."""

    def __init__(self, tenant: Tenant, entries: dict[str, Entry]) -> None:
        self.tenant = tenant
        self._entries = entries

    @classmethod
    async def open(cls, tenant: Tenant) -> Self:
        """Read the feeds of a tenant."""
        entries = {}
        for name, body in await tenant.store.items("feed"):
            state = states.load(await tenant.store.item("sense", _note(name)))
            entries[name] = Entry(name, orjson.loads(body)["text"], state)
        return cls(tenant, entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(sorted(self._entries.values(), key=lambda entry: entry.name))

    def get(self, name: str) -> Entry:
        """Return a feed, or raise ResourceNotFound."""
        found = self._entries.get(name)
        if found is None:
            raise ResourceNotFound(
                f"there is no feed {shown(name)}; `madang feed list` names those there are"
            )
        return found

    async def add(self, feed: Feed[Any], by: str, replace: bool) -> Entry:
        """Take up a feed; in place of one of the same name only if ``replace``.

        Raises:
            AlreadyExists: there is one of that name.
            TooManyResults: there are too many.
        """
        now = self.tenant.clock.now()
        older = self._entries.get(feed.name)
        if older is not None and not replace:
            raise AlreadyExists(
                f"there is a feed {feed.name} already; replace it, or give this one another name"
            )
        if older is None and len(self._entries) >= MOST_FEEDS:
            raise TooManyResults(f"there are {MOST_FEEDS} feeds already; remove one first")
        state = State(added=now, by=by) if older is None else older.state
        state.next, state.notes, state.anew = now, {}, True
        entry = Entry(feed.name, feed.text, state)
        await self.tenant.writer.keep("feed", feed.name, orjson.dumps({"text": feed.text}))
        self._entries[feed.name] = entry
        await self.save(entry)
        return entry

    async def remove(self, name: str) -> Entry:
        """Forget a feed; what it wrote stays."""
        entry = self.get(name)
        del self._entries[name]
        await self.tenant.writer.keep("feed", name, None)
        await self.tenant.writer.keep("sense", _note(name), None)
        return entry

    async def save(self, entry: Entry) -> None:
        """Keep how a feed has gone, unless it was removed meanwhile; return when it is durable."""
        if self._entries.get(entry.name) is not entry:
            return
        await self.tenant.writer.keep("sense", _note(entry.name), entry.state.dump())


def _note(name: str) -> str:
    return f"feed:{name}"

"""What a centre says of its edge nodes: each configuration belongs to the key of one node.

A node asks with the key that it sends its changes with, and is handed the configuration of that
key, so that it needs no further permission, and sees no other's.
"""

from __future__ import annotations

import asyncio
import re
import time as clocks
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson
import structlog

from madang.model import time
from madang.model.errors import Conflict, ResourceNotFound
from madang.model.names import shown
from madang.sense.edge.configuration import (
    LARGEST,
    BadConfiguration,
    Configuration,
    parse,
    short,
    version,
    written,
)
from madang.trust.principal import EVERY_TENANT

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant
    from madang.sense.devices.shelf import Shelf
    from madang.sense.sense import Sense
    from madang.trust.keys import Keys

log = structlog.get_logger("madang.edge")

MOST: Final = 1_000
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PREFIX: Final = "edge:"


@dataclass(frozen=True, slots=True)
class Entry:
    """What is said of one node."""

    name: str
    key: str
    """Id of the key that the node asks with."""
    text: str
    by: str
    """Principal id of who said so."""
    at: int
    """When. [us since 1970]"""
    found: Configuration
    """The text, read."""

    def dump(self) -> bytes:
        """Return it as an item of the store."""
        return orjson.dumps({name: getattr(self, name) for name in _KEPT})


_KEPT: Final = ("name", "key", "text", "by", "at")


class _Asked(NamedTuple):
    """What a node told when it last asked for its configuration."""

    at: int
    """[us since 1970]"""
    version: str
    """Of what it had then."""
    behind: int | None
    """Changes that had not come here then; None: it did not say."""


class Book:
    """The configurations of one tenant, in memory and as items of its store."""

    def __init__(self, tenant: Tenant, shelf: Shelf, keys: Keys) -> None:
        self._tenant = tenant
        self._shelf = shelf
        self._keys = keys
        self._entries: dict[str, Entry] = {}
        self._asked: dict[str, _Asked] = {}
        """By key: what is known of its node since it last asked."""
        self._turn = asyncio.Lock()

    async def start(self) -> None:
        """Take up what there is."""
        for id, body in await self._tenant.store.items("sense"):
            if not id.startswith(_PREFIX):
                continue
            kept = orjson.loads(body)
            try:
                entry = Entry(**kept, found=parse(kept["text"]))
            except BadConfiguration as error:  # an earlier version took it
                log.error("edge.configuration.unusable", node=kept["name"], error=str(error))
            else:
                self._entries[entry.name] = entry

    def __iter__(self) -> Iterator[Entry]:
        """Go through all of them in the order of their names."""
        return iter([self._entries[name] for name in sorted(self._entries)])

    def get(self, name: str) -> Entry:
        """Return what is said of a node.

        Raises:
            ResourceNotFound: nothing is.
        """
        found = self._entries.get(name)
        if found is None:
            raise ResourceNotFound(
                f"no edge node {shown(name)} is configured here; `madang edge nodes` shows all"
            )
        return found

    async def put(self, name: str, who: str, text: str, by: str) -> bool:
        """Say what holds for a node, in place of what was said before.

        Args:
            name: of the node.
            who: id or name of the key that it asks with.
            text: the configuration, as TOML.
            by: principal id of who says so.

        Returns:
            Whether nothing was said of it before.

        Raises:
            BadConfiguration: the name or something in the configuration is not as it must be.
            ResourceNotFound: there is no such key.
            Conflict: the key is another node's or has been revoked, or there are too many nodes.
        """
        if not _NAME.fullmatch(name):
            raise BadConfiguration(
                f"an edge node cannot be called {shown(name)}; expected 1 to 64 letters A-Z, digits"
                " and . _ -"
            )
        entry = Entry(name, self._key(who), text, by, clocks.time_ns() // 1000, parse(text))
        async with self._turn:
            self._check(entry)
            is_new = name not in self._entries
            await self._tenant.writer.keep("sense", _PREFIX + name, entry.dump())
            self._entries[name] = entry
        return is_new

    def _key(self, who: str) -> str:
        """Return the id of a key of this tenant that can be used."""
        key = self._keys.named(who)
        if key.tenants.isdisjoint({self._tenant.name, *EVERY_TENANT}):
            raise ResourceNotFound(f"the key {key.id} does not belong to this tenant")
        if key.revoked is not None:
            raise Conflict(f"the key {key.id} has been revoked; name the one that the node has now")
        return key.id

    def _check(self, entry: Entry) -> None:
        """Raise if a configuration does not fit what else there is."""
        for name in self._missing(entry):
            raise BadConfiguration(
                f"the configuration: profiles: there is no profile {shown(name)} here;"
                " `madang device profile list` shows all"
            )
        if len(self._written(entry)) > LARGEST:
            raise BadConfiguration(
                f"the configuration: profiles: all together have more than {LARGEST // 2**20} MiB"
            )
        for other in self._entries.values():
            if other.key == entry.key and other.name != entry.name:
                raise Conflict(f"the key {entry.key} is that of the node {other.name} already")
        if entry.name not in self._entries and len(self._entries) >= MOST:
            raise Conflict(f"there are {MOST:,} configurations already; remove one first")

    async def remove(self, name: str) -> None:
        """Say nothing more of a node; what its own file says holds there again.

        Raises:
            ResourceNotFound: nothing is said of it.
        """
        async with self._turn:
            entry = self.get(name)
            await self._tenant.writer.keep("sense", _PREFIX + name, None)
            del self._entries[name]
            self._asked.pop(entry.key, None)

    def hand_out(self, key: str, has: str, behind: int | None = None) -> bytes | None:
        """Return what the node of a key is handed; None if nothing is said of it.

        Args:
            key: its id.
            has: the version that the node has.
            behind: how many of its changes have not come here, if it says so.
        """
        for entry in self._entries.values():
            if entry.key == key:
                self._asked[key] = _Asked(clocks.time_ns() // 1000, has, behind)
                return self._written(entry)
        return None

    def _written(self, entry: Entry) -> bytes:
        names = dict.fromkeys(entry.found.profiles)
        texts = {name: self._shelf.text(name) for name in names if self._shelf.get(name)}
        return written(entry.name, entry.text, texts)

    def _missing(self, entry: Entry) -> list[str]:
        return [name for name in entry.found.profiles if self._shelf.get(name) is None]

    def shown(self, entry: Entry) -> dict[str, Any]:
        """Return what is known of a node, for operators."""
        found, now = entry.found, version(self._written(entry))
        asked = self._asked.get(entry.key)
        key = self._keys.get(entry.key)
        return {
            "name": entry.name,
            "key": entry.key,
            "keyName": None if key is None else key.name,
            "version": short(now),
            "setAt": time.render(entry.at),
            "setBy": entry.by,
            "rules": None if found.rules is None else sorted(found.rules),
            "personal": found.personal,
            "profiles": found.profiles,
            "missing": self._missing(entry),
            "devices": [device.name for device in found.devices],
            "askedAt": None if asked is None else time.render(asked.at),
            "behind": None if asked is None else asked.behind,
            "taken": asked is not None and asked.version == now,
        }


class Books:
    """The books of all tenants, opened when they are first needed."""

    def __init__(self, sense: Sense, keys: Keys) -> None:
        self._sense = sense
        self._keys = keys
        self._books: dict[str, Book] = {}
        self._opening = asyncio.Lock()

    async def of(self, tenant: str) -> Book:
        """Return the book of a tenant.

        Raises:
            NonexistentTenant: there is none of that name.
        """
        async with self._opening:
            if tenant not in self._books:
                station = await self._sense.station(tenant)
                book = Book(station.tenant, station.devices.shelf, self._keys)
                await book.start()
                self._books[tenant] = book
            return self._books[tenant]

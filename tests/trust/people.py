"""Identities for tests: a clock that is stepped, cheap hashes, a recorder that keeps events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from argon2 import PasswordHasher

from madang.store.engine import SqliteEngine
from madang.trust.accounts import Account
from madang.trust.events import Event
from madang.trust.identities import Identities
from madang.trust.records import Records

PASSWORD = "seven small red bicycles"
ADDRESS = "192.0.2.1"
URL = "https://city.example"
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
SECOND = 1_000_000


class Clock:
    def __init__(self, at: int = 1_800_000_000 * SECOND) -> None:
        self.at = at

    def __call__(self) -> int:
        return self.at

    def step(self, seconds: float) -> None:
        self.at += int(seconds * SECOND)


class Kept:
    """A recorder that keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def note(self, event: Event) -> None:
        self.events.append(event)

    async def record(self, *events: Event) -> None:
        self.events.extend(events)

    def actions(self) -> list[str]:
        return [event.action for event in self.events]


class City:
    """Identities of a place, with what they stand on."""

    def __init__(self, folder: Path, clock: Clock, kept: Kept, url: str = URL) -> None:
        self.folder = folder
        self.clock = clock
        self.kept = kept
        self.url = url
        self.engine = SqliteEngine(folder / "state")
        self.records: Records
        self.identities: Identities

    async def start(self) -> None:
        self.records = Records(await self.engine.system())
        self.identities = Identities(
            self.records, self.kept, self.folder, self.url, now=self.clock, hasher=CHEAP
        )
        await self.identities.start()

    async def close(self) -> None:
        await self.identities.close()
        await self.engine.close()

    async def person(self, login: str = "jin", role: str = "operator") -> Account:
        tenants = ["*"] if role == "administrator" else [""]
        return await self.identities.people.add(
            login, "service:local", PASSWORD, roles=[role], tenants=tenants
        )

    def everything_kept(self) -> str:
        """Return all that is on the disk and in the audit log, as text."""
        files = [file.read_bytes().decode("latin-1") for file in (self.folder / "state").iterdir()]
        return "\n".join([*files, *map(repr, self.kept.events)])


@asynccontextmanager
async def city(
    folder: Path, clock: Clock | None = None, kept: Kept | None = None, url: str = URL
) -> AsyncIterator[City]:
    found = City(folder, clock or Clock(), kept or Kept(), url)
    await found.start()
    try:
        yield found
    finally:
        await found.close()

"""What tests of policies share: principals, records that live in a folder, a recorder."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from madang.store.engine import SqliteEngine
from madang.trust.events import Event
from madang.trust.policy import Policies
from madang.trust.principal import Kind, Principal, Role
from madang.trust.records import Records

KINDS: dict[Role, Kind] = {"public": "public", "device": "device", "app": "app"}


class Recorder:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def note(self, event: Event) -> None:
        self.events.append(event)

    async def record(self, *events: Event) -> None:
        self.events += events


def someone(
    role: Role,
    tenants: tuple[str, ...] = ("",),
    *,
    scopes: tuple[str, ...] = (),
    reads: tuple[str, ...] = (),
    writes: tuple[str, ...] = (),
    entities: tuple[str, ...] = (),
) -> Principal:
    """Return somebody with a role."""
    return Principal(
        f"{KINDS.get(role, 'person')}:{role}",
        KINDS.get(role, "person"),
        role,
        frozenset({role}),
        frozenset(tenants),
        frozenset(scopes),
        frozenset(reads),
        frozenset(writes),
        frozenset(entities),
    )


@asynccontextmanager
async def opened(folder: Path, recorder: Recorder | None = None) -> AsyncIterator[Policies]:
    """Open the policies that are kept in a folder."""
    engine = SqliteEngine(folder)
    try:
        policies = Policies(Records(await engine.system()), recorder or Recorder())
        await policies.start()
        yield policies
    finally:
        await engine.close()

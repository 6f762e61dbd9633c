"""The feed of changes from a position on: first what history has of them, then live.

A position is the sequence number of a change: the feed continues after it without a gap and without
telling anything twice, over restarts of either side. Who reads too slowly for the live stream is
given the rest from history and then joins the stream again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import orjson

from madang.hub.changes import FellBehind
from madang.lake.protocol import Readable
from madang.lake.questions import SCOPE, Instance, Logged
from madang.lake.selection import attribute_of
from madang.model import time
from madang.model.attributes import VALUE_MEMBER
from madang.model.entity import INSTANCE, Document
from madang.model.errors import BadRequestData, Forbidden
from madang.store.protocol import Block, Change, ChangeKind

T = TypeVar("T")

BATCH = 5_000  # changes read from history at once


class Record(Protocol):
    """A history, as far as the feed needs it."""

    @property
    def last(self) -> int: ...

    async def newest(self) -> int: ...

    @property
    def is_open(self) -> bool: ...

    async def read(self, question: Callable[[Readable], T]) -> T: ...


class Followed(Protocol):
    """A tenant, or what somebody sees of one."""

    @property
    def history(self) -> Record: ...

    def follow(
        self, wanted: Callable[[Change], bool] | None = None
    ) -> AsyncGenerator[Change, None]: ...


@dataclass(frozen=True, slots=True)
class Event:
    """One acknowledged change."""

    position: int
    kind: ChangeKind
    at: int
    """When it was made. [us since 1970]"""
    id: str
    types: tuple[str, ...]
    attributes: tuple[str, ...]
    """Names of attributes created or updated."""
    deleted: tuple[str, ...]
    """Deleted attributes, as paths of their instances; none if the entity was deleted."""
    entity: Document | None
    """``id``, ``type`` and the attributes that were put; None if the entity was deleted."""


async def events(tenant: Followed, after: int | None = None) -> AsyncGenerator[Event, None]:
    """Yield the changes after a position, as somebody sees them, without an end.

    Args:
        tenant: as it is seen.
        after: the position; None is now.

    Raises:
        BadRequestData: the position lies ahead of all changes.
        Forbidden: older changes are wanted, and history may not be read.
        FellBehind: the reader was too slow, and history may not be read.
    """
    history = tenant.history
    position = history.last if after is None else after
    await reached(history, position)
    if position < history.last and not history.is_open:
        raise Forbidden("to follow from an older position one must be allowed to readHistory")
    while True:
        async with aclosing(tenant.follow(None)) as stream:
            upcoming = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0)  # from here on the stream keeps what happens
            try:
                target = history.last
                while position < target:
                    told, position = await _replayed(tenant, position, target)
                    for event in told:
                        yield event
                change = await upcoming
                while True:
                    if change.number > position:
                        position = change.number
                        yield live(change)
                    change = await anext(stream)
            except StopAsyncIteration:
                return
            except FellBehind:
                if not history.is_open:
                    raise
            finally:
                upcoming.cancel()
                await asyncio.wait([upcoming])


async def reached(history: Record, position: int) -> None:
    """Make sure that there is a position; this hub may not have heard of it yet.

    Raises:
        BadRequestData: it lies ahead of all changes.
    """
    if position > history.last and position > (last := await history.newest()):
        raise BadRequestData(
            f"the position {position} is ahead of the last change, {last}: the state was"
            " put back from an older copy; read the state anew, and follow from now on"
        )


async def _replayed(tenant: Followed, position: int, target: int) -> tuple[list[Event], int]:
    """Return the next changes that history has, and how far they reach."""

    def ask(lake: Readable) -> list[Logged]:
        return lake.log(position, BATCH, target)

    found = await tenant.history.read(ask)
    reached = found[-1].seq if len(found) == BATCH else target
    return [logged(one) for one in found], reached


def live(change: Change) -> Event:
    """Return the event of a change that has just been made."""
    state = change.after or change.before
    entity: Document | None = None
    if change.after is not None:
        document = change.after.document
        entity = {"id": change.id, "type": document["type"]}
        entity |= {name: document[name] for name in change.attributes if name in document}
    return Event(
        change.number,
        change.kind,
        change.at,
        change.id,
        () if state is None else tuple(state.types),
        change.attributes,
        () if change.kind == "deleted" else change.deleted,
        entity,
    )


def logged(one: Logged) -> Event:
    """Return the event of a change that history has."""
    names = tuple(dict.fromkeys(put.attribute for put in one.put))
    entity: Document | None = None
    if one.kind != "deleted":
        entity = {"id": one.id, "type": one.types[0] if len(one.types) == 1 else list(one.types)}
        entity |= {name: _told([put for put in one.put if put.attribute == name]) for name in names}
    deleted = tuple(_path(gone) for gone in one.deleted)
    return Event(one.seq, one.kind, one.at, one.id, one.types, names, deleted, entity)


def outbox_events(block: Block) -> list[Event]:
    """Return the events of a commit from what :func:`madang.store.rows.outbox_row` wrote."""
    first = block.last - block.size + 1
    return [_of_row(number, row) for number, row in enumerate(orjson.loads(block.body), first)]


def _of_row(number: int, row: dict[str, Any]) -> Event:
    id, kind = row["id"], row["type"]
    types = (kind,) if isinstance(kind, str) else tuple(kind)
    if row["kind"] == "deleted":
        return Event(number, "deleted", row["at"], id, types, (), (), None)
    deleted = tuple(row.get("deleted", ()))
    entity = {"id": id, "type": kind, **row["entity"]}
    names = tuple(entity)[2:]
    if "put" in row:  # the entity is whole
        names = tuple(row["put"])
        entity = {name: entity[name] for name in ("id", "type", *names) if name in entity}
    return Event(number, row["kind"], row["at"], id, types, names, deleted, entity)


def told(event: Event) -> dict[str, Any]:
    """Return an event as others are told it, as JSON."""
    kind: Any = event.types[0] if len(event.types) == 1 else list(event.types)
    return {
        "position": event.position,
        "kind": event.kind,
        "at": time.render(event.at),
        "id": event.id,
        "type": kind or None,
        "attributes": event.attributes,
        "deleted": event.deleted,
        "entity": event.entity,
    }


def _told(put: Sequence[Instance]) -> object:
    """Return the instances of one attribute as they stand in a document."""
    if put[0].attribute == SCOPE:
        return put[0].value
    found = [attribute_of(one) for one in put if one.kind in VALUE_MEMBER]
    return found[0] if len(found) == 1 else found


def _path(one: Instance) -> str:
    return one.attribute if one.dataset is None else one.attribute + INSTANCE + one.dataset

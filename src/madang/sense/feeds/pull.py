"""Reads one feed once: asks, writes what is new, keeps what is bad."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

import orjson

from madang.model.context import CORE
from madang.model.errors import NgsiError, Overloaded, TooManyRequests
from madang.model.normalize import entity as normalized
from madang.sense.feeds.declaration import Feed
from madang.sense.feeds.fetch import Fetch
from madang.sense.feeds.kinds import Bad, kind_of
from madang.sense.feeds.progress import Progress
from madang.sense.message import Message, Reading, Reason
from madang.trust.principal import Principal

TRANSPORT = "feed"
BATCH = 100  # entities written together; more would hold up what else the hub has to do
MOST_LETTERS = 100  # bad records kept of one reading; all are counted
MOST_KNOWN = 200_000  # entities of which it is remembered what was written last
SHOWN_ENTITIES = 20


class Sink(Protocol):
    """Where readings go."""

    async def put(
        self, tenant: str, readings: Sequence[Reading], principal: Principal, source: str
    ) -> object:
        """Write readings as a principal; return when they are durable."""

    async def keep(self, message: Message, reason: Reason, detail: str) -> int:
        """Keep a message that cannot be used."""


Known = dict[str, int]
"""What was last written, by id: a mark of the whole entity."""


def principal_of(tenant: str, name: str) -> Principal:
    """Return as whom a feed writes: an app that may write every type of its tenant."""
    every = frozenset({"*"})
    return Principal(
        f"service:feed:{name}", "app", f"feed {name}", frozenset({"app"}),
        frozenset({tenant}), reads=every, writes=every,
    )  # fmt: skip


class Pull:
    """One reading of one feed."""

    def __init__(
        self, tenant: str, feed: Feed[Any], fetch: Fetch, sink: Sink, known: Known
    ) -> None:
        self._tenant = tenant
        self._feed = feed
        self._fetch = fetch
        self._sink = sink
        self._known = known
        self._principal = principal_of(tenant, feed.name)
        self._source = f"feed:{feed.name}"
        self.progress = fetch.progress

    async def run(self, letters: Sequence[int]) -> Progress:
        """Read and write everything; return what came of it.

        Args:
            letters: marks of bad records that are kept already.

        Raises:
            FeedError: it could not be read to its end; what was read until then is written.
        """
        progress, already = self.progress, frozenset(letters)
        batch: list[tuple[Reading, int]] = []
        try:
            async with aclosing(_read(self._feed, self._fetch)) as found:
                async for one in found:
                    progress.records += 1
                    if isinstance(one, Bad):
                        await self._bad(one, already)
                    else:
                        self._gather(one, batch)
                    if len(batch) >= BATCH:
                        await self._write(batch)
                    if progress.records % BATCH == 0:
                        await asyncio.sleep(0)
            await self._write(batch)
        except BaseException:
            await self._fetch.discard()
            raise
        await self._fetch.settle()
        return progress

    def _gather(self, reading: Reading, batch: list[tuple[Reading, int]]) -> None:
        self.progress.entities += 1
        mark = _mark(reading.entity)
        if self._known.get(reading.entity.get("id", "")) != mark:
            batch.append((reading, mark))

    async def _write(self, batch: list[tuple[Reading, int]]) -> None:
        if not batch:
            return
        ids = [(reading.entity.get("id", ""), mark) for reading, mark in batch]
        await self._put([reading for reading, _ in batch])
        self.progress.written += len(batch)
        batch.clear()
        if len(self._known) + len(ids) > MOST_KNOWN:
            self._known.clear()
        self._known.update(ids)

    async def _put(self, readings: list[Reading]) -> None:
        """Write, and wait if there is too much to do."""
        while True:
            try:
                await self._sink.put(self._tenant, readings, self._principal, self._source)
            except (TooManyRequests, Overloaded) as error:
                await asyncio.sleep(getattr(error, "retry_after_s", 1))
            else:
                return

    async def _bad(self, bad: Bad, already: frozenset[int]) -> None:
        """Keep a bad record, unless it was kept when it came before."""
        progress = self.progress
        progress.add_problem(bad.reason)
        if len(progress.letters) >= MOST_LETTERS:
            return
        body = orjson.dumps(bad.record, default=str)
        mark = _digest(body + bad.reason.encode())
        progress.letters.append(mark)
        if mark not in already:
            message = Message(
                TRANSPORT, self._source, body, self._principal, time.time_ns() // 1000,
                self._tenant, device=self._feed.name,
            )  # fmt: skip
            await self._sink.keep(message, "badRow", bad.reason)


@dataclass(slots=True)
class Trial:
    """What a feed would write."""

    progress: Progress
    types: dict[str, Any] = field(default_factory=dict)
    """By type: how many entities, and of each attribute how many, its unit and an example."""
    examples: list[dict[str, Any]] = field(default_factory=list)

    def shown(self) -> dict[str, Any]:
        """Return it as JSON."""
        return self.progress.shown() | {"types": self.types, "examples": self.examples}


async def attempt(feed: Feed[Any], fetch: Fetch) -> Trial:
    """Read a feed and return what it would write; nothing is written or kept.

    Raises:
        FeedError: it cannot be read to its end.
    """
    trial = Trial(fetch.progress)
    progress = trial.progress
    try:
        async with aclosing(_read(feed, fetch)) as found:
            async for one in found:
                progress.records += 1
                problem = one.reason if isinstance(one, Bad) else _described(trial, one.entity)
                if problem:
                    progress.add_problem(problem)
                if progress.records % BATCH == 0:
                    await asyncio.sleep(0)
    finally:
        await fetch.discard()
    return trial


def _described(trial: Trial, entity: dict[str, Any]) -> str:
    """Add an entity to what is told of a trial; return what is wrong with it."""
    text = orjson.dumps(entity)
    try:
        normalized(orjson.loads(text), CORE)
    except NgsiError as error:
        return f"{entity.get('id', 'an entity without id')}: {error}"
    trial.progress.entities += 1
    if len(trial.examples) < SHOWN_ENTITIES:
        trial.examples.append(orjson.loads(text))
    kinds = entity["type"] if isinstance(entity["type"], list) else [entity["type"]]
    told = trial.types.setdefault(", ".join(kinds), {"entities": 0, "attributes": {}})
    told["entities"] += 1
    for name, attribute in entity.items():
        if name in ("id", "type", "scope", "@context", "expiresAt"):
            continue
        first = attribute[0] if isinstance(attribute, list) else attribute
        one = told["attributes"].setdefault(
            name, {"count": 0, "unitCode": first.get("unitCode"), "example": _value(first)}
        )
        one["count"] += 1
    return ""


def _value(attribute: dict[str, Any]) -> Any:
    members = ("value", "object", "languageMap", "vocab", "json", "valueList", "objectList")
    return next((attribute[name] for name in members if name in attribute), None)


def _read(feed: Feed[Any], fetch: Fetch) -> Any:
    return cast("Any", kind_of(feed.declaration.kind).read(feed, fetch))


def _mark(entity: dict[str, Any]) -> int:
    return _digest(orjson.dumps(entity))


def _digest(body: bytes) -> int:
    # Eight bytes are enough to see a change, and fit an integer of JSON.
    return int.from_bytes(hashlib.blake2b(body, digest_size=6).digest(), "big")

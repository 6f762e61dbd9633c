"""Sending entities to a hub in batches: several at once, yet each entity's changes in order."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Self
from zlib import crc32

import aiohttp
import orjson

from madang.commands.client import API, HubClient, HubError, detail_of
from madang.sense.files.entities import Failure, Loadable

LANES = 4
BATCH_ENTITIES = 400
BATCH_BYTES = 4 * 1024 * 1024  # well below the hub's limit of 16 MiB
GIVE_UP_S = 120.0
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 10.0
_DOOR = (401, 403)  # turned away as a whole; it would be so with every batch
_UPSERT = {"options": "update"}  # attributes that a file does not have stay as they are
_AGAIN = (429, 503)


@dataclass
class Batch:
    """Entities that travel in one request."""

    has_context: bool
    items: list[Loadable] = field(default_factory=list)
    size: int = 0

    def fits(self, item: Loadable) -> bool:
        return (
            item.has_context == self.has_context
            and len(self.items) < BATCH_ENTITIES
            and self.size + len(item.body) <= BATCH_BYTES
        )

    def body(self) -> bytes:
        return b"[" + b",".join(item.body for item in self.items) + b"]"


class Uploader:
    """Sends entities through lanes; an entity always takes the same lane, so its order holds.

    Used as a context: at its end everything put in has been sent.
    """

    def __init__(self, client: HubClient, failed: Callable[[Failure], None]) -> None:
        """Prepare the lanes.

        Args:
            client: the hub.
            failed: told of every entity that the hub did not take.
        """
        self.loaded = 0
        self._client = client
        self._failed = failed
        self._queues: list[asyncio.Queue[Batch | None]] = [
            asyncio.Queue(maxsize=2) for _ in range(LANES)
        ]
        self._open: list[Batch | None] = [None] * LANES
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._lane(queue)) for queue in self._queues]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                await self._finish()
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def put(self, item: Loadable) -> None:
        """Add an entity to the batch of its lane; wait if the hub is behind.

        Raises:
            HubError: the hub has taken nothing for a long time.
        """
        lane = crc32(item.id.encode()) % LANES
        batch = self._open[lane]
        if batch is not None and not batch.fits(item):
            await self._enqueue(lane, batch)
            await asyncio.sleep(0)  # so that answers are read even if no lane is full
            batch = None
        if batch is None:
            batch = self._open[lane] = Batch(item.has_context)
        batch.items.append(item)
        batch.size += len(item.body) + 1

    async def _finish(self) -> None:
        """Send what is left and wait until all is answered."""
        for lane, batch in enumerate(self._open):
            if batch is not None:
                await self._enqueue(lane, batch)
            await self._enqueue(lane, None)
        await asyncio.gather(*self._tasks)

    async def _enqueue(self, lane: int, batch: Batch | None) -> None:
        """Wait for room in a lane, or for what ended it."""
        task = self._tasks[lane]
        putting = asyncio.ensure_future(self._queues[lane].put(batch))
        await asyncio.wait({putting, task}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            putting.cancel()
            task.result()

    async def _lane(self, queue: asyncio.Queue[Batch | None]) -> None:
        while (batch := await queue.get()) is not None:
            status, body = await self._post(batch)
            self._account(batch, status, body)

    async def _post(self, batch: Batch) -> tuple[int, bytes]:
        """Send a batch until the hub takes or refuses it."""
        address = self._client.address(f"{API}/entityOperations/upsert", _UPSERT)
        kind = "application/ld+json" if batch.has_context else "application/json"
        body = batch.body()
        wait, waited = _FIRST_WAIT_S, 0.0
        while True:
            try:
                async with self._client.session.post(
                    address, data=BytesIO(body), headers={"Content-Type": kind}
                ) as answer:
                    text = await answer.read()
                    if answer.status not in _AGAIN:
                        return answer.status, text
                    pause = _retry_after(answer.headers.get("Retry-After")) or wait
                    reason = f"it answers {answer.status} ({detail_of(text)})"
            except (aiohttp.ClientError, TimeoutError) as error:
                pause, reason = wait, str(error) or "no answer in time"
            if waited >= GIVE_UP_S:
                row = batch.items[0].row
                raise HubError(
                    f"the hub at {self._client.url} takes nothing for {waited:.0f} s: {reason}; "
                    f"stopped near row {row}, it is safe to load the file again"
                )
            await asyncio.sleep(pause)
            waited += pause
            wait = min(wait * 2, _LONGEST_WAIT_S)

    def _account(self, batch: Batch, status: int, body: bytes) -> None:
        """Count what went well and trace what did not back to its rows."""
        if status in (200, 201, 204):
            self.loaded += len(batch.items)
            return
        if status in _DOOR:
            loaded = f"; {self.loaded:,} entities were loaded before" if self.loaded else ""
            raise HubError(f"the hub refuses ({status}): {detail_of(body)}{loaded}")
        errors = _errors(body) if status == 207 else None
        if errors is None:
            reason = f"the hub answers {status}: {detail_of(body)}"
            for item in batch.items:
                self._failed(Failure(item.row, "", reason))
            return
        rows: dict[str, list[int]] = defaultdict(list)
        for item in batch.items:
            rows[item.id].append(item.row)
        lost = 0
        for identifier, reasons in errors.items():
            failures = _failures(identifier, rows.get(identifier, []), reasons)
            lost += len(failures)
            for failure in failures:
                self._failed(failure)
        self.loaded += len(batch.items) - lost


def _retry_after(header: str | None) -> float | None:
    """Return the seconds a hub asks to wait, within reason."""
    try:
        return min(max(float(header or ""), 0.05), 60.0)
    except ValueError:
        return None


def _errors(body: bytes) -> dict[str, list[str]] | None:
    """Return the reasons by entity id of a BatchOperationResult (clause 5.2.16)."""
    try:
        found: dict[str, list[str]] = defaultdict(list)
        for error in orjson.loads(body)["errors"]:
            found[str(error["entityId"])].append(_reason(error["error"]))
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return None
    return found


def _reason(problem: Any) -> str:
    if isinstance(problem, dict):
        return str(problem.get("detail") or problem.get("title") or problem)
    return str(problem)


def _failures(identifier: str, rows: list[int], reasons: list[str]) -> list[Failure]:
    """Return a failure for each reason, with the row it belongs to as well as it can be told."""
    if len(rows) == len(reasons):
        return [Failure(row, "", reason) for row, reason in zip(rows, reasons, strict=True)]
    # The hub names the entity, not the position: with several rows of one entity in a batch
    # of which only some failed, the report lists them all.
    among = ", ".join(map(str, rows))
    first = rows[0] if rows else 0
    return [
        Failure(first, "", f"{reason} ({identifier}, one of the rows {among})")
        for reason in reasons
    ]

"""Warns at crossings within milliseconds: from what is being written straight to the sign.

It is told of changes while they are on their way to the disk, and tells signs over the MQTT broker
of this process, by the rules of :mod:`madang.services.crossing.watch`. It works while the service
``crossing`` is switched on here, and by its options; that service keeps the record.

A sign is told what to show and for how long, and is told again while the danger lasts: one that
hears nothing more, for the line or the node is broken, goes dark by itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import time as clocks
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson
import structlog

from madang.hub.operations import Observe
from madang.model import time
from madang.model.context import CORE
from madang.model.errors import BadRequestData, MadangError
from madang.model.normalize import entity as normalized
from madang.query.tree import HasType, Query, Selector
from madang.sense.devices.device import PREFIX, check_name
from madang.services.crossing import texts
from madang.services.crossing import watch as watches
from madang.services.crossing.watch import CROSSING, OBSERVED, SHOWN_S, S, Step, Watch
from madang.store.rows import entity_of

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant
    from madang.model.entity import Document
    from madang.services.services import Services
    from madang.services.working import Working
    from madang.store.protocol import Change

log = structlog.get_logger("madang.edge")

TENANT = ""
SERVICE = "crossing"
DOWN = "v1/devices/{}/down"
LOOK_S = 1.0  # between two looks whether the service is on
MOST = 1_000  # crossings, or detectors, of one node
MOST_SIGNS = 50  # of a crossing
MOST_COMING = 10_000  # changes that wait; then the oldest is left out

Tell = Callable[[str, bytes], None]
"""Publishes to a topic, at once, to who is there."""


class Crossings:
    """Warns at the crossings of the default tenant while the service is on there.

    Args:
        services: the city services of this process.
        tell: see :data:`Tell`.
    """

    def __init__(self, services: Services, tell: Tell) -> None:
        self._services = services
        self._tell = tell
        self._work: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look whether there is anything to do."""
        self._work = asyncio.get_running_loop().create_task(self._run())

    async def close(self) -> None:
        """Stop warning."""
        if self._work is not None:
            self._work.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._work

    async def _run(self) -> None:
        while True:
            try:
                working = await self._services.find(TENANT, SERVICE)
                if working.is_on:
                    await _Guard(working, self._tell).run()
            except MadangError as error:  # no tenant yet
                log.debug("crossing.waits", reason=str(error))
            except Exception:  # it warns again in a second, whatever this was
                log.exception("crossing.failed")
            await asyncio.sleep(LOOK_S)


class _Guard:
    """Judges every change of a crossing as it comes."""

    def __init__(self, working: Working, tell: Tell) -> None:
        self._working = working
        self._tenant: Tenant = working.tenant
        self._tell = tell
        self._watches: dict[str, Watch] = {}
        self._warning: dict[str, Watch] = {}
        """Those of them that warn."""
        self._homes: dict[str, str] = {}
        """Crossing by detector."""
        self._signs: dict[str, list[str]] = {}
        """Topics by crossing."""
        self._writing: set[asyncio.Task[Any]] = set()
        self._coming: deque[Change] = deque(maxlen=MOST_COMING)
        self._ready = asyncio.Event()

    async def run(self) -> None:
        """Warn until the service is switched off."""
        writer = self._tenant.writer
        writer.on_applied = self._hear
        try:
            await self._learn()
            while self._working.is_on:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._wait_s()):
                        await self._ready.wait()
                self._ready.clear()
                self._look(clocks.time_ns() // 1000)
                while self._coming:
                    self._take(self._coming.popleft())
        finally:
            writer.on_applied = None

    def _hear(self, changes: list[Change]) -> None:
        for change in changes:
            if _concerns(change):
                self._coming.append(change)
                self._ready.set()

    async def _learn(self) -> None:
        """Take up which crossings there are, with their signs, detectors and what those said."""
        for type in (CROSSING, OBSERVED):
            query = Query((Selector(types=HasType(type)),), limit=MOST)
            for row in (await self._tenant.query(query)).rows:
                entity = entity_of(row)
                crossing = self._know(entity.document)
                values = watches.read(entity.document, watches.READ)
                watch = self._watch(crossing) if crossing and values else None
                if watch is not None:
                    for name, value in values.items():
                        at = entity.stamp(name).modified
                        watches.take(watch, entity.id, {name: value}, at)

    def _watch(self, crossing: str) -> Watch | None:
        """Return what is known of a crossing; None if there are too many."""
        if crossing not in self._watches and len(self._watches) < MOST:
            self._watches[crossing] = watches.fresh()
        return self._watches.get(crossing)

    def _know(self, document: Document) -> str:
        """Return the crossing that an entity is about; empty if that is not known."""
        id = str(document["id"])
        if CROSSING in _types(document):
            self._signs[id] = [DOWN.format(name) for name in _devices(document.get("refSign"))]
            return id
        home = document.get("refCrossing")
        if isinstance(home, dict) and isinstance(home.get("object"), str):
            self._homes[id] = home["object"]
        return self._homes.get(id, "")

    # --- changes and time ---------------------------------------------------------------------

    def _take(self, change: Change) -> None:
        if change.after is None:
            self._watches.pop(change.id, None)
            self._warning.pop(change.id, None)
            self._signs.pop(change.id, None)
            self._homes.pop(change.id, None)
            return
        document = change.after.document
        crossing = self._know(document)
        values = watches.read(document, change.attributes)
        if not values or not crossing:
            return
        watch = self._watch(crossing)
        if watch is not None and watches.take(watch, change.id, values, change.at):
            step = watches.step(watch, change.at, self._options)
            if step is not None:
                self._act(crossing, step, change.at)

    def _look(self, now: int) -> None:
        """End the warnings that are over."""
        for crossing, watch in [*self._warning.items()]:
            if watch["warning"] is not None and now >= watch["warning"]["until"]:
                step = watches.step(watch, now, self._options)
                if step is not None:
                    self._act(crossing, step, now)

    def _wait_s(self) -> float:
        warnings = (watch["warning"] for watch in self._warning.values())
        until = min((one["until"] for one in warnings if one is not None), default=None)
        if until is None:
            return LOOK_S
        return min(max(until / 1e6 - clocks.time(), 0.0), LOOK_S)

    @property
    def _options(self) -> watches.Rules:
        options = self._working.options
        assert isinstance(options, watches.Rules)
        return options

    # --- signs --------------------------------------------------------------------------------

    def _act(self, crossing: str, step: Step, at: int) -> None:
        """Tell the signs of a crossing what to show."""
        if step.kind == "ended":
            self._warning.pop(crossing, None)
        else:
            self._warning[crossing] = self._watches[crossing]
        body = message(crossing, step)
        for topic in self._signs.get(crossing, ()):
            self._tell(topic, body)
        if step.kind == "began" and self._signs.get(crossing):
            after_ms = clocks.time_ns() / 1e6 - at / 1e3
            log.info("crossing.warned", crossing=crossing, reasons=step.warning["reasons"])
            task = asyncio.get_running_loop().create_task(self._write(crossing, after_ms, at))
            self._writing.add(task)
            task.add_done_callback(self._writing.discard)

    async def _write(self, crossing: str, after_ms: float, at: int) -> None:
        """Write down how soon signs were told, for the service."""
        value = {"type": "Property", "value": round(after_ms, 2), "unitCode": "C26",
                 "observedAt": time.render(at)}  # fmt: skip
        content = normalized({"id": crossing, "type": CROSSING, "warnedAfter": value}, CORE)
        for result in await self._tenant.write([Observe(crossing, content)]):
            if isinstance(result, MadangError):
                log.warning("crossing.not_written", crossing=crossing, reason=str(result))


def message(crossing: str, step: Step) -> bytes:
    """Return what a sign is told, as a command of the open device specification."""
    warning, is_on = step.warning, step.kind != "ended"
    given: dict[str, Any] = {"crossing": crossing}
    if is_on:
        given["reasons"] = warning["reasons"]
        given["text"] = texts.sign(warning["reasons"])._asdict()
        given["seconds"] = SHOWN_S
    number = f"{crossing}:{warning['since']}:{step.kind}:{warning['told']}"
    command = {"id": number, "command": "warn" if is_on else "clear", "parameters": given}
    if is_on:
        command["expiresAt"] = time.render(warning["told"] + SHOWN_S * S)
    return orjson.dumps(command)


def _concerns(change: Change) -> bool:
    state = change.after or change.before
    return state is not None and not {CROSSING, OBSERVED}.isdisjoint(state.types)


def _types(document: Document) -> list[str]:
    found = document["type"]
    return [found] if isinstance(found, str) else found


def _devices(attribute: Any) -> list[str]:
    """Return the names of the devices that a Relationship names."""
    instances = attribute if isinstance(attribute, list) else [attribute]
    found: list[str] = []
    for one in instances:
        if isinstance(one, dict):
            objects = one.get("object") or []
            found += [objects] if isinstance(objects, str) else objects
    return [id.removeprefix(PREFIX) for id in found if _is_device(id)][:MOST_SIGNS]


def _is_device(id: str) -> bool:
    try:
        return id.startswith(PREFIX) and bool(check_name(id.removeprefix(PREFIX)))
    except BadRequestData:
        return False

"""Watches for devices that fall silent: an Alert entity says so, and ends when they speak again.

An alarm is raised when a device has said nothing for three of its intervals (or as long as its
profile says), and no sooner than one interval after a start: while Madang was down, nobody could
be heard. Source of the words: Smart Data Models, Alert.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

import orjson
import structlog

from madang.hub.operations import Append, Delete, Operation, Upsert
from madang.model import normalize, time
from madang.model.context import CORE
from madang.model.errors import NgsiError, ResourceNotFound
from madang.query.tree import HasType, Query, Selector
from madang.sense.devices.device import Device

if TYPE_CHECKING:
    from madang.hub.tenant import Tenant
    from madang.sense.devices.registry import Devices

log = structlog.get_logger("madang.devices")

TYPE: Final = "Alert"
PREFIX: Final = "urn:ngsi-ld:Alert:deviceSilent:"
_SECOND = 1_000_000
_AT_ONCE = 200  # alarms in one go; a network that is gone silences thousands of devices
_LONGEST_SLEEP = 3600.0  # [s]
_RETRY = 5.0  # after alarms could not be written [s]


class Silence:
    """Knows when each device is due, and raises and ends the alarms of one tenant."""

    def __init__(self, tenant: Tenant, devices: Devices) -> None:
        self._tenant = tenant
        self._devices = devices
        self._heap: list[tuple[int, str]] = []
        self._due: dict[str, int] = {}
        """When each device is looked at next; other entries of the heap are outdated."""
        self._spoke: set[str] = set()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._started = 0

    async def start(self) -> None:
        """Find out when devices were last heard and which alarms are open; begin to watch."""
        self._started = self._tenant.clock.now()
        await self._last_heard()
        await self._open_alarms()
        self._task = asyncio.get_running_loop().create_task(self._run())
        for device in self._devices:
            self.watch(device)

    async def close(self) -> None:
        """End watching."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def watch(self, device: Device) -> None:
        """See to it that a device, new or changed, is looked at when it is due."""
        if self._task is None:
            return
        if device.silent and not self._is_awaited(device):
            self.spoke(device)
        due = self._due_at(device)
        if due is None:
            self._due.pop(device.name, None)
        elif due < self._due.get(device.name, due + 1):
            self._push(device.name, due)

    def spoke(self, device: Device) -> None:
        """Take note that a silent device has spoken, or is awaited no more: its alarm ends."""
        device.silent = False
        self._spoke.add(device.name)
        self._wake.set()

    async def forget(self, device: Device) -> None:
        """Remove the alarm of a device that is no more."""
        self._due.pop(device.name, None)
        if device.silent:
            device.silent = False
            await self._tenant.write([Delete(PREFIX + device.name)])

    def _push(self, name: str, due: int) -> None:
        self._due[name] = due
        heapq.heappush(self._heap, (due, name))
        if self._heap[0][1] == name:
            self._wake.set()

    def _is_awaited(self, device: Device) -> bool:
        return device.state == "active" and self._devices.silent_after(device) is not None

    def _due_at(self, device: Device) -> int | None:
        """Return when a device counts as silent if nothing comes. [us since 1970]"""
        after = self._devices.silent_after(device)
        if after is None or device.silent or not self._is_awaited(device):
            return None
        since = device.since if device.heard is None else device.heard
        grace = self._devices.interval(device) or after
        return max(since + int(after * _SECOND), self._started + int(grace * _SECOND))

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            spoke, self._spoke = self._spoke, set()
            silent = self._fallen_silent()
            try:
                await self._write(spoke, silent)
            except NgsiError as error:  # too busy or a full disk: once more, later
                log.error("silence.unwritten", tenant=self._tenant.name, error=str(error))
                self._spoke |= spoke
                retry = self._tenant.clock.now() + int(_RETRY * _SECOND)
                for device in silent:
                    device.silent = False
                    self._push(device.name, retry)
                await asyncio.sleep(_RETRY)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._pause()):
                    await self._wake.wait()

    def _pause(self) -> float:
        """Return how long nothing is due. [s]"""
        if not self._heap:
            return _LONGEST_SLEEP
        left = (self._heap[0][0] - self._tenant.clock.now()) / _SECOND
        return min(max(left, 0.001), _LONGEST_SLEEP)

    def _fallen_silent(self) -> list[Device]:
        """Take devices off the heap that are due and have not been heard since."""
        found: list[Device] = []
        now = self._tenant.clock.now()
        while self._heap and self._heap[0][0] <= now and len(found) < _AT_ONCE:
            at, name = heapq.heappop(self._heap)
            device = self._devices.find(name)
            if self._due.get(name) != at or device is None:
                continue
            del self._due[name]
            due = self._due_at(device)
            if due is None:
                continue
            if due > now:
                self._push(name, due)
                continue
            device.silent = True
            found.append(device)
        return found

    async def _write(self, spoke: Iterable[str], silent: Sequence[Device]) -> None:
        now = self._tenant.clock.now()
        operations: list[Operation] = [_ended(name, now) for name in spoke]
        operations += [self._alarm(device, now) for device in silent]
        if not operations:
            return
        for result in await self._tenant.write(operations):
            if isinstance(result, NgsiError) and not isinstance(result, ResourceNotFound):
                raise result
        for name in spoke:
            device = self._devices.find(name)
            if device is not None:
                self.watch(device)
                log.info("device.back", tenant=self._tenant.name, device=name)
        for device in silent:
            log.warning("device.silent", tenant=self._tenant.name, device=device.name)

    def _alarm(self, device: Device, now: int) -> Operation:
        """Return what raises the alarm of a device, in place of an earlier one."""
        after = self._devices.silent_after(device) or 0.0
        heard = "has never been heard"
        since = device.since if device.heard is None else device.heard
        if device.heard is not None:
            heard = f"was last heard at {time.render(device.heard // _SECOND * _SECOND)}"
        entity: dict[str, Any] = {
            "id": PREFIX + device.name,
            "type": TYPE,
            "category": _property("environment"),  # of those of the model, the least wrong
            "subCategory": _property("deviceSilent"),
            "severity": _property("medium"),
            "alertSource": {"type": "Relationship", "object": device.id},
            "description": _property(
                f"The device {device.name} {heard}; it is expected every {after:g} s at least."
            ),
            "dateIssued": _property(_date(now)),
            "validFrom": _property(_date(since)),
        }
        if device.location is not None:
            entity["location"] = {"type": "GeoProperty", "value": device.location}
        return Upsert(entity["id"], normalize.entity(entity, CORE))

    async def _last_heard(self) -> None:
        """Take the time of the last write to its entities as when each device was last heard."""
        owners: dict[str, Device] = {}
        types: set[str] = set()
        for device in self._devices:
            device.since = device.since or self._started
            profile = self._devices.profile(device.profile)
            if profile is not None:
                owners |= dict.fromkeys(profile.entity_ids(device.name), device)
                types.update(part.type for part in profile.parts)
        for kind in sorted(types):
            query = Query(selectors=(Selector(types=HasType(kind)),))
            async for rows in self._tenant.stream(query):
                for row in rows:
                    found = owners.get(row.id)
                    if found is not None:
                        found.heard = max(found.heard or 0, row.modified)
                await asyncio.sleep(0)

    async def _open_alarms(self) -> None:
        query = Query(selectors=(Selector(types=HasType(TYPE)),))
        async for rows in self._tenant.stream(query):
            for row in rows:
                device = self._devices.find(row.id.removeprefix(PREFIX))
                is_ours = row.id.startswith(PREFIX) and device is not None
                if is_ours and "validTo" not in orjson.loads(row.document):
                    assert device is not None
                    device.silent = True


def _ended(name: str, now: int) -> Operation:
    id = PREFIX + name
    content = normalize.entity(
        {"validTo": _property(_date(now))}, CORE, entity_id=id, fragment=True
    )
    return Append(id, content)


def _property(value: object) -> dict[str, Any]:
    return {"type": "Property", "value": value}


def _date(at: int) -> str:
    return time.render(at // 1000 * 1000)

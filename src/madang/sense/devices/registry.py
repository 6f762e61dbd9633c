"""The registry of one tenant: its devices and profiles, in memory, and kept as entities and items.

What is changed through NGSI-LD (a ``Device`` entity) is seen here a moment later. Whoever asks has
been allowed to: the API and the policies are before it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Any

import orjson
import structlog

from madang.hub.changes import FellBehind
from madang.hub.operations import Append, Create, Delete, DeleteAttribute, Operation
from madang.hub.tenant import Tenant
from madang.model import normalize
from madang.model.context import CORE
from madang.model.errors import AlreadyExists, Conflict, NgsiError, ResourceNotFound
from madang.query.tree import HasType, Query, Selector
from madang.sense.devices.controlled import controlled
from madang.sense.devices.device import PREFIX, TYPE, Device, from_document, id_of
from madang.sense.devices.form import read
from madang.sense.devices.profile import Profile
from madang.sense.devices.provision import Provisioning
from madang.sense.devices.shelf import Shelf
from madang.sense.devices.silent import Silence
from madang.store.protocol import Change

__all__ = ["Device", "Devices"]

Write = Callable[[Sequence[Operation]], Awaitable[Sequence[object]]]
"""Applies operations as somebody; returns a result for each."""

log = structlog.get_logger("madang.devices")
_OWN = frozenset(
    ["profile", "alias", "serialNumber", "owner", "location", "interval", "deviceState"]
)
"""Attributes of the entity that the index holds."""


class Devices:
    """All devices of one tenant. Everything runs on the event loop."""

    def __init__(self, tenant: Tenant) -> None:
        self._tenant = tenant
        self._devices: dict[str, Device] = {}
        self._aliases: dict[str, str] = {}
        self._order: list[str] | None = None
        """Names in their order, once somebody has asked."""
        self.shelf = Shelf(tenant, self._profile_changed)
        self._following: asyncio.Task[None] | None = None
        self.silence = Silence(tenant, self)
        self.provisioning = Provisioning(tenant)

    @classmethod
    async def open(cls, tenant: Tenant) -> Devices:
        """Take up what there is, and follow what changes."""
        devices = cls(tenant)
        await devices.shelf.start()
        await devices.provisioning.start()
        ready = asyncio.Event()
        devices._following = asyncio.get_running_loop().create_task(devices._follow(ready))
        await ready.wait()
        await devices.silence.start()
        return devices

    async def close(self) -> None:
        """End what runs."""
        await self.silence.close()
        if self._following is not None:
            self._following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._following

    # --- devices ------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._devices)

    def __iter__(self) -> Iterator[Device]:
        """Go through all devices in the order of their names."""
        if self._order is None:
            self._order = sorted(self._devices)
        return map(self._devices.__getitem__, self._order)

    def find(self, name: str) -> Device | None:
        """Return the device of a name, an alias or a serial number."""
        found = self._devices.get(name)
        if found is None:
            found = self._devices.get(self._aliases.get(name, ""))
        return found

    def named(self, name: str) -> Device:
        """Return the device of a name or alias.

        Raises:
            ResourceNotFound: there is none.
        """
        found = self.find(name)
        if found is None:
            raise ResourceNotFound(
                f"there is no device {name[:128]!r}; `madang device list` shows all"
            )
        return found

    def heard(self, device: Device, at: int) -> None:
        """Note that something of a device is durable. [us since 1970]"""
        device.is_introduced = True
        if device.heard is None or at > device.heard:
            device.heard = at
        if device.silent:
            self.silence.spoke(device)

    def silent_after(self, device: Device) -> float | None:
        """Return how long a device may say nothing; None: as long as it likes. [s]"""
        profile = self.profile(device.profile)
        if profile is not None and profile.silent_after_s is not None:
            return profile.silent_after_s
        interval = self.interval(device)
        return None if interval is None else 3.0 * interval

    def interval(self, device: Device) -> float | None:
        """Return how often a device reports, if anybody said. [s]"""
        if device.interval_s is not None:
            return device.interval_s
        profile = self.profile(device.profile)
        return None if profile is None else profile.interval_s

    async def add(
        self, name: str, attributes: dict[str, Any], write: Write | None = None
    ) -> Device:
        """Register a device.

        Args:
            name: its name.
            attributes: of its entity, normalized.
            write: writes as who asks for it; Madang itself if left out.

        Raises:
            AlreadyExists: there is one of that name.
            Conflict: another device has one of its aliases.
            BadRequestData: an attribute breaks the data model, or there is no such profile.
        """
        results = await self.add_all([(name, attributes)], write)
        if isinstance(results[0], NgsiError):
            raise results[0]
        return results[0]

    async def admit(self, principal: str, name: str) -> Device | None:
        """Register an unknown device that has just been heard, if who sent it may let it in.

        Args:
            principal: id of the sender, who needs a key that provisions.
            name: what the message calls the device.

        Returns:
            None: it is not let in; ``accept_unknown`` of the profile says whether that is so.
        """
        grant = self.provisioning.find(principal)
        profile = None if grant is None else self.profile(grant.profile)
        if grant is None or profile is None or not profile.accept_unknown or not grant.left:
            return None
        form = read({"serialNumber": name, "profile": grant.profile}, is_new=True)
        found = self.find(form.name)
        if found is None:
            await self.provisioning.use(grant)
            found = await self.add(form.name, form.attributes)
        return found

    async def add_all(
        self, wanted: Sequence[tuple[str, dict[str, Any]]], write: Write | None = None
    ) -> list[Device | NgsiError]:
        """Register devices in one go; return each, or why it was not."""
        found: list[Device | NgsiError] = []
        operations: list[Operation] = []
        places: list[int] = []
        for name, attributes in wanted:
            try:
                device, operation = self.check_new(name, dict(attributes))
            except NgsiError as error:
                found.append(error)
                continue
            self._put(device)  # so that the next of these cannot take its name
            places.append(len(found))
            operations.append(operation)
            found.append(device)
        try:
            results = await self._write(operations, write)
        except NgsiError:  # too busy: none of them is kept
            for place in places:
                self._drop(wanted[place][0])
            raise
        for place, result in zip(places, results, strict=True):
            if isinstance(result, NgsiError):
                device = found[place]  # type: ignore[assignment]
                self._drop(device.name)
                found[place] = result
        return found

    def check_new(self, name: str, attributes: dict[str, Any]) -> tuple[Device, Operation]:
        """Return a device that is to be registered, and what makes its entity.

        Raises:
            AlreadyExists, Conflict, BadRequestData: as with :meth:`add`.
        """
        id = id_of(name)
        raw = {"id": id, "type": TYPE, **attributes}
        profile = self.profile(raw.get("profile", {}).get("value", ""))
        if profile is not None:
            raw.setdefault("category", {"type": "Property", "value": ["sensor"]})
            measured = controlled(profile)
            if measured:
                raw.setdefault("controlledProperty", {"type": "Property", "value": measured})
        content = normalize.entity(raw, CORE)
        device = from_document(content.document)
        if name in self._devices:
            raise AlreadyExists(f"there is a device {name} already")
        self._check(device)
        return device, Create(id, content)

    async def change(
        self,
        name: str,
        attributes: dict[str, Any],
        removed: Sequence[str] = (),
        write: Write | None = None,
    ) -> Device:
        """Change attributes of a device, and remove some.

        Raises:
            ResourceNotFound, Conflict, BadRequestData: as with :meth:`add`.
        """
        device = self.named(name)
        document = dict(await self.document(device))
        document.update(attributes)
        for gone in removed:
            document.pop(gone, None)
        self._check(from_document(document))
        operations: list[Operation] = [
            DeleteAttribute(device.id, gone, None, True) for gone in removed
        ]
        if attributes:
            content = normalize.entity(dict(attributes), CORE, entity_id=device.id, fragment=True)
            operations.append(Append(device.id, content))
        for result in await self._write(operations, write):
            if isinstance(result, NgsiError) and not isinstance(result, ResourceNotFound):
                raise result
        self._put(from_document(await self.document(device)))
        return self.named(device.name)

    async def remove(self, name: str, write: Write | None = None) -> None:
        """Remove a device and its entity; what it measured stays.

        Raises:
            ResourceNotFound: there is none.
        """
        device = self.named(name)
        (result,) = await self._write([Delete(device.id)], write)
        if isinstance(result, NgsiError):
            raise result
        await self.silence.forget(device)
        self._drop(device.name)

    async def document(self, device: Device) -> dict[str, Any]:
        """Return the entity of a device as it is kept."""
        row = await self._tenant.get(device.id)
        if row is None:
            raise ResourceNotFound(f"the device {device.name} has just been removed")
        found: dict[str, Any] = orjson.loads(row.document)
        return found

    def _check(self, device: Device) -> None:
        """Raise if a device cannot be in the registry as it is."""
        if device.profile:
            self.shelf.named(device.profile)
        for alias in device.aliases:
            other = self.find(alias)
            if other is not None and other.name != device.name:
                raise Conflict(f"{alias[:64]!r} names the device {other.name} already")

    async def _write(
        self, operations: Sequence[Operation], write: Write | None
    ) -> Sequence[object]:
        if not operations:
            return []
        return await (write or self._tenant.write)(operations)

    # --- profiles -----------------------------------------------------------------------------

    def profile(self, name: str) -> Profile | None:
        """Return the profile of a name."""
        return self.shelf.get(name)

    def using(self, profile: str) -> list[Device]:
        """Return the devices of a profile."""
        return [device for device in self if device.profile == profile]

    def _profile_changed(self, name: str) -> None:
        for device in self.using(name):
            device.is_introduced = False
            self.silence.watch(device)

    # --- keeping up ---------------------------------------------------------------------------

    async def _follow(self, ready: asyncio.Event) -> None:
        """Read all devices, then see every change; once more if that was too slow."""
        while True:
            changes = self._tenant.follow(_concerns, [TYPE])
            first = asyncio.ensure_future(anext(changes, None))
            await asyncio.sleep(0)  # it follows from here on, so nothing is missed
            await self._read()
            ready.set()
            try:
                while (change := await first) is not None:
                    self._take(change)
                    first = asyncio.ensure_future(anext(changes, None))
                return
            except FellBehind:
                log.warning("devices.reread", tenant=self._tenant.name)
            finally:
                first.cancel()

    async def _read(self) -> None:
        found: set[str] = set()
        query = Query(selectors=(Selector(types=HasType(TYPE)),))
        async for rows in self._tenant.stream(query):
            for row in rows:
                device = from_document(orjson.loads(row.document))
                if row.id.startswith(PREFIX):
                    self._put(device)
                    found.add(device.name)
            await asyncio.sleep(0)
        for name in self._devices.keys() - found:
            self._drop(name)

    def _take(self, change: Change) -> None:
        state = change.after
        if state is None or TYPE not in state.types:
            self._drop(change.id.removeprefix(PREFIX))
        else:
            self._put(from_document(state.document))

    def _put(self, device: Device) -> None:
        before = self._devices.get(device.name)
        if before is not None:
            if _same(before, device):
                return
            device.heard, device.since, device.silent = before.heard, before.since, before.silent
            self._forget_aliases(before)
        else:
            self._order = None
            device.since = self._tenant.clock.now()
        self._devices[device.name] = device
        for alias in device.aliases:
            self._aliases.setdefault(alias, device.name)
        self.silence.watch(device)

    def _drop(self, name: str) -> None:
        device = self._devices.pop(name, None)
        if device is not None:
            self._order = None
            self._forget_aliases(device)
            if device.silent:
                self.silence.spoke(device)

    def _forget_aliases(self, device: Device) -> None:
        for alias in device.aliases:
            if self._aliases.get(alias) == device.name:
                del self._aliases[alias]


def _concerns(change: Change) -> bool:
    """Return whether a change is one to what the index holds of a device."""
    if not change.id.startswith(PREFIX):
        return False
    if change.kind != "updated":
        return True
    return not (_OWN.isdisjoint(change.attributes) and _OWN.isdisjoint(change.deleted))


def _same(one: Device, other: Device) -> bool:
    return all(
        getattr(one, name) == getattr(other, name)
        for name in ("profile", "aliases", "owner", "location", "interval_s", "state")
    )

"""The registry of one tenant: its devices and profiles, in memory, and kept as entities and items.

What is changed through NGSI-LD (a ``Device`` entity) is seen here a moment later. Whoever asks has
been allowed to: the API and the policies are before it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
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
from madang.sense.devices import profile as profiles
from madang.sense.devices.device import PREFIX, TYPE, Device, from_document, id_of
from madang.sense.devices.profile import Profile, ProfileError
from madang.sense.devices.silent import Silence
from madang.store.protocol import Change

__all__ = ["Device", "Devices"]

log = structlog.get_logger("madang.devices")

MOST_PROFILES = 2_000
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
        self._profiles: dict[str, Profile] = {}
        self._texts: dict[str, str] = {}
        self._shipped: frozenset[str] = frozenset()
        self._following: asyncio.Task[None] | None = None
        self.silence = Silence(tenant, self)

    @classmethod
    async def open(cls, tenant: Tenant) -> Devices:
        """Take up what there is, and follow what changes."""
        devices = cls(tenant)
        await devices._read_profiles()
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
        return iter(self._devices.values())

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
        profile = self._profiles.get(device.profile)
        if profile is not None and profile.silent_after_s is not None:
            return profile.silent_after_s
        interval = self.interval(device)
        return None if interval is None else 3.0 * interval

    def interval(self, device: Device) -> float | None:
        """Return how often a device reports, if anybody said. [s]"""
        if device.interval_s is not None:
            return device.interval_s
        profile = self._profiles.get(device.profile)
        return None if profile is None else profile.interval_s

    async def add(self, name: str, attributes: dict[str, Any]) -> Device:
        """Register a device.

        Args:
            name: its name.
            attributes: of its entity, normalized.

        Raises:
            AlreadyExists: there is one of that name.
            Conflict: another device has one of its aliases.
            BadRequestData: an attribute breaks the data model, or there is no such profile.
        """
        results = await self.add_all([(name, attributes)])
        if isinstance(results[0], NgsiError):
            raise results[0]
        return results[0]

    async def add_all(
        self, wanted: Sequence[tuple[str, dict[str, Any]]]
    ) -> list[Device | NgsiError]:
        """Register devices in one go; return each, or why it was not."""
        found: list[Device | NgsiError] = []
        operations: list[Operation] = []
        places: list[int] = []
        for name, attributes in wanted:
            try:
                device, operation = self._new(name, attributes)
            except NgsiError as error:
                found.append(error)
                continue
            self._put(device)  # so that the next of these cannot take its name
            places.append(len(found))
            operations.append(operation)
            found.append(device)
        for place, result in zip(places, await self._write(operations), strict=True):
            if isinstance(result, NgsiError):
                device = found[place]  # type: ignore[assignment]
                self._drop(device.name)
                found[place] = result
        return found

    def _new(self, name: str, attributes: dict[str, Any]) -> tuple[Device, Operation]:
        id = id_of(name)
        content = normalize.entity({"id": id, "type": TYPE, **attributes}, CORE)
        device = from_document(content.document)
        if name in self._devices:
            raise AlreadyExists(f"there is a device {name} already")
        self._check(device)
        return device, Create(id, content)

    async def change(
        self, name: str, attributes: dict[str, Any], removed: Sequence[str] = ()
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
        for result in await self._write(operations):
            if isinstance(result, NgsiError) and not isinstance(result, ResourceNotFound):
                raise result
        self._put(from_document(await self.document(device)))
        return self.named(device.name)

    async def remove(self, name: str) -> None:
        """Remove a device and its entity; what it measured stays.

        Raises:
            ResourceNotFound: there is none.
        """
        device = self.named(name)
        result = (await self._write([Delete(device.id)]))[0]
        self._drop(device.name)
        await self.silence.forget(device)
        if isinstance(result, NgsiError):
            raise result

    async def document(self, device: Device) -> dict[str, Any]:
        """Return the entity of a device as it is kept."""
        row = await self._tenant.get(device.id)
        if row is None:
            raise ResourceNotFound(f"the device {device.name} has just been removed")
        found: dict[str, Any] = orjson.loads(row.document)
        return found

    def _check(self, device: Device) -> None:
        """Raise if a device cannot be in the registry as it is."""
        if device.profile and device.profile not in self._profiles:
            raise ResourceNotFound(
                f"there is no profile {device.profile[:64]!r}; `madang device profile list` shows"
                " all"
            )
        for alias in device.aliases:
            other = self.find(alias)
            if other is not None and other.name != device.name:
                raise Conflict(f"{alias[:64]!r} names the device {other.name} already")

    async def _write(self, operations: Sequence[Operation]) -> Sequence[object]:
        return await self._tenant.write(operations) if operations else []

    # --- profiles -----------------------------------------------------------------------------

    def profile(self, name: str) -> Profile | None:
        """Return the profile of a name."""
        return self._profiles.get(name)

    @property
    def profiles(self) -> dict[str, Profile]:
        """All profiles, the city's own and those that come with Madang."""
        return dict(sorted(self._profiles.items()))

    def profile_text(self, name: str) -> str:
        """Return a profile as it was written.

        Raises:
            ResourceNotFound: there is none.
        """
        if name not in self._texts:
            raise ResourceNotFound(
                f"there is no profile {name[:64]!r}; `madang device profile list` shows all"
            )
        return self._texts[name]

    def is_shipped(self, name: str) -> bool:
        """Return whether a profile is the one that comes with Madang."""
        return name in self._shipped

    async def put_profile(self, name: str, text: str) -> Profile:
        """Keep a profile of the city; one that comes with Madang is covered by it.

        Raises:
            ProfileError: something in it is wrong.
            Conflict: there are as many as one tenant can have.
        """
        found = profiles.parse(text, name)
        if name not in self._profiles and len(self._profiles) >= MOST_PROFILES:
            raise Conflict(f"there are {MOST_PROFILES:,} profiles already; remove one first")
        await self._tenant.writer.keep("profile", name, text.encode())
        self._use(name, text, found)
        self._shipped -= {name}
        return found

    async def remove_profile(self, name: str) -> None:
        """Remove a profile of the city; one of Madang's that it covered is back.

        Raises:
            ResourceNotFound: there is none.
            Conflict: it comes with Madang, or devices use it.
        """
        self.profile_text(name)
        if self.is_shipped(name):
            raise Conflict(f"the profile {name} comes with Madang and cannot be removed")
        own = profiles.shipped().get(name)
        users = [device.name for device in self if device.profile == name]
        if users and own is None:
            raise Conflict(
                f"{len(users)} devices use the profile {name}, such as {users[0]}; give them"
                " another first"
            )
        await self._tenant.writer.keep("profile", name, None)
        if own is not None:
            self._use(name, own, profiles.parse(own, name))
            self._shipped |= {name}
        else:
            del self._profiles[name], self._texts[name]

    def _use(self, name: str, text: str, profile: Profile) -> None:
        self._profiles[name] = profile
        self._texts[name] = text
        for device in self:
            if device.profile == name:
                device.is_introduced = False
                self.silence.watch(device)

    async def _read_profiles(self) -> None:
        shipped = profiles.shipped()
        self._shipped = frozenset(shipped)
        for name, text in shipped.items():
            self._use(name, text, profiles.parse(text, name))
        for name, body in await self._tenant.store.items("profile"):
            try:
                self._use(name, body.decode(), profiles.parse(body.decode(), name))
                self._shipped -= {name}
            except ProfileError as error:  # an older Madang allowed it
                log.error("profile.unusable", tenant=self._tenant.name, error=str(error))

    # --- keeping up ---------------------------------------------------------------------------

    async def _follow(self, ready: asyncio.Event) -> None:
        """Read all devices, then see every change; once more if that was too slow."""
        while True:
            changes = self._tenant.follow(_concerns)
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
            device.since = self._tenant.clock.now()
        self._devices[device.name] = device
        for alias in device.aliases:
            self._aliases.setdefault(alias, device.name)
        self.silence.watch(device)

    def _drop(self, name: str) -> None:
        device = self._devices.pop(name, None)
        if device is not None:
            self._forget_aliases(device)

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

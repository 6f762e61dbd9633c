"""Keys of devices: each device has one, which names its entities as its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from madang.model.errors import Conflict, ResourceNotFound
from madang.sense.devices.device import TYPE, Device
from madang.trust.keys import OVERLAP_S

if TYPE_CHECKING:
    from madang.sense.devices.profile import Profile
    from madang.sense.devices.registry import Devices
    from madang.trust.keys import Key, Keys

_GATEWAY: Final = "app"


class Keyring:
    """Makes and ends the keys of the devices of one tenant."""

    def __init__(self, keys: Keys, tenant: str, devices: Devices) -> None:
        self._keys = keys
        self._tenant = tenant
        self._devices = devices

    def of(self, device: Device) -> Key | None:
        """Return the key of a device; None: it has none."""
        for key in self._keys.owning(device.id):
            if key.kind == "device" and self._tenant in key.tenants:
                return key
        return None

    async def make(self, device: Device, by: str) -> str:
        """Make the key of a device; return the credential, which cannot be had again.

        Raises:
            Conflict: it has one; it can be rotated.
        """
        if self.of(device) is not None:
            raise Conflict(f"the device {device.name} has a key; rotate it to get another secret")
        _, credential = await self._keys.create(
            "device", device.name, by=by, tenants=[self._tenant], entities=self._own(device)
        )
        return credential

    async def rotate(self, device: Device, by: str, overlap_s: int = OVERLAP_S) -> str:
        """Return a new secret of the key of a device, which is made if there is none.

        Args:
            overlap_s: how long the secret before still works. [s]
        """
        key = self.of(device)
        if key is None:
            return await self.make(device, by)
        await self.fit(device, by)
        return await self._keys.rotate(key, by, overlap_s)

    async def fit(self, device: Device, by: str) -> None:
        """Let the key of a device name the entities that its profile makes it write."""
        key = self.of(device)
        if key is not None and key.entities != frozenset(self._own(device)):
            await self._keys.give(key, by, self._own(device))

    async def fit_all(self, devices: Sequence[Device], by: str) -> None:
        """Let the keys of many devices name the entities that their profile makes them write."""
        wanted = {device.id: device for device in devices}
        for key in list(self._keys):
            if key.kind != "device" or self._tenant not in key.tenants or key.revoked:
                continue
            for id in key.entities & wanted.keys():
                own = self._own(wanted[id])
                if key.entities != frozenset(own):
                    await self._keys.give(key, by, own)

    async def revoke(self, device: Device, by: str) -> None:
        """End the key of a device at once.

        Raises:
            ResourceNotFound: it has none.
        """
        key = self.of(device)
        if key is None:
            raise ResourceNotFound(f"the device {device.name} has no key")
        await self._keys.revoke(key, by)

    async def provisioning(self, name: str, profile: Profile, by: str) -> tuple[Key, str]:
        """Make a key that lets devices register; return it and its credential.

        Where first messages are enough, it may write the types of the profile, for it is what such
        devices go on sending with. Otherwise it can do nothing but register.
        """
        types = {part.type for part in profile.parts}
        if any(one.target for part in profile.parts for one in part.attributes.values()):
            types.add(TYPE)  # else it must not: whoever writes that type can change any device
        accepts = profile.accept_unknown
        return await self._keys.create(
            _GATEWAY if accepts else "device",
            name,
            by=by,
            tenants=[self._tenant],
            writes=sorted(types) if accepts else (),
        )

    def _own(self, device: Device) -> list[str]:
        profile = self._devices.profile(device.profile)
        return [device.id, *(() if profile is None else profile.entity_ids(device.name))]

"""Profiles and devices that a centre gives to a node: added, or made to be as it says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from madang.model.errors import NgsiError
from madang.sense.devices.keyring import Keyring
from madang.trust.principal import LOCAL

if TYPE_CHECKING:
    from madang.sense.devices.form import Form
    from madang.sense.devices.registry import Devices
    from madang.sense.edge.configuration import Handed
    from madang.trust.keys import Keys


class Parts:
    """What a node is given besides rules. What is no longer given stays; people remove it.

    Args:
        tenant: name of the tenant that gets it.
        devices: its registry.
        keys: all keys of the node; those of devices follow what their profile makes them write.
    """

    def __init__(self, tenant: str, devices: Devices, keys: Keys) -> None:
        self._devices = devices
        self._keyring = Keyring(keys, tenant, devices)

    async def apply(self, handed: Handed) -> list[str]:
        """Take over what differs from what there is; return why something could not be."""
        problems: list[str] = []
        for name, text in handed.profiles.items():
            try:
                await self._profile(name, text)
            except NgsiError as error:
                problems.append(f"profile {name}: {error}")
        for device in handed.configuration.devices:
            try:
                await self._device(device.form())
            except NgsiError as error:
                problems.append(f"device {device.name}: {error}")
        return problems

    async def _profile(self, name: str, text: str) -> None:
        shelf = self._devices.shelf
        before = shelf.get(name)
        if before is not None and shelf.text(name) == text:
            return
        after = await shelf.put(name, text)
        if before is not None and before.entity_ids("x") != after.entity_ids("x"):
            await self._keyring.fit_all(self._devices.using(name), LOCAL.id)

    async def _device(self, form: Form) -> None:
        found = self._devices.find(form.name)
        if found is None or found.name != form.name:
            await self._devices.add(form.name, form.attributes)
            return
        document = await self._devices.document(found)
        changed = {
            member: attribute
            for member, attribute in form.attributes.items()
            if _value(document.get(member)) != _value(attribute)
        }
        if changed:
            device = await self._devices.change(form.name, changed)
            await self._keyring.fit(device, LOCAL.id)


def _value(attribute: Any) -> Any:
    return attribute.get("value") if isinstance(attribute, dict) else None

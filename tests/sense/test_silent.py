"""Silent devices: an alarm within their interval, closed when they speak, also over a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import orjson
import pytest

from madang.hub.operations import Delete, Observe
from madang.hub.tenant import Tenant
from madang.model.context import CORE
from madang.model.errors import Overloaded
from madang.model.normalize import entity as normalized
from madang.sense.devices.registry import Devices
from madang.sense.devices.silent import PREFIX
from tests.sense.device_city import a_tenant, prop, registry

QUICK = 'type = "Noise"\ninterval_s = 0.1\nsilent_after_s = 0.2\n[attributes]\na = {}\n'


async def alarm(tenant: Tenant, name: str) -> dict[str, Any] | None:
    row = await tenant.get(PREFIX + name)
    return None if row is None else orjson.loads(row.document)


async def raised(tenant: Tenant, name: str = "d1") -> dict[str, Any]:
    """Wait for the open alarm of a device."""
    for _ in range(300):
        found = await alarm(tenant, name)
        if found is not None and "validTo" not in found:
            return found
        await asyncio.sleep(0.01)
    raise AssertionError("no alarm was raised")


async def ended(tenant: Tenant, name: str = "d1") -> dict[str, Any]:
    for _ in range(300):
        found = await alarm(tenant, name)
        if found is not None and "validTo" in found:
            return found
        await asyncio.sleep(0.01)
    raise AssertionError("the alarm was not ended")


async def add(devices: Devices, name: str = "d1", **given: object) -> None:
    await devices.shelf.put("quick", QUICK)
    attributes = {"profile": prop("quick")} | {key: prop(value) for key, value in given.items()}
    await devices.add(name, attributes)


async def test_a_silent_device_raises_an_alarm_that_ends_when_it_speaks(tmp_path: Path) -> None:
    async with a_tenant(tmp_path) as tenant, registry(tenant) as devices:
        await add(devices)
        device = devices.named("d1")
        devices.heard(device, tenant.clock.now())
        found = await raised(tenant)
        assert device.silent
        assert found["alertSource"] == {"type": "Relationship", "object": device.id}
        assert found["subCategory"]["value"] == "deviceSilent"
        assert found["category"]["value"] == "environment"
        assert "was last heard at" in found["description"]["value"]
        devices.heard(device, tenant.clock.now())
        await ended(tenant)
        assert not device.silent
        await raised(tenant)


async def test_a_device_that_was_never_heard_is_silent_too(tmp_path: Path) -> None:
    async with a_tenant(tmp_path) as tenant, registry(tenant) as devices:
        await add(devices)
        assert "has never been heard" in (await raised(tenant))["description"]["value"]


async def test_a_device_that_speaks_raises_none(tmp_path: Path) -> None:
    async with a_tenant(tmp_path) as tenant, registry(tenant) as devices:
        await devices.shelf.put("slow", QUICK.replace("0.2", "2"))
        await devices.add("d1", {"profile": prop("slow")})
        for _ in range(30):
            devices.heard(devices.named("d1"), tenant.clock.now())
            await asyncio.sleep(0.01)
        assert await alarm(tenant, "d1") is None


@pytest.mark.parametrize("state", ["planned", "maintenance", "retired"])
async def test_only_active_devices_are_waited_for(tmp_path: Path, state: str) -> None:
    async with a_tenant(tmp_path) as tenant, registry(tenant) as devices:
        await add(devices, deviceState=state)
        await add(devices, "d2")
        await raised(tenant, "d2")
        assert await alarm(tenant, "d1") is None
        await devices.change("d1", {"deviceState": prop("active")})
        await raised(tenant)


async def test_an_alarm_lasts_over_a_restart_and_is_not_raised_twice(tmp_path: Path) -> None:
    async with a_tenant(tmp_path) as tenant:
        async with registry(tenant) as devices:
            await add(devices)
            before = await raised(tenant)
        async with registry(tenant) as devices:
            assert devices.named("d1").silent
            await asyncio.sleep(0.5)
            assert await alarm(tenant, "d1") == before
            devices.heard(devices.named("d1"), tenant.clock.now())
            await ended(tenant)


async def test_when_devices_were_last_heard_is_known_after_a_restart(tmp_path: Path) -> None:
    async with a_tenant(tmp_path) as tenant:
        async with registry(tenant) as devices:
            await add(devices)
            raw = {"id": "urn:ngsi-ld:Noise:d1", "type": "Noise", "a": prop(1)}
            await tenant.write([Observe(raw["id"], normalized(dict(raw), CORE))])  # type: ignore[arg-type]
        async with registry(tenant) as devices:
            heard = devices.named("d1").heard
            assert heard is not None
            assert tenant.clock.now() - heard < 60_000_000


async def test_the_alarm_of_a_removed_device_goes_with_it(tmp_path: Path) -> None:
    async with a_tenant(tmp_path) as tenant, registry(tenant) as devices:
        await add(devices)
        await raised(tenant)
        await devices.remove("d1")
        assert await alarm(tenant, "d1") is None


async def test_an_alarm_that_cannot_be_written_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("madang.sense.devices.silent._RETRY", 0.05)
    async with a_tenant(tmp_path) as tenant, registry(tenant) as devices:
        await add(devices)
        write, fails = tenant.write, [True, True]

        async def failing(operations: Any) -> Any:
            if fails:
                fails.pop()
                raise Overloaded("full")
            return await write(operations)

        monkeypatch.setattr(tenant, "write", failing)
        await raised(tenant)
        assert not fails


async def test_an_alarm_ends_when_nobody_waits_for_the_device_any_more(tmp_path: Path) -> None:
    async with a_tenant(tmp_path) as tenant, registry(tenant) as devices:
        await add(devices)
        await add(devices, "d2")
        await raised(tenant)
        await raised(tenant, "d2")
        await devices.change("d1", {"deviceState": prop("maintenance")})
        await ended(tenant)
        await tenant.write([Delete("urn:ngsi-ld:Device:d2")])
        await ended(tenant, "d2")

"""The registry: devices are found by every name, kept over a restart, and seen through NGSI-LD."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from madang.hub.operations import Create, Delete
from madang.model.context import CORE
from madang.model.errors import (
    AlreadyExists,
    BadRequestData,
    Conflict,
    Overloaded,
    ResourceNotFound,
)
from madang.model.normalize import entity as normalized
from madang.sense.devices import registry as registries
from madang.sense.devices.form import read, written
from madang.sense.devices.registry import Devices
from tests.sense.device_city import a_tenant, prop, registry

MINE = 'type = "WeatherObserved"\n[attributes]\ntemperature = { unit = "CEL" }\n'


async def add(devices: Devices, **members: object) -> None:
    form = read(members, is_new=True)
    await devices.add(form.name, form.attributes)


async def soon(condition: object) -> None:
    """Wait until something is so."""
    assert callable(condition)
    for _ in range(200):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to be so")


async def test_a_device_is_found_by_name_alias_and_serial_number_also_after_a_restart(
    tmp_path: Path,
) -> None:
    async with a_tenant(tmp_path) as tenant:
        async with registry(tenant) as devices:
            await add(
                devices, device="d1", serialNumber="S 1", alias=["eui", "urn:x"],
                profile="open-air-station", owner="Seoul", longitude=127, latitude=37.5,
                interval=30, deviceState="maintenance",
            )  # fmt: skip
        async with registry(tenant) as devices:
            device = devices.find("d1")
            assert device is not None
            assert all(devices.find(name) is device for name in ("S 1", "eui", "urn:x"))
            assert devices.find("x") is None
            assert (device.owner, device.profile) == ("Seoul", "open-air-station")
            assert device.location == {"type": "Point", "coordinates": [127.0, 37.5]}
            assert devices.interval(device) == 30
            assert devices.silent_after(device) == 90
            assert device.state == "maintenance"
            assert device.speaks


async def test_names_and_aliases_are_given_once(tmp_path: Path) -> None:
    async with a_tenant(tmp_path) as tenant, registry(tenant) as devices:
        await add(devices, device="d1", alias="a")
        with pytest.raises(AlreadyExists, match="there is a device d1 already"):
            await add(devices, device="d1")
        with pytest.raises(Conflict, match="'a' names the device d1 already"):
            await add(devices, device="d2", alias=["b", "a"])
        with pytest.raises(Conflict, match="'d1' names the device d1"):
            await add(devices, device="d3", serialNumber="d1")
        assert len(devices) == 1
        assert devices.find("b") is None


async def test_a_device_needs_a_profile_that_exists(tmp_path: Path) -> None:
    async with a_tenant(tmp_path) as tenant, registry(tenant) as devices:
        with pytest.raises(ResourceNotFound, match="no profile 'nothing'"):
            await add(devices, device="d1", profile="nothing")


async def test_what_is_changed_through_ngsi_ld_is_seen(tmp_path: Path) -> None:
    async with a_tenant(tmp_path) as tenant, registry(tenant) as devices:
        id = "urn:ngsi-ld:Device:n1"
        raw = {"id": id, "type": "Device", "alias": prop(["x", "y"]), "owner": prop(["A"])}
        await tenant.write([Create(id, normalized(raw, CORE))])
        await soon(lambda: devices.find("y") is not None)
        await devices.change("n1", {"alias": prop(["z"])}, ["owner"])
        device = devices.find("z")
        assert device is not None
        assert devices.find("y") is None
        assert device.owner == ""
        await tenant.write([Delete(id)])
        await soon(lambda: devices.find("n1") is None and devices.find("z") is None)


async def test_a_registry_that_fell_behind_reads_all_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("madang.hub.changes.BEHIND", 5)
    async with a_tenant(tmp_path) as tenant, registry(tenant) as devices:
        raws = [{"id": f"urn:ngsi-ld:Device:m{n}", "type": "Device"} for n in range(50)]
        await tenant.write([Create(raw["id"], normalized(dict(raw), CORE)) for raw in raws])
        await soon(lambda: len(devices) == 50)
        await tenant.write([Delete("urn:ngsi-ld:Device:m7")])
        await soon(lambda: devices.find("m7") is None)


async def test_a_change_says_the_same_as_reading_the_device(tmp_path: Path) -> None:
    async with a_tenant(tmp_path) as tenant, registry(tenant) as devices:
        members = {
            "device": "d1", "profile": "open-noise-meter", "name": "Noise at the gate",
            "alias": ["a", "b"], "interval": 60.0, "dateInstalled": "2026-01-31T00:00:00Z",
            "refDeviceModel": "urn:ngsi-ld:DeviceModel:m", "longitude": 1.5, "latitude": 2.5,
            "deviceState": "planned", "category": ["sensor"],
            "controlledProperty": ["noiseLevel"],
        }  # fmt: skip
        told = {"category", "controlledProperty"}
        await add(devices, **{name: value for name, value in members.items() if name not in told})
        assert written(await devices.document(devices.named("d1"))) == members


async def test_devices_of_one_table_cannot_take_each_others_names(tmp_path: Path) -> None:
    async with a_tenant(tmp_path) as tenant, registry(tenant) as devices:
        forms = [read({"device": name, "alias": "a"}, is_new=True) for name in ("d1", "d2", "d1")]
        made = await devices.add_all([(form.name, form.attributes) for form in forms])
        assert [type(one).__name__ for one in made] == ["Device", "Conflict", "AlreadyExists"]


async def test_a_removed_device_is_gone_with_its_names(tmp_path: Path) -> None:
    async with a_tenant(tmp_path) as tenant, registry(tenant) as devices:
        await add(devices, device="d1", alias="a")
        await devices.remove("a")
        assert devices.find("d1") is None
        assert devices.find("a") is None
        with pytest.raises(ResourceNotFound, match="no device 'd1'"):
            await devices.remove("d1")
        await add(devices, device="d1")


async def test_profiles_of_the_city_are_kept_and_cover_those_of_madang(tmp_path: Path) -> None:
    async with a_tenant(tmp_path) as tenant:
        async with registry(tenant) as devices:
            assert devices.shelf.is_shipped("open-air-station")
            await devices.shelf.put("open-air-station", MINE)
            await devices.shelf.put("mine", MINE)
        async with registry(tenant) as devices:
            profile = devices.profile("open-air-station")
            assert profile is not None
            assert profile.type == "WeatherObserved"
            assert not devices.shelf.is_shipped("open-air-station")
            await add(devices, device="d1", profile="mine")
            with pytest.raises(Conflict, match="1 devices use the profile mine"):
                await devices.shelf.remove("mine", len(devices.using("mine")))
            await devices.shelf.remove("open-air-station", 0)
            profile = devices.profile("open-air-station")
            assert profile is not None
            assert profile.type == "AirQualityObserved"
            with pytest.raises(Conflict, match="comes with Madang"):
                await devices.shelf.remove("open-air-station", 0)
            with pytest.raises(BadRequestData, match="cannot be called"):
                await devices.shelf.put("My Profile", MINE)


async def test_a_key_lets_in_as_many_unknown_devices_as_it_may(tmp_path: Path) -> None:
    async with a_tenant(tmp_path) as tenant:
        async with registry(tenant) as devices:
            await devices.shelf.put("mine", f"accept_unknown = true\n{MINE}")
            await devices.provisioning.grant("app:k", "mine", 2)
            await devices.provisioning.grant("app:closed", "open-air-station", 2)
            assert await devices.admit("app:other", "n1") is None
            assert await devices.admit("app:closed", "n1") is None
            made = await devices.admit("app:k", "SN 1/a")
            assert made is not None
            assert (made.name, made.profile, made.aliases) == ("SN-1-a", "mine", ("SN 1/a",))
            assert await devices.admit("app:k", "SN 1/a") is devices.find("SN-1-a")
        async with registry(tenant) as devices:
            grant = devices.provisioning.find("app:k")
            assert grant is not None
            assert grant.left == 1
            assert await devices.admit("app:k", "n2") is not None
            assert await devices.admit("app:k", "n3") is None


async def test_devices_that_could_not_be_written_are_not_in_the_registry(tmp_path: Path) -> None:
    async with a_tenant(tmp_path) as tenant, registry(tenant) as devices:

        async def busy(_: object) -> list[object]:
            raise Overloaded("too many writes are waiting")

        with pytest.raises(Overloaded):
            await devices.add_all([("d1", {}), ("d2", {})], busy)
        assert (len(devices), devices.find("d1")) == (0, None)
        await devices.add("d1", {})


@pytest.mark.slow
async def test_fifty_thousand_devices_are_all_taken_up_again(tmp_path: Path) -> None:
    async with a_tenant(tmp_path) as tenant:
        async with registry(tenant) as devices:
            for start in range(0, 50_000, 1000):
                wanted = [
                    (f"d{n}", {"serialNumber": prop(f"S{n}"), "profile": prop("open-air-station")})
                    for n in range(start, start + 1000)
                ]
                await devices.add_all(wanted)
        async with registry(tenant) as devices:
            assert len(devices) == 50_000
            assert devices.find("S49999") is not None
        assert registries.Devices is Devices

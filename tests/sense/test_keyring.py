"""Keys of devices: what each may write."""

from __future__ import annotations

from pathlib import Path

import pytest

from madang.sense.devices.device import TYPE
from madang.sense.devices.keyring import Keyring
from tests.sense.small_town import town

PROFILE = 'type = "WeatherObserved"\naccept_unknown = {}\n[attributes]\ntemperature = {}\n{}'


@pytest.mark.parametrize(
    ("accepts", "more", "writes"),
    [
        ("true", "", {"WeatherObserved"}),
        ("true", 'batteryLevel = { target = "device" }\n', {"WeatherObserved", TYPE}),
        ("false", "", set()),
    ],
)
async def test_a_key_for_a_delivery_cannot_change_every_device(
    tmp_path: Path, accepts: str, more: str, writes: set[str]
) -> None:
    async with town(tmp_path) as city:
        devices = (await city.sense.station("")).devices
        text = PROFILE.format(accepts, '{ unit = "CEL" }', more)
        await devices.shelf.put("mine", text)
        keyring = Keyring(city.trust.identities.keys, "", devices)
        key, _ = await keyring.provisioning("delivery", devices.shelf.named("mine"), "person:o")
        assert {name.rpartition("/")[2] for name in key.writes} == writes

"""Where a device says it is, is compared with where it was put up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from madang.app import City
from tests.sense.small_town import NOW, message, town

ENTITY = "urn:ngsi-ld:AirQualityObserved:d1"
PROFILE = """
title = "Air station with GPS"
type = "AirQualityObserved"
location = { longitude = "lon", latitude = "lat", quality = { moved_m = 200 } }

[attributes]
pm10 = { }
"""
HOME = (126.9780, 37.5665)
ELSEWHERE = (126.9900, 37.5665)  # a kilometre to the east
MINUTE = 60_000_000


def at(place: tuple[float, float]) -> dict[str, Any]:
    point = {"type": "Point", "coordinates": list(place)}
    return {"location": {"type": "GeoProperty", "value": point}}


async def says(city: City, place: tuple[float, float], minute: int) -> tuple[str, list[str]]:
    """Let the device say where it is; return what its location is flagged with."""
    now = NOW + minute * MINUTE
    body = {"values": {"pm10": 12, "lon": place[0], "lat": place[1]}}
    done = await city.sense.intake.take(message(body, "json", "d1", received=now))
    assert done.letter is None, done.detail
    row = await (await city.hub.tenant("", create=False)).get(ENTITY)
    assert row is not None
    location = orjson.loads(row.document)["location"]
    return location["quality"]["value"], location.get("qualityReason", {"value": []})["value"]


async def test_a_device_away_from_its_place_is_flagged_until_that_is_registered_anew(
    tmp_path: Path,
) -> None:
    async with town(tmp_path) as city:
        devices = (await city.sense.station("")).devices
        await devices.shelf.put("gps", PROFILE)
        profile = {"profile": {"type": "Property", "value": "gps"}}
        await devices.add("d1", profile | at(HOME))
        assert await says(city, HOME, 1) == ("good", [])
        assert await says(city, ELSEWHERE, 2) == ("suspect", ["placeMoved"])
    async with town(tmp_path) as city:  # nor is it at home because of a restart
        devices = (await city.sense.station("")).devices
        assert await says(city, ELSEWHERE, 3) == ("suspect", ["placeMoved"])
        await devices.change("d1", at(ELSEWHERE), [])
        assert await says(city, ELSEWHERE, 4) == ("good", [])
        assert await says(city, HOME, 5) == ("suspect", ["placeMoved"])

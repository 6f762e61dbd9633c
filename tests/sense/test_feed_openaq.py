from __future__ import annotations

from pathlib import Path
from typing import Any

from aiohttp import web

from tests.sense.publisher import HEAD, publishing, read

TEXT = (
    'kind = "openaq"\nurl = "{url}/v3"\nkey = "openaq"\nheaders = { X-API-Key = "{key}" }\n' + HEAD
)
KEYS = {"openaq": {"key": "k-1", "hosts": ["127.0.0.1"]}}
AIR = "urn:ngsi-ld:AirQualityObserved:openaq:2178"
TIME = {"utc": "2026-01-01T20:00:00Z", "local": "2026-01-01T13:00:00-07:00"}


def sensor(id: int, name: str, units: str) -> dict[str, Any]:
    parameter = {"id": id, "name": name, "units": units, "displayName": name.upper()}
    return {"id": id, "name": f"{name} {units}", "parameter": parameter}


PLACE = {
    "id": 2178,
    "name": "Del Norte",
    "locality": "Albuquerque",
    "timezone": "America/Denver",
    "country": {"id": 155, "code": "US", "name": "United States"},
    "owner": {"id": 4, "name": "Unknown Governmental Organization"},
    "provider": {"id": 119, "name": "AirNow"},
    "sensors": [
        sensor(1, "pm25", "µg/m³"),
        sensor(2, "o3", "ppm"),
        sensor(3, "relativehumidity", "%"),
        sensor(4, "um003", "particles/cm³"),
        sensor(5, "no2", "ppb"),
    ],
    "coordinates": {"latitude": 35.1353, "longitude": -106.584702},
    "datetimeLast": TIME,
}


def latest(id: int, value: float) -> dict[str, Any]:
    where = {"latitude": 35.1353, "longitude": -106.584702}
    return {
        "datetime": TIME, "value": value, "coordinates": where, "sensorsId": id, "locationsId": 2178
    }  # fmt: skip


def results(*found: dict[str, Any]) -> dict[str, Any]:
    return {"meta": {"name": "openaq-api", "page": 1, "found": len(found)}, "results": list(found)}


async def test_the_latest_values_of_a_place_have_the_units_of_un_cefact(tmp_path: Path) -> None:
    values = [latest(1, 8.5), latest(2, 0.031), latest(3, 41.0), latest(4, 2.0), latest(5, -999)]
    async with publishing() as publisher:
        publisher.pages["/v3/locations"] = results(PLACE)
        publisher.pages["/v3/locations/2178/latest"] = results(*values)
        text = TEXT + "[parameters]\nbbox = [-107, 35, -106, 36]\n"
        found = await read(publisher, tmp_path, text, feed_keys=KEYS)
        again = await read(publisher, tmp_path, text, found.notes, feed_keys=KEYS)
    air = found.entities[AIR]
    told = {
        name: (one["value"], one.get("unitCode")) for name, one in air.items() if type(one) is dict
    }
    assert told["pm25"] == (8.5, "GQ")
    assert told["o3"] == (0.031, "59")
    assert told["relativeHumidity"] == (0.41, "C62")
    assert told["um003"] == (2.0, None)
    assert air["um003"]["unitText"]["value"] == "particles/cm³"
    assert "no2" not in air  # -999 stands for nothing
    assert air["pm25"]["observedAt"] == "2026-01-01T20:00:00Z"
    assert told["source"] == ("AirNow", None)
    assert told["location"][0]["coordinates"] == [-106.584702, 35.1353]
    assert publisher.asked[0].headers["X-API-Key"] == "k-1"
    assert publisher.asked[0].query["bbox"] == "-107,35,-106,36"
    assert not again.entities  # it has told nothing since, so it is not asked
    assert [path.partition("?")[0] for path in publisher.paths].count(
        "/v3/locations/2178/latest"
    ) == 1


async def test_all_measurements_since_the_last_time_are_read(tmp_path: Path) -> None:
    def measured(request: web.Request) -> dict[str, Any]:
        assert request.query["datetime_from"] == "2026-01-01T18:00:00Z"
        period = {"label": "raw", "datetimeTo": TIME}
        return results({"value": 7.25, "parameter": {"name": "pm25"}, "period": period})

    place = PLACE | {"sensors": PLACE["sensors"][:1]}  # type: ignore[index]
    async with publishing() as publisher:
        publisher.pages["/v3/locations/2178"] = results(place)
        publisher.pages["/v3/sensors/1/measurements"] = measured
        text = TEXT + "[parameters]\nlocations = [2178]\nmeasurements = true\n"
        notes = {f"{publisher.url}/v3#2178": "2026-01-01T18:00:00Z"}
        found = await read(publisher, tmp_path, text, notes, feed_keys=KEYS)
    assert found.value(AIR, "pm25") == 7.25
    assert found.notes[f"{publisher.url}/v3#2178"] == "2026-01-01T20:00:00Z"


async def test_a_value_without_a_time_is_bad(tmp_path: Path) -> None:
    async with publishing() as publisher:
        publisher.pages["/v3/locations/2178"] = results(PLACE)
        publisher.pages["/v3/locations/2178/latest"] = results(latest(1, 8.5) | {"datetime": None})
        text = TEXT + "[parameters]\nlocations = [2178]\n"
        found = await read(publisher, tmp_path, text, feed_keys=KEYS)
    assert [one.reason for one in found.bad] == [
        "location 2178: a value of pm25 has no datetime.utc"
    ]

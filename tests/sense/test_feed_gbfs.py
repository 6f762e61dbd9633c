from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.sense.publisher import HEAD, Publisher, publishing, read

TEXT = f'kind = "gbfs"\nurl = "{{url}}/gbfs.json"\n{HEAD}\n[parameters]\nsystem = "oslo"\n'
STATION = "urn:ngsi-ld:BikeHireDockingStation:oslo:7"

INFORMATION = {
    "station_id": "7",
    "name": "Rådhuset",
    "address": "Rådhusgata 1",
    "lat": 59.91,
    "lon": 10.73,
    "capacity": 20,
}
STATUS = {
    "station_id": "7",
    "is_installed": True,
    "is_renting": True,
    "is_returning": True,
    "last_reported": 1685924330,
    "num_bikes_available": 3,
    "num_docks_available": 17,
    "vehicle_types_available": [{"vehicle_type_id": "bike", "count": 3}],
}


def publish(publisher: Publisher, version: int = 2, **files: Any) -> None:
    """Publish files of a system, and the index of them."""
    feeds = [{"name": name, "url": f"{publisher.url}/{name}"} for name in files]
    data = {"feeds": feeds} if version == 3 else {"nb": {"feeds": feeds}}
    publisher.pages["/gbfs.json"] = {"last_updated": 1, "ttl": 0, "data": data}
    for name, (member, records, updated) in files.items():
        content = {"last_updated": updated, "ttl": 0, "data": {member: records}}
        publisher.pages[f"/{name}"] = content


async def test_a_station_is_where_it_is_and_has_what_it_reports(tmp_path: Path) -> None:
    async with publishing() as publisher:
        publish(
            publisher,
            station_information=("stations", [INFORMATION], 1),
            station_status=("stations", [STATUS], 2),
        )
        found = await read(publisher, tmp_path, TEXT)
    station = found.entities[STATION]
    assert station["type"] == "BikeHireDockingStation"
    assert station["location"]["value"] == {"type": "Point", "coordinates": [10.73, 59.91]}
    assert station["availableBikeNumber"] == {
        "type": "Property",
        "value": 3,
        "observedAt": "2023-06-05T00:18:50Z",
    }
    assert station["freeSlotNumber"]["value"] == 17
    assert station["totalSlotNumber"]["value"] == 20
    assert station["status"]["value"] == "working"
    assert station["availableVehiclesByType"]["value"] == {"bike": 3}
    assert station["address"]["value"] == {"streetAddress": "Rådhusgata 1"}
    assert station["dataProvider"]["value"] == "The Publisher"


async def test_version_3_has_texts_in_languages_and_times_as_text(tmp_path: Path) -> None:
    names = [{"text": "Rådhuset", "language": "nb"}, {"text": "City Hall", "language": "en"}]
    status = {"station_id": "7", "num_vehicles_available": 0, "num_docks_available": 4}
    status |= {"is_installed": True, "is_renting": True, "is_returning": True}
    status |= {"last_reported": "2023-07-17T13:34:13+02:00"}
    async with publishing() as publisher:
        publish(
            publisher,
            version=3,
            station_information=("stations", [INFORMATION | {"name": names}], 1),
            station_status=("stations", [status], 2),
        )
        found = await read(publisher, tmp_path, TEXT + 'language = "en"\n')
    assert found.value(STATION, "name") == "City Hall"
    assert found.value(STATION, "status") == "empty"
    assert found.entities[STATION]["freeSlotNumber"]["observedAt"] == "2023-07-17T11:34:13Z"


async def test_free_vehicles_end_by_themselves_because_their_ids_change(tmp_path: Path) -> None:
    bike = {"bike_id": "a b", "lat": 59.9, "lon": 10.7, "is_reserved": False, "is_disabled": True}
    bike |= {"vehicle_type_id": "s", "current_range_meters": 1200.5, "last_reported": 1685924330}
    docked = {"bike_id": "c", "station_id": "7"}
    kinds = [{"vehicle_type_id": "s", "form_factor": "scooter", "propulsion_type": "electric"}]
    async with publishing() as publisher:
        publish(
            publisher,
            free_bike_status=("bikes", [bike, docked], 5),
            vehicle_types=("vehicle_types", kinds, 5),
        )
        found = await read(publisher, tmp_path, TEXT)
        none = await read(publisher, tmp_path / "other", TEXT + "vehicles = false\n")
    (vehicle,) = found.entities.values()
    assert vehicle["id"] == "urn:ngsi-ld:Vehicle:oslo:a%20b"
    assert vehicle["expiresAt"] > "2026"
    assert vehicle["vehicleType"]["value"] == "scooter"
    assert vehicle["serviceStatus"]["value"] == "outOfService"
    assert vehicle["currentRange"]["unitCode"] == "MTR"
    assert not none.entities


async def test_a_bad_station_does_not_stop_the_others(tmp_path: Path) -> None:
    bad = STATUS | {"station_id": "8", "num_bikes_available": "many"}
    nowhere = INFORMATION | {"station_id": "9", "lat": 0, "lon": 0}
    async with publishing() as publisher:
        publish(
            publisher,
            station_information=("stations", [INFORMATION, nowhere], 1),
            station_status=("stations", [STATUS, bad], 2),
        )
        found = await read(publisher, tmp_path, TEXT)
    assert list(found.entities) == [STATION]
    assert [one.reason for one in found.bad] == [
        "station 8: num_bikes_available is 'many', expected a number",
        "station 9: longitude and latitude are both 0, so the place is unknown",
    ]


async def test_a_file_of_the_same_time_is_not_read_twice(tmp_path: Path) -> None:
    async with publishing() as publisher:
        publish(publisher, station_status=("stations", [STATUS], 2))
        first = await read(publisher, tmp_path / "a", TEXT)
        again = await read(publisher, tmp_path / "b", TEXT, first.notes)
        publish(publisher, station_status=("stations", [STATUS], 3))
        later = await read(publisher, tmp_path / "c", TEXT, first.notes)
    assert [len(one.entities) for one in (first, again, later)] == [1, 0, 1]


async def test_the_time_to_live_is_kept_to(tmp_path: Path) -> None:
    async with publishing() as publisher:
        publish(publisher, station_status=("stations", [STATUS], 2))
        page = publisher.pages["/station_status"]
        assert isinstance(page, dict)
        publisher.pages["/station_status"] = page | {"ttl": 600}
        await read(publisher, tmp_path, TEXT)
        await read(publisher, tmp_path, TEXT)
    assert publisher.paths == ["/gbfs.json", "/station_status", "/gbfs.json"]

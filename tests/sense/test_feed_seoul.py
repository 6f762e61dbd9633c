from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from madang.sense.feeds.errors import FeedError, Refused, Unavailable
from tests.sense.publisher import HEAD, publishing, read

KEYS = {"seoul": {"key": "s-1", "hosts": ["127.0.0.1"]}}
GOOD = {"CODE": "INFO-000", "MESSAGE": "정상 처리되었습니다"}


def text(service: str, more: str = "") -> str:
    return (
        f'kind = "seoul"\nurl = "{{url}}"\nkey = "seoul"\n{HEAD}\n'
        f'[parameters]\nservice = "{service}"\n{more}'
    )


SDOT = {
    "MODEL": "SDOT001", "SERIAL": "OC3CL200010", "SENSING_TIME": "2026-07-01_14:00:00",
    "REGION": "main_street", "AUTONOMOUS_DISTRICT": "Jung-gu",
    "ADMINISTRATIVE_DISTRICT": "Myeong-dong", "AVG_TEMP": "27.4", "AVG_HUMI": "61",
    "AVG_NOISE": "63", "MAX_NOISE": "71", "AVG_ULTRA_RAYS": "", "AVG_NO2": None, "DATA_NO": "1",
}  # fmt: skip
BIKE = {
    "rackTotCnt": "15", "stationName": "102. 망원역 1번출구 앞", "parkingBikeTotCnt": "17",
    "shared": "113", "stationLatitude": "37.55564880", "stationLongitude": "126.91062927",
    "stationId": "ST-4",
}  # fmt: skip


async def test_a_row_of_s_dot_becomes_weather_and_noise(tmp_path: Path) -> None:
    async with publishing() as publisher:
        publisher.pages["/s-1/json/sDoTEnv/1/1000/"] = {
            "sDoTEnv": {"list_total_count": 1, "RESULT": GOOD, "row": [SDOT]}
        }
        found = await read(publisher, tmp_path, text("sDoTEnv"), feed_keys=KEYS)
    assert set(found.entities) == {
        "urn:ngsi-ld:WeatherObserved:S-DoT:OC3CL200010",
        "urn:ngsi-ld:NoiseLevelObserved:S-DoT:OC3CL200010",
    }
    weather = found.entities["urn:ngsi-ld:WeatherObserved:S-DoT:OC3CL200010"]
    assert weather["temperature"] == {
        "type": "Property", "value": 27.4, "unitCode": "CEL", "observedAt": "2026-07-01T05:00:00Z"
    }  # fmt: skip
    assert weather["relativeHumidity"]["value"] == 0.61
    assert weather["refDevice"]["object"] == "urn:ngsi-ld:Device:S-DoT:OC3CL200010"
    noise = found.entities["urn:ngsi-ld:NoiseLevelObserved:S-DoT:OC3CL200010"]
    assert (noise["LAeq"]["value"], noise["LAmax"]["value"]) == (63, 71)


async def test_a_correction_comes_after_what_it_corrects(tmp_path: Path) -> None:
    rows = [SDOT | {"DATA_NO": "2", "AVG_TEMP": "26.0"}, SDOT]
    async with publishing() as publisher:
        publisher.pages["/s-1/json/sDoTEnv/1/1000/"] = {"sDoTEnv": {"RESULT": GOOD, "row": rows}}
        found = await read(publisher, tmp_path, text("sDoTEnv"), feed_keys=KEYS)
    assert found.value("urn:ngsi-ld:WeatherObserved:S-DoT:OC3CL200010", "temperature") == 26.0


async def test_stations_of_bicycles_are_read_page_by_page(tmp_path: Path) -> None:
    rows = [BIKE | {"stationId": f"ST-{n}"} for n in range(1, 1501)]

    def page(request: web.Request) -> dict[str, Any]:
        first, last = map(int, request.path.strip("/").split("/")[-2:])
        some = rows[first - 1 : last]
        if not some:
            return {"RESULT": {"CODE": "INFO-200", "MESSAGE": "해당하는 데이터가 없습니다."}}
        body = {"list_total_count": len(some), "RESULT": GOOD, "row": some}
        return {"rentBikeStatus": body}

    async with publishing() as publisher:
        publisher.pages["/s-1/json/bikeList/1/1000/"] = page
        publisher.pages["/s-1/json/bikeList/1001/2000/"] = page
        found = await read(publisher, tmp_path, text("bikeList"), feed_keys=KEYS)
        del rows[1000:]
        publisher.pages["/s-1/json/bikeList/1001/2000/"] = page
        full = await read(publisher, tmp_path / "full", text("bikeList"), feed_keys=KEYS)
    assert (len(found.entities), len(full.entities)) == (1500, 1000)
    station = found.entities["urn:ngsi-ld:BikeHireDockingStation:Ttareungyi:ST-4"]
    assert station["availableBikeNumber"]["value"] == 17
    assert station["freeSlotNumber"]["value"] == 0
    assert station["status"]["value"] == "full"
    assert station["location"]["value"]["coordinates"] == [126.91062927, 37.5556488]
    assert "s-1" not in str(found.entities)


@pytest.mark.parametrize(
    ("code", "kind"),
    [("INFO-100", Refused), ("ERROR-310", Refused), ("ERROR-500", Unavailable)],
)
async def test_codes_tell_what_passes_from_what_does_not(
    tmp_path: Path, code: str, kind: type[FeedError]
) -> None:
    async with publishing() as publisher:
        publisher.pages["/s-1/json/bikeList/1/1000/"] = {"RESULT": {"CODE": code, "MESSAGE": "…"}}
        with pytest.raises(kind, match=code) as caught:
            await read(publisher, tmp_path, text("bikeList"), feed_keys=KEYS)
    assert "s-1" not in str(caught.value)


async def test_a_service_that_madang_does_not_know_takes_a_mapping(tmp_path: Path) -> None:
    mapping = """
[mapping]
[[mapping.entity]]
id = "urn:ngsi-ld:OffStreetParking:seoul:{PKLT_CD}"
type = "OffStreetParking"
[mapping.entity.attributes]
totalSpotNumber = { column = "TPKCT", kind = "integer" }
"""
    async with publishing() as publisher:
        publisher.pages["/s-1/json/GetParkingInfo/1/1000/종로/"] = {
            "GetParkingInfo": {"RESULT": GOOD, "row": [{"PKLT_CD": "171721", "TPKCT": 1260.0}]}
        }
        wanted = text("GetParkingInfo", 'arguments = ["종로"]\n') + mapping
        found = await read(publisher, tmp_path, wanted, feed_keys=KEYS)
    assert found.value("urn:ngsi-ld:OffStreetParking:seoul:171721", "totalSpotNumber") == 1260


async def test_a_row_without_a_sensor_is_bad(tmp_path: Path) -> None:
    async with publishing() as publisher:
        rows = [SDOT | {"SERIAL": ""}, SDOT | {"AVG_TEMP": "warm"}]
        publisher.pages["/s-1/json/sDoTEnv/1/1000/"] = {"sDoTEnv": {"RESULT": GOOD, "row": rows}}
        found = await read(publisher, tmp_path, text("sDoTEnv"), feed_keys=KEYS)
    assert len(found.bad) == 2
    assert "SERIAL" in found.bad[0].reason
    assert "warm" in found.bad[1].reason

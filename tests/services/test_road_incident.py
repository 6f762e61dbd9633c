"""Road accidents: suspected from silence, warned of, kept as evidence, and learned from."""

from __future__ import annotations

from typing import Any

from madang.services.played import Played, at
from madang.services.road_incident.service import service

START = at("2026-03-02 08:00")
S, DAY = 1_000_000, 86_400_000_000
CAR = "urn:ngsi-ld:Vehicle:car-1"
PLACE = [127.0, 37.5]


def point(lon: float, lat: float) -> dict[str, Any]:
    return {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [lon, lat]}}


def stamped(second: int, whole: dict[str, Any]) -> dict[str, Any]:
    return {**whole, "observedAt": f"2026-03-02T08:00:{second:02d}Z"}


async def brakes(run: Played, second: int, acceleration: float) -> None:
    await run.put(
        START + second * S, CAR, "Vehicle", name="car 1",
        location=stamped(second, point(*PLACE)), speed=stamped(second, {"type": "Property",
                                                                       "value": 0}),
        acceleration=stamped(second, {"type": "Property", "value": acceleration}),
    )  # fmt: skip


async def accident(run: Played, name: str, now: int, **more: Any) -> str:
    id = f"urn:ngsi-ld:Incident:{name}"
    values = {"category": "trafficAccident", "kind": "trafficAccident", "status": "open"} | more
    await run.put(now, id, "Incident", location=point(*PLACE), **values)
    return id


async def test_a_car_that_brakes_hard_and_falls_silent_is_an_alert_with_its_reasons() -> None:
    run = Played(service, START)
    await brakes(run, 1, -8.5)
    await run.until(START + 10 * S)
    assert run.things("Alert") == []
    await run.until(START + 17 * S)
    (alert,) = run.things("Alert")
    assert (alert["category"], alert["severity"]) == ("trafficAccident", "high")
    assert alert["location"]["coordinates"] == PLACE
    (decision,) = run.things("Decision")
    assert "8.5 m/s²" in decision.attribute("description")["languageMap"]["ko"]


async def test_a_car_that_still_speaks_has_not_crashed_and_usual_braking_is_none() -> None:
    run = Played(service, START)
    await brakes(run, 1, -8.5)
    await brakes(run, 12, 0.0)
    await run.until(START + 40 * S)
    await brakes(run, 50, -4.0)
    await run.until(START + 90 * S)
    assert run.things("Alert") == []


async def test_signs_near_an_accident_warn_once_and_evidence_says_how_it_was() -> None:
    run = Played(service, START, tell="control-room")
    await run.put(
        START, "urn:ngsi-ld:MessageSign:near", "MessageSign", location=point(127.001, 37.5)
    )
    await run.put(START, "urn:ngsi-ld:MessageSign:far", "MessageSign", location=point(127.02, 37.5))
    await run.put(START, "urn:ngsi-ld:Camera:1", "Camera", location=point(127.0, 37.501),
                  streamURL="https://camera.example/1")  # fmt: skip
    await brakes(run, 1, 0.0)
    words = {"type": "LanguageProperty", "languageMap": {"en": "Jongno", "ko": "종로"}}
    id = await accident(run, "1", START + 5 * S, areaServed=words)
    await run.put(START + 6 * S, id, "Incident", status="acknowledged")
    (command,) = run.things("Command")
    assert command["commandTarget"] == "urn:ngsi-ld:MessageSign:near"
    assert command["revertAfter"] == 1_800
    (evidence,) = run.things("IncidentEvidence")
    assert evidence["videos"] == ["https://camera.example/1"]
    assert [one["id"] for one in evidence["seen"]] == [CAR]
    (hazard,) = run.things("RoadHazard")
    assert (hazard["causeCode"], hazard["status"]) == (2, "open")
    (notice,) = run.things("Notice")
    assert notice["to"] == "control-room"
    assert notice["text"]["en"].startswith("Accident in Jongno.")
    assert notice["text"]["ko"].startswith("종로 교통사고")
    await run.put(START + 60 * S, id, "Incident", status="resolved")
    assert run.thing(hazard.id)["status"] == "closed"


async def test_other_incidents_are_none_of_its_business() -> None:
    run = Played(service, START)
    await accident(run, "1", START, category="fire", kind="fire")
    assert run.written == []


async def test_the_third_accident_at_a_place_is_a_report_and_one_work_order() -> None:
    run = Played(service, START)
    for number in range(5):
        await accident(run, str(number), START + number * DAY)
    (report,) = run.things("RoadSafetyReport")
    (order,) = run.things("WorkOrder")
    assert report["accidents"] == 3
    assert order["refReport"] == report.id
    assert order["status"] == "open"
    await accident(run, "6", START + 6 * DAY)
    assert len(run.things("WorkOrder")) == 2  # three more have happened since


async def test_accidents_elsewhere_or_long_ago_do_not_add_up() -> None:
    run = Played(service, START, repeat_days=10)
    for number in range(4):
        await accident(run, str(number), START + number * 6 * DAY)
    assert run.things("WorkOrder") == []

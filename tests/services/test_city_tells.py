"""What services tell people and devices, where they listen, and by whose clock."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from madang.services.city import Change, City
from madang.services.played import Played, at
from madang.services.service import LocalOptions, Options, Service, Text, option

NAME = Text("Lamps", "가로등")
HERE = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]}
INSIDE = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [0.5, 0.5]}}
OUTSIDE = {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [2, 0.5]}}
LAMP = "urn:ngsi-ld:Streetlight:1"


class Places(Options):
    place: dict[str, Any] | None = option(None, "Place", "장소", "Where it watches.")


def made(options: type[Options] = Options) -> Service:
    return Service(
        "lamps",
        title=NAME,
        purpose=NAME,
        category="safety",
        needs=["Streetlight"],
        gives=["Streetlight"],
        commands=["Streetlight"],
        options=options,
    )


def teller() -> Service:
    service = made()

    @service.on("Streetlight", attributes=["powerState"])
    async def told(city: City, change: Change) -> None:
        lamp = await city.get(change.id)
        assert lamp is not None
        why = city.decide(Text("It is dark", "어둡습니다"), because=[(lamp, "powerState")])
        city.command(lamp, "dim", {"level": 40}, decision=why, revert_after=timedelta(minutes=5))
        city.notify("crew", Text("Dark", "어두움"), Text("Lamp 1", "1번 등"), about=lamp.id)
        city.alert(
            "dark", kind="lampFault", severity="low", title=Text("Dark", "어두움"), about=[lamp]
        )

    @service.on("Streetlight", attributes=["dateLastLampChange"])
    async def mended(city: City, change: Change) -> None:
        city.end_alert("dark")
        city.remove(change.id, "Streetlight", "fault", "never")

    return service


async def test_a_service_asks_for_a_command_and_says_which_decision_it_follows_from() -> None:
    city = Played(teller(), at("2026-03-02 20:00"))
    await city.put(at("2026-03-02 21:00"), LAMP, "Streetlight", powerState="off")
    [command] = city.things("Command")
    [decision] = city.things("Decision")
    assert decision["description"] == {"en": "It is dark", "ko": "어둡습니다"}
    assert command["decision"] == decision.id
    assert command["commandTarget"] == LAMP
    assert (command["commandName"], command["parameters"]) == ("dim", {"level": 40})
    assert (command["status"], command["requestedBy"]) == ("requested", "service:lamps")
    assert command["revertAfter"] == 300
    assert command["requestedAt"]["@value"] == "2026-03-02T21:00:00Z"


async def test_the_same_name_is_the_same_alert_and_can_be_ended() -> None:
    city = Played(teller(), at("2026-03-02 20:00"))
    await city.put(at("2026-03-02 21:00"), LAMP, "Streetlight", powerState="off", location=INSIDE)
    await city.put(at("2026-03-02 22:00"), LAMP, "Streetlight", powerState="off2")
    [alert] = city.things("Alert")
    assert (alert["status"], alert["severity"], alert["refersTo"]) == ("open", "low", LAMP)
    assert alert["location"] == INSIDE["value"]
    await city.put(at("2026-03-02 23:00"), LAMP, "Streetlight", dateLastLampChange="today")
    [alert] = city.things("Alert")
    assert alert["status"] == "closed"
    assert len(city.things("Notice")) == 2


async def test_attributes_are_removed_and_those_that_are_not_there_are_no_fault() -> None:
    city = Played(teller(), at("2026-03-02 20:00"))
    await city.put(at("2026-03-02 21:00"), LAMP, "Streetlight", fault="flickers")
    await city.put(at("2026-03-02 22:00"), LAMP, "Streetlight", dateLastLampChange="today")
    assert "fault" not in city.thing(LAMP)
    assert city.thing(LAMP)["dateLastLampChange"] == "today"


async def test_things_of_a_type_that_it_does_not_name_are_not_commanded() -> None:
    service = made()

    @service.on("Sluice")
    async def told(city: City, change: Change) -> None:
        city.command(change.put, "open")

    city = Played(service, at("2026-03-02 20:00"))
    with pytest.raises(Exception, match="commands things of Streetlight, not Sluice"):
        await city.put(at("2026-03-02 21:00"), "urn:ngsi-ld:Sluice:1", "Sluice", level=1)


@pytest.mark.parametrize("area", [HERE, "place"])
async def test_it_is_told_only_of_what_lies_in_its_area(area: dict[str, Any] | str) -> None:
    service, seen = made(Places), []

    @service.on("Streetlight", area=area)
    async def told(city: City, change: Change) -> None:
        seen.append(change.id[-1])

    options = {"place": HERE} if area == "place" else {}
    city = Played(service, at("2026-03-02 20:00"), **options)
    for name, where in (("1", INSIDE), ("2", OUTSIDE)):
        id = f"urn:ngsi-ld:Streetlight:{name}"
        await city.put(at("2026-03-02 21:00"), id, "Streetlight", location=where)
        await city.put(at("2026-03-02 21:01"), id, "Streetlight", powerState="on")
    await city.put(at("2026-03-02 21:00"), "urn:ngsi-ld:Streetlight:3", "Streetlight", on=True)
    assert seen == ["1", "1"]


async def test_an_area_that_nobody_has_set_is_everywhere() -> None:
    service, seen = made(Places), []

    @service.on("Streetlight", area="place")
    async def told(city: City, change: Change) -> None:
        seen.append(change.id[-1])

    city = Played(service, at("2026-03-02 20:00"))
    await city.put(at("2026-03-02 21:00"), LAMP, "Streetlight", on=True)
    assert seen == ["1"]


async def test_a_local_cron_goes_by_the_time_zone_of_the_options() -> None:
    service, seen = made(LocalOptions), []

    @service.every("0 4 * * *", local=True)
    async def nightly(city: City) -> None:
        seen.append((city.now.hour, city.local.hour, city.instant))

    city = Played(service, at("2026-03-02 00:00"), time_zone="Asia/Seoul")
    await city.until(at("2026-03-02 20:00"))
    assert seen == [(19, 4, at("2026-03-02 19:00"))]
    with pytest.raises(TypeError, match="LocalOptions"):
        made().every("0 4 * * *", local=True)


def test_an_area_that_is_no_geometry_is_refused() -> None:
    with pytest.raises(Exception, match="area is no geometry"):
        made().on("Streetlight", area={"type": "Circle", "coordinates": [0, 0]})

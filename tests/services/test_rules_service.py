"""The service of rules: what it writes when a rule begins to hold and when it ends."""

from __future__ import annotations

from typing import Any

import pytest

from madang.services.played import Played, at
from madang.services.rules import service as rules
from madang.services.rules.engine import Engine
from madang.services.rules.read import read
from madang.services.working import principal_of

ROOM = "urn:ngsi-ld:Room:1"
WARM: dict[str, Any] = {"type": "Room", "attribute": "temperature", "above": 30, "alert": {}}
SQUARE = {"type": "Polygon", "coordinates": [[[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]]]}
FAR = {"type": "Polygon", "coordinates": [[[5, 5], [6, 5], [6, 6], [5, 6], [5, 5]]]}


def clock(minute: float) -> int:
    """Return a time of Monday morning. [us since 1970]"""
    return at("2026-03-02 08:00") + int(minute * 60_000_000)


def playing(**given: Any) -> Played:
    named = {name.replace("_", "-"): spec for name, spec in given.items() if name != "time_zone"}
    zone = given.get("time_zone", "UTC")
    return Played(rules.service, clock(0), rules=named, time_zone=zone)


async def warm(played: Played, minute: float, degrees: Any, id: str = ROOM, **more: Any) -> None:
    await played.put(clock(minute), id, "Room", temperature=degrees, **more)


def point(lon: float, lat: float) -> dict[str, Any]:
    return {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [lon, lat]}}


def alerts(played: Played, status: str = "open") -> list[str]:
    """Return about whom alerts are open (or closed), without what all ids begin with."""
    return [
        one.id.partition(":rules:")[2].replace("%3A", ":").replace("urn:ngsi-ld:", "")
        for one in played.things("Alert")
        if one["status"] == status
    ]


async def test_a_rule_alerts_with_its_figures_and_ends_the_alert() -> None:
    text = {"en": "{name}: {value} {unit} at {time}", "ko": "{name} {value} {unit}"}
    spec = {**WARM, "title": {"en": "Too warm", "ko": "더움"}, "back": 28,
            "alert": {"severity": "high", "kind": "heat", "text": text}}  # fmt: skip
    played = playing(warm=spec, time_zone="Asia/Seoul")
    degrees = {"type": "Property", "value": 31.5, "unitCode": "CEL"}
    await warm(played, 1, 30, name="Hall", location=point(2, 3))
    assert alerts(played) == []
    await warm(played, 2, degrees)
    (alert,) = played.things("Alert")
    assert (alert["severity"], alert["category"], alert["status"]) == ("high", "heat", "open")
    assert alert["title"] == {"en": "Too warm", "ko": "더움"}
    assert alert["description"]["en"] == "Hall: 31.5 CEL at 2026-03-02 17:02"
    assert alert["refersTo"] == ROOM
    assert alert["location"]["coordinates"] == [2, 3]
    (decision,) = played.things("Decision")
    assert "Hall: temperature was 31.5" in decision["description"]["en"]
    assert "Hall: temperature 값 31.5" in decision["description"]["ko"]
    assert decision["options"] == {"warm": spec}
    assert decision["basedOn"][0]["value"] == 31.5
    await warm(played, 3, 29)
    assert alerts(played) == ["warm:Room:1"]
    await warm(played, 4, 28)
    assert alerts(played, "closed") == ["warm:Room:1"]
    assert "ended" in played.things("Decision")[0]["outcome"]


async def test_a_rule_tells_people_switches_a_device_and_sets_an_attribute() -> None:
    spec = {
        "type": "Room", "attribute": "temperature", "above": 30,
        "notify": {"to": "duty", "urgent": True, "text": "{name} has {value}"},
        "command": {"name": "open", "parameters": {"by": 50}, "target": "urn:ngsi-ld:Window:7",
                    "type": "Window", "revert_after": "30m"},
        "set": {"attribute": "comfort", "value": "hot", "after": "good"},
    }  # fmt: skip
    played = playing(warm=spec)
    await warm(played, 1, 31)
    (notice,) = played.things("Notice")
    assert (notice["to"], notice["urgent"], notice["about"]) == ("duty", True, ROOM)
    assert notice["text"] == {"en": f"{ROOM} has 31", "ko": f"{ROOM} has 31"}
    (command,) = played.things("Command")
    assert (command["commandTarget"], command["commandName"]) == ("urn:ngsi-ld:Window:7", "open")
    assert (command["parameters"], command["revertAfter"]) == ({"by": 50}, 1800)
    assert command["decision"] == played.things("Decision")[0].id
    assert played.thing(ROOM)["comfort"] == "hot"
    await warm(played, 2, 20)
    assert played.thing(ROOM)["comfort"] == "good"
    assert len(played.things("Notice")) == 1


async def test_for_at_least_so_long_means_without_a_break() -> None:
    played = playing(warm={**WARM, "for": "10m"})
    await warm(played, 1, 31)
    await warm(played, 9, 32)
    await warm(played, 10, 30)
    await warm(played, 10.5, 31)
    await played.until(clock(20.4))
    assert alerts(played) == []
    await played.until(clock(20.5))
    assert alerts(played) == ["warm:Room:1"]


async def test_what_was_silent_from_the_start_is_found_too() -> None:
    silent = {"type": "Room", "attribute": "temperature", "silent": "1h", "alert": {}}
    named = {**silent, "ids": ["urn:ngsi-ld:Room:never"]}
    played = playing(silent=silent, named=named)
    document = {"id": ROOM, "type": "Room", "temperature": {"type": "Property", "value": 1}}
    played.ground.write(document, clock(0))
    await warm(played, 50, 20, "urn:ngsi-ld:Room:2")
    await played.until(clock(59))
    assert alerts(played) == []
    await played.until(clock(61))
    assert alerts(played) == ["named:Room:never", "silent:Room:1"]
    await warm(played, 70, 20)
    assert alerts(played) == ["named:Room:never"]
    await played.until(clock(110))
    assert alerts(played) == ["named:Room:never", "silent:Room:2"]


async def test_a_rule_holds_in_its_hours_only() -> None:
    played = playing(warm={**WARM, "hours": "09:00-10:00", "days": "mon-fri"})
    await warm(played, 1, 31)
    await played.until(clock(59))
    assert alerts(played) == []
    await played.until(clock(60))
    assert alerts(played) == ["warm:Room:1"]
    await played.until(clock(120))
    assert alerts(played) == []
    await played.until(clock(60 + 1440))
    assert alerts(played) == ["warm:Room:1"]


async def test_so_many_of_a_set_at_once() -> None:
    several = [f"urn:ngsi-ld:Room:{n}" for n in range(3)]
    played = playing(two={**WARM, "together": 2}, all={**WARM, "together": "all", "ids": several})
    for minute, id in enumerate(several[:2]):
        await warm(played, 1 + minute, 31, id)
    assert alerts(played) == ["two"]
    await warm(played, 5, 31, several[2])
    assert alerts(played) == ["all", "two"]
    await played.delete(clock(6), several[2])
    assert alerts(played) == ["two"]
    await warm(played, 7, 20, several[0])
    assert alerts(played) == []
    (decision, *_) = played.things("Decision")
    assert decision["description"]["en"].startswith("It holds for")


async def test_one_sensor_is_compared_with_another() -> None:
    other = {"attribute": "level", "entity": "urn:ngsi-ld:Gauge:up", "plus": 2}
    spec = {"type": "Gauge", "attribute": "level", "above": other, "alert": {}}
    own = {"type": "Gauge", "attribute": "level", "below": {"attribute": "least"}, "alert": {}}
    played = playing(more=spec, less=own)
    for minute, (id, values) in enumerate(
        [("up", {"level": 5}), ("down", {"level": 6, "least": 5}), ("down", {"level": 8})]
    ):
        await played.put(clock(minute), f"urn:ngsi-ld:Gauge:{id}", "Gauge", **values)
    assert alerts(played) == ["more:Gauge:down"]
    await played.put(clock(5), "urn:ngsi-ld:Gauge:up", "Gauge", level=7)
    assert alerts(played) == []
    await played.put(clock(6), "urn:ngsi-ld:Gauge:down", "Gauge", least=9)
    assert alerts(played) == ["less:Gauge:down"]


async def test_where_a_thing_is_counts_also_if_it_was_there_before_and_when_areas_move() -> None:
    district = "urn:ngsi-ld:District:1"
    inside = {"id": district, "type": "District"}
    played = playing(warm={**WARM, "inside": inside}, here={"type": "Bus", "area": SQUARE,
                                                            "alert": {}})  # fmt: skip
    area = {"type": "GeoProperty", "value": SQUARE}
    for document in (
        {"id": district, "type": "District", "location": area},
        {"id": ROOM, "type": "Room", "location": point(0.5, 0.5)},
    ):
        played.ground.write(document, clock(0))
    await warm(played, 1, 31)
    assert alerts(played) == ["warm:Room:1"]
    await played.put(clock(2), district, "District", location={**area, "value": FAR})
    assert alerts(played) == []
    await played.put(clock(2.5), district, "District", location=area)
    assert alerts(played) == ["warm:Room:1"]
    await played.put(clock(2.7), district, "District", location={**area, "value": FAR})
    await warm(played, 3, 32, location=point(5.5, 5.5))
    assert alerts(played) == ["warm:Room:1"]
    bus = "urn:ngsi-ld:Bus:1"
    for minute, lon in ((4, 3.0), (5, 0.5), (6, 3.0)):
        await played.put(clock(minute), bus, "Bus", location=point(lon, 0.5))
        assert ("here:Bus:1" in alerts(played)) == (minute == 5)


async def test_a_deleted_entity_has_no_alert() -> None:
    played = playing(warm=WARM)
    await warm(played, 1, 31)
    await played.delete(clock(2), ROOM)
    assert alerts(played) == []


async def test_editing_a_rule_keeps_what_the_others_know() -> None:
    played = playing(warm={**WARM, "for": "10m"}, hot={**WARM, "above": 40}, gone=WARM)
    await warm(played, 1, 45)
    assert alerts(played) == ["gone:Room:1", "hot:Room:1"]
    specs = {
        "warm": {**WARM, "for": "10m"},
        "hot": {**WARM, "above": 40, "alert": {"severity": "critical"}},
        "new": {**WARM, "above": 44},
    }
    played.options = played.service.given({"rules": specs})
    played.restart()
    await played.until(clock(2))
    assert alerts(played) == ["hot:Room:1"]  # what the rule that is gone had raised has ended
    await played.until(clock(11))
    assert alerts(played) == ["hot:Room:1", "warm:Room:1"]
    await warm(played, 12, 46)
    assert alerts(played) == ["hot:Room:1", "new:Room:1", "warm:Room:1"]


async def test_values_of_another_kind_are_passed_over() -> None:
    state = {"type": "Room", "attribute": "temperature", "is": ["high", True], "alert": {}}
    played = playing(warm=WARM, state=state)
    for minute, value in enumerate(["high", True, None, {"a": 1}, [99], 1]):
        whole = {"type": "Property", "value": value if value is not None else "x"}
        await played.put(clock(minute), ROOM, "Room", temperature=whole)
        assert alerts(played) == (["state:Room:1"] if minute < 2 else [])


def test_the_service_may_read_write_and_command_what_its_rules_name() -> None:
    spec = {
        **WARM, "inside": {"id": "urn:ngsi-ld:District:1", "type": "District"},
        "set": {"attribute": "x", "value": 1, "id": "urn:ngsi-ld:Sign:1", "type": "Sign"},
        "command": {"name": "open", "target": "urn:ngsi-ld:Window:1", "type": "Window"},
    }  # fmt: skip
    fitted = rules.service.fitted(rules.service.given({"rules": {"warm": spec}}))
    who = principal_of(fitted, "")
    assert {"Room", "District", "Window", "Sign"} <= who.reads
    assert "Sign" in who.writes
    assert not {"Room", "District", "Window"} & who.writes
    assert fitted.commands == ("Window",)


def test_rules_that_are_off_or_wrong_do_nothing() -> None:
    fitted = rules.service.fitted(rules.service.given({"rules": {"warm": {**WARM, "on": False}}}))
    assert fitted.needs == ()
    with pytest.raises(ValueError, match=r"warm\.abov"):
        rules.service.given({"rules": {"warm": {**WARM, "abov": 3}}})


def test_thousands_of_rules_on_one_attribute_are_looked_at_only_where_limits_are_crossed() -> None:
    specs = {f"r{n}": {**WARM, "above": 100 + n, "back": 99 + n} for n in range(2_000)}
    engine = Engine(read(specs).rules, "UTC")
    engine.take({})
    told = engine.index.told["Room"]["temperature"]
    assert len(told.by(ROOM, 50)) == 0
    assert len(told.by(ROOM, 99)) <= 1
    assert 10 <= len(told.by(ROOM, 105)) <= 20
    assert len(told.by(ROOM, 105.5)) <= 2  # 105 itself is a limit of two


# --- values that failed their quality tests -------------------------------------------------------


def failed(degrees: float) -> dict[str, Any]:
    """Return a value of a sensor that was found to be broken."""
    quality = {"type": "Property", "value": "fail"}
    return {"type": "Property", "value": degrees, "quality": quality}


async def test_no_rule_goes_by_a_value_that_failed_its_tests() -> None:
    rise = {"type": "Room", "attribute": "temperature", "rises": 20, "within": "1h", "alert": {}}
    low = {"type": "Room", "attribute": "temperature", "is_not": [20], "alert": {}}
    played = playing(warm=WARM, rise=rise, low=low)
    await warm(played, 1, 20)
    await warm(played, 2, failed(300))
    assert alerts(played) == []
    suspect = failed(31) | {"quality": {"type": "Property", "value": "suspect"}}
    await warm(played, 3, suspect)
    assert sorted(alerts(played)) == ["low:Room:1", "warm:Room:1"]
    await warm(played, 4, failed(-300))
    assert sorted(alerts(played)) == ["low:Room:1", "warm:Room:1"]  # nor does that end it


async def test_a_value_that_failed_shows_that_its_sensor_is_not_silent() -> None:
    quiet = {"type": "Room", "attribute": "temperature", "silent": "10m", "alert": {}}
    played = playing(quiet=quiet)
    await warm(played, 1, 20)
    await warm(played, 9, failed(300))
    await played.until(clock(18))
    assert alerts(played) == []
    await played.until(clock(20))
    assert alerts(played) == ["quiet:Room:1"]


async def test_other_values_are_not_compared_with_one_that_failed() -> None:
    spec = {"type": "Room", "attribute": "temperature", "alert": {},
            "above": {"attribute": "limit"}}  # fmt: skip
    played = playing(over=spec)
    await warm(played, 1, 20, limit=30)
    await played.put(clock(2), ROOM, "Room", limit=failed(-1))
    await warm(played, 3, 21)
    assert alerts(played) == []

"""Incidents: which alerts belong together, who is told when, what people do about them."""

from __future__ import annotations

from typing import Any

import pytest

from madang.act.incidents import service as incidents
from madang.act.incidents.cap import cap_of
from madang.act.incidents.incident import number, of
from madang.act.incidents.report import public
from tests.act.incident_room import PLAYBOOK, Room, minutes, words

# --- which alerts are one incident ---------------------------------------------------------------


async def test_an_alert_becomes_an_incident_with_what_the_alert_says() -> None:
    room = Room()
    await room.alert(0, "a", description="It rises", refersTo={
        "type": "Relationship", "object": "urn:ngsi-ld:Underpass:1"})  # fmt: skip
    one = room.one
    assert (one["status"], one["severity"], one["category"]) == ("open", "medium", "flood")
    assert one["title"] == {"en": "Water in the underpass", "ko": "지하차도 침수"}
    assert one["description"] == {"en": "It rises", "ko": "It rises"}
    assert one["location"]["coordinates"] == [127.0, 37.5]
    assert one["alerts"] == "urn:ngsi-ld:Alert:s:a"
    assert one["refersTo"] == "urn:ngsi-ld:Underpass:1"
    assert one["startedAt"]["@value"] == "2026-03-02T09:00:00Z"
    assert (one["reports"], one["public"]) == (1, False)
    assert number(one.id).startswith("20260302-")


@pytest.mark.parametrize(
    ("minute", "lon", "more", "count"),
    [
        (10, 127.001, {}, 1),  # 88 m away
        (10, 127.01, {}, 2),  # 880 m away
        (61, 127.0, {}, 2),  # too late
        (10, 127.0, {"category": "fire"}, 2),  # of another kind
        (10, None, {}, 2),  # nobody knows where
    ],
)
async def test_alerts_of_a_kind_near_in_place_and_time_are_one_incident(
    minute: float, lon: float | None, more: dict[str, Any], count: int
) -> None:
    room = Room()
    await room.alert(0, "a")
    await room.alert(minute, "b", lon, **more)
    assert len(room.incidents) == count


async def test_alerts_about_the_same_thing_are_one_incident_wherever_they_come_from() -> None:
    room = Room()
    about = {"type": "Relationship", "object": "urn:ngsi-ld:Underpass:1"}
    await room.alert(0, "a", None, refersTo=about)
    await room.alert(5, "b", 127.5, refersTo=about)
    assert room.one["reports"] == 2
    assert sorted(room.one["alerts"]) == ["urn:ngsi-ld:Alert:s:a", "urn:ngsi-ld:Alert:s:b"]


async def test_an_alert_that_lies_in_the_area_of_another_belongs_to_it() -> None:
    room = Room()
    ring = [[127.0, 37.0], [128.0, 37.0], [128.0, 38.0], [127.0, 38.0], [127.0, 37.0]]
    area = {"type": "GeoProperty", "value": {"type": "Polygon", "coordinates": [ring]}}
    await room.alert(0, "warning", None, location=area)
    await room.alert(1, "gauge", 127.5)
    assert room.one["reports"] == 2


async def test_the_same_alert_told_again_is_no_new_report_but_may_be_more_severe() -> None:
    room = Room(notify="desk")
    await room.alert(0, "a")
    await room.alert(1, "a", dateIssued="2026-03-02T09:01:00Z")
    assert (room.one["reports"], room.one["severity"]) == (1, "medium")
    await room.alert(2, "a", severity="critical")
    assert (room.one["reports"], room.one["severity"]) == (1, "critical")
    assert room.course == ["opened", "severity"]
    assert room.told_to == ["desk", "desk"]  # once more, for now it is grave


async def test_alerts_below_the_severity_asked_for_are_left_out() -> None:
    room = Room(from_severity="high")
    await room.alert(0, "a")
    assert room.incidents == []
    await room.alert(1, "a", severity="high")
    assert room.one["severity"] == "high"


async def test_an_alert_that_is_over_when_it_comes_begins_nothing() -> None:
    room = Room()
    await room.alert(0, "a", status="closed")
    await room.alert(0, "b", validTo="2026-03-02T08:00:00Z")
    await room.alert(0, "c", alertStatus="cancelled")
    assert room.incidents == []


async def test_a_warning_that_updates_another_goes_on_as_the_same_incident() -> None:
    room = Room()
    await room.alert(0, "w1", alertStatus="active", status="x", severity="high")
    await room.alert(9, "w1", alertStatus="updated")
    await room.alert(9, "w2", alertStatus="active", status="x", severity="critical")
    assert (room.one["severity"], room.one["reports"]) == ("critical", 2)
    assert room.one["status"] == "open"


async def test_an_incident_nobody_had_to_look_at_is_over_with_its_alerts() -> None:
    room = Room()
    await room.alert(0, "a")
    await room.alert(7, "a", status="closed")
    assert (room.one["status"], room.course) == ("resolved", ["opened", "alertOver", "resolved"])
    await room.alert(20, "b")
    assert (room.one["status"], room.one["resolvedAt"]) == ("open", None)
    assert room.course[-2:] == ["alert", "reopened"]


async def test_a_grave_incident_waits_for_somebody_even_if_its_alerts_are_over() -> None:
    room = Room()
    await room.alert(0, "a", severity="high")
    await room.alert(7, "a", status="closed")
    assert room.one["status"] == "open"


async def test_alerts_end_at_the_time_that_they_name() -> None:
    room = Room()
    await room.alert(0, "a", validTo={"@type": "DateTime", "@value": "2026-03-02T18:30:00+09:00"})
    await room.until(29)
    assert room.one["status"] == "open"
    await room.until(31)
    assert (room.one["status"], room.one["resolvedAt"]["@value"]) == (
        "resolved", "2026-03-02T09:30:00Z",
    )  # fmt: skip


async def test_a_deleted_alert_is_over() -> None:
    room = Room()
    await room.alert(0, "a")
    await room.played.delete(minutes(3), "urn:ngsi-ld:Alert:s:a")
    assert room.one["status"] == "resolved"


async def test_a_flood_of_alerts_is_gathered_in_one_incident(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(incidents, "MOST_OPEN", 3)
    room = Room(notify="desk")
    for place in range(10):
        await room.alert(0, f"a{place}", 120.0 + place)
    crowd = next(one for one in room.incidents if one["category"] == "manyIncidents")
    assert (len(room.incidents), crowd["reports"], crowd["severity"]) == (4, 7, "critical")
    assert crowd["title"]["ko"] == "동시에 매우 많은 상황 발생"
    assert room.told_to.count("desk") == 4


# --- who is told ---------------------------------------------------------------------------------


async def test_people_are_told_one_after_the_other_until_somebody_answers() -> None:
    room = Room()
    await room.playbook()
    await room.alert(0, "a")
    assert room.told_to == ["control-room"]
    await room.until(4.9)
    assert room.told_to == ["control-room"]
    await room.until(5)
    assert room.told_to[1:] == ["duty-officer"]
    await room.ask(6, room.one, {"do": "acknowledge"})
    await room.until(60)
    assert "head" not in room.told_to
    assert room.one["owner"] == "Kim"


async def test_notices_are_in_both_languages_and_say_what_and_since_when() -> None:
    room = Room(time_zone="Asia/Seoul")
    await room.playbook()
    await room.alert(0, "a", areaServed="Jongno 1-ga")
    (notice,) = room.played.things("Notice")
    assert notice["title"] == {
        "en": "Medium: Water in the underpass", "ko": "보통: 지하차도 침수",
    }  # fmt: skip
    assert "2026-03-02 18:00 (Asia/Seoul)" in notice["text"]["en"]
    assert "Jongno 1-ga" in notice["text"]["ko"]
    assert (notice["about"], notice["urgent"], notice["status"]) == (room.one.id, False, "waiting")


async def test_a_place_is_called_what_it_is_called_in_each_language() -> None:
    room = Room()
    await room.playbook()
    words = {"en": "Jongno 1-ga", "ko": "종로1가"}
    await room.alert(0, "a", areaServed={"type": "LanguageProperty", "languageMap": words})
    assert room.one["areaServed"] == words
    (notice,) = room.played.things("Notice")
    assert "Where: Jongno 1-ga." in notice["text"]["en"]
    assert "장소: 종로1가." in notice["text"]["ko"]


async def test_what_is_escalated_is_urgent() -> None:
    room = Room()
    await room.playbook()
    await room.alert(0, "a")
    await room.until(5)
    urgent = {str(one["to"]): one["urgent"] for one in room.played.things("Notice")}
    assert urgent == {"control-room": False, "duty-officer": True}


async def test_if_nobody_could_be_told_the_next_is_told_at_once() -> None:
    room = Room()
    await room.playbook()
    await room.alert(0, "a")
    (first,) = room.played.things("Notice")
    await room.told(1, first, "failed")
    assert room.told_to == ["control-room", "duty-officer"]
    assert room.course == ["opened", "notTold", "escalated"]


async def test_the_timeline_says_who_was_told() -> None:
    room = Room()
    await room.playbook()
    await room.alert(0, "a")
    await room.told(1, room.played.things("Notice")[0], "sent")
    assert room.one["timeline"][-1] == {
        "at": "2026-03-02T09:01:00Z", "what": "told", "to": "control-room", "persons": ["kim"],
    }  # fmt: skip


async def test_without_a_playbook_the_options_say_who_is_told() -> None:
    room = Room(notify="desk", escalate_to="boss", escalate_minutes=3)
    await room.alert(0, "a")
    await room.until(3)
    assert room.told_to == ["desk", "boss"]


# --- playbooks and people ------------------------------------------------------------------------


async def test_the_playbook_that_is_most_about_an_incident_is_followed() -> None:
    room = Room()
    await room.playbook('title = { en = "Any", ko = "모든" }', "any")
    await room.playbook()
    await room.playbook("title = 1", "broken")
    await room.alert(0, "a")
    await room.alert(0, "b", category="fire")
    assert [one["playbook"] for one in room.incidents] in (["any", "flood"], ["flood", "any"])


async def test_a_step_that_is_not_done_in_time_is_told() -> None:
    room = Room()
    await room.playbook()
    await room.alert(0, "a")
    await room.ask(1, room.one, {"do": "acknowledge"})
    await room.until(10)
    barrier, depth = room.one["steps"]
    assert (barrier["overdue"], depth["overdue"]) == (True, False)
    assert room.told_to == ["control-room", "control-room"]
    assert room.course[-1] == "overdue"
    await room.until(60)
    assert room.told_to == ["control-room", "control-room"]


async def test_steps_are_done_with_what_was_found_out() -> None:
    room = Room()
    await room.playbook()
    await room.alert(0, "a")
    await room.ask(2, room.one, {"do": "step", "step": "depth", "value": 42.5})
    depth = room.one["steps"][1]
    assert (depth["done"], depth["by"], depth["value"]) == ("2026-03-02T09:02:00Z", "Kim", 42.5)
    await room.ask(3, room.one, {"do": "step", "step": "depth", "done": False})
    assert room.one["steps"][1]["done"] is None


@pytest.mark.parametrize(
    ("deed", "says"),
    [
        ({"do": "step", "step": "depth", "value": 900}, "from 0 to 500"),
        ({"do": "step", "step": "depth", "value": "deep"}, "a number"),
        ({"do": "step", "step": "barrier", "value": 1}, "no value"),
        ({"do": "step", "step": "pump"}, "there are barrier, depth"),
        ({"do": "agency", "agency": "fire", "state": "accepted"}, "not asked"),
    ],
)
async def test_what_cannot_be_done_is_refused_and_changes_nothing(
    deed: dict[str, Any], says: str
) -> None:
    room = Room()
    await room.playbook()
    await room.alert(0, "a")
    before = room.one["timeline"]
    await room.ask(1, room.one, {"do": "note", "text": "never written"}, deed)
    assert says in room.one["refusal"]["reason"]
    assert (room.one["lastAction"], room.one["timeline"]) == ("a1", before)
    await room.ask(2, room.one, {"do": "note", "text": "written"})
    assert room.one["refusal"]["action"] == "a1"


async def test_the_second_of_two_who_acknowledge_is_told_who_was_first() -> None:
    room = Room()
    await room.alert(0, "a")
    await room.ask(1, room.one, {"do": "acknowledge"})
    await room.ask(1, room.one, {"do": "acknowledge"}, who="Lee")
    assert room.one["owner"] == "Kim"
    assert room.one["refusal"]["reason"] == "the incident is acknowledged already by Kim"


async def test_an_incident_goes_from_hand_to_hand_to_its_end() -> None:
    room = Room()
    await room.alert(0, "a")
    one = room.one
    await room.ask(1, one, {"do": "acknowledge"})
    await room.ask(2, one, {"do": "severity", "severity": "high"})
    await room.alert(3, "b", severity="critical")
    await room.ask(
        4, one, {"do": "handOver", "to": "night", "text": "Pump is running", "tell": True}
    )
    await room.ask(5, one, {"do": "resolve", "text": "Dry again"}, who="Lee")
    await room.ask(6, one, {"do": "close"}, who="Lee")
    one = room.one
    assert (one["severity"], one["owner"], one["status"]) == ("high", "night", "closed")
    assert one["handOver"][0]["text"]["ko"] == "Pump is running"
    assert room.told_to == ["night"]
    names = ("acknowledgedAt", "resolvedAt", "endedAt")
    assert [one[name]["@value"][14:16] for name in names] == ["01", "05", "06"]
    figures = {one.id.rpartition(":")[2]: one["currentValue"] for one in room.played.things(
        "KeyPerformanceIndicator")}  # fmt: skip
    assert figures == {"minutesToAcknowledge": 1.0, "minutesToResolve": 5.0}
    await room.ask(7, one, {"do": "note", "text": "too late"})
    assert "closed already" in room.one["refusal"]["reason"]
    await room.alert(8, "c")
    assert len(room.incidents) == 2  # what is closed does not begin again


async def test_somebody_can_open_an_incident_that_no_alert_tells_of() -> None:
    room = Room()
    await room.playbook()
    id = "urn:ngsi-ld:Incident:20260302-hand"
    place = {"type": "Point", "coordinates": [127.0, 37.5]}
    await room.ask(
        0, id, {"do": "open", "title": {"en": "Water!", "ko": "물!"}, "category": "flood",
                "severity": "high", "location": place},
    )  # fmt: skip
    assert (room.one["title"]["ko"], room.one["playbook"]) == ("물!", "flood")
    assert room.told_to == ["control-room"]
    assert room.one["timeline"][0]["by"] == "Kim"
    await room.alert(1, "a")
    assert (room.one["reports"], room.one["alerts"]) == (2, "urn:ngsi-ld:Alert:s:a")


async def test_an_agency_is_asked_and_its_answers_are_kept() -> None:
    room = Room()
    await room.alert(0, "a")
    await room.ask(1, room.one, {"do": "call", "to": "fire-119", "agency": True})
    assert room.one["agencies"] == {"fire-119": {"state": "asked", "at": "2026-03-02T09:01:00Z"}}
    await room.told(2, room.played.things("Notice")[0], "sent")
    assert room.one["agencies"]["fire-119"]["state"] == "sent"
    answer = {"do": "agency", "agency": "fire-119", "state": "dispatched", "reference": "119-7"}
    await room.ask(3, room.one, answer, who="Fire")
    assert room.one["agencies"]["fire-119"] == {
        "state": "dispatched", "at": "2026-03-02T09:03:00Z", "reference": "119-7",
    }  # fmt: skip


async def test_an_agency_that_the_playbook_tells_may_answer() -> None:
    room = Room(notify="fire-119")
    await room.alert(0, "a")
    answer = {"do": "agency", "agency": "fire-119", "state": "accepted"}
    await room.ask(1, room.one, answer, who="Fire")
    assert room.one["agencies"]["fire-119"]["state"] == "accepted"


async def test_an_alert_that_goes_on_after_its_incident_was_closed_begins_no_other() -> None:
    room = Room()
    await room.alert(0, "a")
    await room.ask(1, room.one, {"do": "acknowledge"}, {"do": "close"})
    await room.alert(2, "a", dateIssued="later")
    assert len(room.incidents) == 1
    await room.alert(3, "a", severity="high")
    assert len(room.incidents) == 2
    for one in room.incidents:
        await room.ask(4, one, {"do": "acknowledge"}, {"do": "close"})
    await room.alert(5, "a", severity="high", status="closed")
    await room.alert(6, "a", severity="high")
    assert len(room.incidents) == 3


async def test_what_a_playbook_makes_public_has_the_title_of_the_playbook() -> None:
    room = Room()
    await room.playbook(PLAYBOOK.replace("notify", "public = true\nnotify", 1))
    await room.alert(0, "a", title=words("Ms. Kim fell", "김 씨가 넘어짐"), description="Ms. Kim")
    told = public(of(room.one))
    assert told["title"] == {"en": "Flood in an underpass", "ko": "지하차도 침수"}
    assert "Kim" not in cap_of(of(room.one), "hub.example").decode()
    await room.ask(1, room.one, {"do": "title", "title": "Road closed"})
    assert public(of(room.one))["title"]["en"] == "Road closed"


async def test_what_is_resolved_is_closed_after_some_days() -> None:
    room = Room(close_days=1)
    await room.alert(0, "a")
    await room.ask(1, room.one, {"do": "resolve"})
    await room.until(24 * 60)
    assert room.one["status"] == "resolved"
    await room.until(24 * 60 + 1)
    assert room.one["status"] == "closed"


async def test_incidents_and_clocks_go_on_after_a_restart() -> None:
    room = Room()
    await room.playbook()
    await room.alert(0, "a")
    room.played.restart()
    await room.until(5)
    assert room.told_to == ["control-room", "duty-officer"]
    room.played.restart()
    await room.ask(6, room.one, {"do": "acknowledge"})
    room.played.restart()
    await room.until(60)
    assert room.told_to.count("head") == 0
    assert room.one["status"] == "acknowledged"


async def test_the_same_day_gives_the_same_incidents() -> None:
    async def day() -> list[Any]:
        room = Room()
        await room.playbook()
        for minute in range(0, 60, 7):
            await room.alert(minute, f"a{minute}", 127 + minute % 3)
        await room.ask(61, room.incidents[0], {"do": "acknowledge"})
        await room.until(120)
        return [one.document for one in room.incidents]

    assert await day() == await day()


# --- incidents of alarms that people choose ------------------------------------------------------


def opened(*alerts: str, severity: str = "low") -> dict[str, Any]:
    return {"do": "open", "title": "Wet yard", "severity": severity, "alerts": list(alerts)}


async def test_an_incident_can_be_opened_of_alarms_that_became_none() -> None:
    room = Room(from_severity="critical")
    await room.alert(0, "a", refersTo={"type": "Relationship", "object": "urn:ngsi-ld:Yard:1"})
    await room.alert(1, "b", lon=128.0, status="closed")
    wanted = opened("urn:ngsi-ld:Alert:s:a", "urn:ngsi-ld:Alert:s:b", "urn:ngsi-ld:Alert:none")
    await room.ask(2, "urn:ngsi-ld:Incident:1", wanted)
    one = room.one
    assert one["alerts"] == ["urn:ngsi-ld:Alert:s:a", "urn:ngsi-ld:Alert:s:b"]
    assert (one["status"], one["severity"], one["reports"]) == ("open", "low", 2)
    assert one["location"]["coordinates"] == [127.0, 37.5]
    assert one["refersTo"] == "urn:ngsi-ld:Yard:1"
    assert room.course == ["opened", "alert", "alert"]


async def test_an_alarm_of_another_incident_stays_there() -> None:
    room = Room()
    await room.alert(0, "a")
    first = room.one.id
    await room.ask(1, "urn:ngsi-ld:Incident:1", opened("urn:ngsi-ld:Alert:s:a"))
    by_id = {one.id: one for one in room.incidents}
    assert by_id[first]["alerts"] == "urn:ngsi-ld:Alert:s:a"
    assert "alerts" not in by_id["urn:ngsi-ld:Incident:1"]


async def test_an_alarm_that_goes_on_joins_the_incident_that_it_was_put_into() -> None:
    room = Room(from_severity="high")
    await room.alert(0, "a")
    await room.ask(1, "urn:ngsi-ld:Incident:1", opened("urn:ngsi-ld:Alert:s:a"))
    await room.alert(2, "a", severity="critical")
    assert (len(room.incidents), room.one["severity"]) == (1, "critical")


async def test_an_alarm_that_is_raised_anew_is_not_over_because_it_once_was() -> None:
    room = Room()
    first: dict[str, Any] = {"dateIssued": "2026-03-02T09:00:00Z"}
    again: dict[str, Any] = {"dateIssued": "2026-03-02T09:20:00Z"}
    ended: dict[str, Any] = {"validTo": "2026-03-02T09:10:00Z", "status": "closed"}
    await room.alert(0, "a", **first)
    await room.alert(10, "a", **first, **ended)
    assert room.one["status"] == "resolved"
    await room.alert(20, "a", **again, validTo="2026-03-02T09:10:00Z")
    assert room.one["status"] == "open"

"""Incidents that turn out to be one are merged; what turns out to be another is split off."""

from __future__ import annotations

from typing import Any

import pytest

from madang.act.incidents.cap import cap_of
from madang.act.incidents.incident import number, of
from madang.act.incidents.report import public
from madang.sense.feeds.cap.document import alert_of, parsed
from madang.services.city import Thing
from tests.act.incident_room import Room


async def two(room: Room, **more: Any) -> tuple[Thing, Thing]:
    """Let a flood be told of at two places that are far from one another."""
    await room.alert(0, "a")
    await room.alert(5, "b", 127.1, **more)
    first, second = sorted(room.incidents, key=lambda one: str(one["startedAt"]))
    return first, second


def merging(other: Thing) -> dict[str, Any]:
    return {"do": "merge", "incident": other.id}


def again(room: Room, *incidents: Thing) -> list[Thing]:
    return [next(one for one in room.incidents if one.id == wanted.id) for wanted in incidents]


async def test_the_one_that_goes_on_has_all_that_both_were_about() -> None:
    room = Room()
    first, second = await two(room, severity="critical")
    await room.ask(6, second, merging(first))
    ended, one = again(room, first, second)
    assert (ended["status"], ended["mergedInto"]) == ("closed", one.id)
    assert (one["status"], one["severity"], one["reports"]) == ("open", "critical", 2)
    assert sorted(one["alerts"]) == ["urn:ngsi-ld:Alert:s:a", "urn:ngsi-ld:Alert:s:b"]
    assert one["startedAt"]["@value"] == "2026-03-02T09:00:00Z"
    assert one["timeline"][-1]["other"] == number(ended.id)
    assert ended["timeline"][-1]["what"] == "mergedInto"
    assert of(ended)["merged"] == one.id


async def test_what_comes_later_of_an_alert_of_either_joins_it() -> None:
    room = Room()
    first, second = await two(room)
    await room.ask(6, first, merging(second))
    await room.alert(7, "b", 127.1, severity="critical")
    await room.alert(8, "a", status="closed")
    await room.alert(9, "b", 127.1, severity="critical", status="closed")
    one, _ = again(room, first, second)
    assert (len(room.incidents), one["severity"]) == (2, "critical")
    assert [entry["what"] for entry in one["timeline"][-2:]] == ["alertOver", "alertOver"]


async def test_nobody_is_called_any_more_about_the_one_that_ended() -> None:
    room = Room(notify="desk", escalate_to="head", escalate_minutes=10)
    first, second = await two(room)
    await room.ask(6, first, {"do": "acknowledge"})
    told = len(room.told_to)
    await room.ask(7, first, merging(second))
    await room.until(60)
    assert len(room.told_to) == told


async def test_whoever_dealt_with_the_other_and_what_they_did_counts_here() -> None:
    room = Room()
    await room.playbook()
    first, second = await two(room)
    await room.ask(
        6, second, {"do": "acknowledge"}, {"do": "step", "step": "depth", "value": 42},
        {"do": "call", "to": "fire-119", "agency": True}, who="Lee",
    )  # fmt: skip
    await room.ask(7, first, merging(second))
    one, _ = again(room, first, second)
    assert (one["status"], one["owner"]) == ("acknowledged", "Lee")
    step = next(step for step in one["steps"] if step["name"] == "depth")
    assert (step["value"], step["by"]) == (42, "Lee")
    assert one["agencies"]["fire-119"]["state"] == "asked"


async def test_everybody_and_agencies_are_told_that_the_other_ended() -> None:
    room = Room()
    first, second = await two(room)
    await room.ask(6, first, {"do": "public", "public": True})
    await room.ask(6, second, {"do": "public", "public": True})
    await room.ask(7, first, merging(second))
    _, ended = again(room, first, second)
    assert alert_of(parsed(cap_of(of(ended), "hub"), "cap")).kind == "Cancel"
    assert public(of(ended))["entries"][-1]["what"] == "mergedInto"


async def test_what_everybody_was_told_of_does_not_end_in_one_that_they_may_not_see() -> None:
    room = Room()
    first, second = await two(room)
    await room.ask(6, second, {"do": "public", "public": True})
    await room.ask(7, first, merging(second))
    one, other = again(room, first, second)
    assert "publish that first" in one["refusal"]["reason"]
    assert (one["reports"], other["status"]) == (1, "open")


@pytest.mark.parametrize("other", ["urn:ngsi-ld:Incident:none", None])
async def test_it_cannot_be_merged_with_none_or_itself(other: str | None) -> None:
    room = Room()
    await room.alert(0, "a")
    await room.ask(1, room.one, {"do": "merge", "incident": other or room.one.id})
    assert room.one["refusal"]["reason"]
    assert room.one["status"] == "open"


async def test_a_merge_does_not_count_as_an_incident_that_was_resolved_at_once() -> None:
    room = Room()
    first, second = await two(room)
    await room.ask(6, first, merging(second))
    assert room.played.things("KeyPerformanceIndicator") == []


async def test_alerts_that_are_another_incident_are_split_off() -> None:
    room = Room(join_metres=50_000, notify="desk")
    await room.alert(0, "a")
    await room.alert(1, "b", 127.1, severity="high")
    apart = "urn:ngsi-ld:Incident:20260302-parted"
    deed = {"do": "split", "alerts": ["urn:ngsi-ld:Alert:s:b"], "incident": apart, "title": "B"}
    before = room.one
    await room.ask(2, before, deed)
    (one,) = again(room, before)
    new = next(thing for thing in room.incidents if thing.id == apart)
    assert (one["alerts"], one["reports"]) == ("urn:ngsi-ld:Alert:s:a", 1)
    assert (new["alerts"], new["reports"]) == ("urn:ngsi-ld:Alert:s:b", 1)
    assert (new["title"]["en"], new["status"], new["category"]) == ("B", "open", "flood")
    assert new["location"]["coordinates"] == [127.1, 37.5]
    assert [entry["what"] for entry in new["timeline"]] == ["opened", "splitFrom"]
    assert one["timeline"][-1]["other"] == "20260302-parted"
    assert room.told_to[-1] == "desk"

    await room.alert(3, "b", 127.1, severity="critical")
    new = next(thing for thing in room.incidents if thing.id == apart)
    assert (new["severity"], len(room.incidents)) == ("critical", 2)


async def test_only_alerts_that_an_incident_has_can_be_split_off() -> None:
    room = Room()
    await room.alert(0, "a")
    apart = "urn:ngsi-ld:Incident:20260302-parted"
    await room.ask(
        1, room.one, {"do": "split", "alerts": ["urn:ngsi-ld:Alert:s:x"], "incident": apart}
    )
    assert "is no alert of this incident" in room.one["refusal"]["reason"]


async def test_a_merge_outlasts_a_restart() -> None:
    room = Room()
    first, second = await two(room)
    await room.ask(6, first, merging(second))
    room.played.restart()
    await room.alert(7, "b", 127.1, severity="high")
    one, _ = again(room, first, second)
    assert (one["severity"], len(room.incidents)) == ("high", 2)

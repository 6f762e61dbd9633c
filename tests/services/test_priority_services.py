"""Emergency corridor, bus priority and green wave as services: what they ask, tell and measure."""

from __future__ import annotations

import math
from typing import Any

from madang.model import time
from madang.services.corridor import bicycles, bus, emergency
from madang.services.corridor.request import PRIORITY, read
from madang.services.played import Played, at

START = at("2026-03-02 18:00")
S = 1_000_000
METRE = 1 / 111_195.0
EAST = METRE / math.cos(math.radians(37.5))
VEHICLE = "urn:ngsi-ld:Vehicle:rescue-1"
RUN = "urn:ngsi-ld:EmergencyRun:1"


def place(u: float, v: float) -> list[float]:
    """Return a place so many metres east and north of the middle."""
    return [127.0 + u * EAST, 37.5 + v * METRE]


def point(u: float, v: float) -> dict[str, Any]:
    return {"type": "GeoProperty", "value": {"type": "Point", "coordinates": place(u, v)}}


def line(*corners: tuple[float, float]) -> dict[str, Any]:
    places = [place(*one) for one in corners]
    return {"type": "GeoProperty", "value": {"type": "LineString", "coordinates": places}}


def json(value: Any) -> dict[str, Any]:
    return {"type": "JsonProperty", "json": value}


async def signal(run: Played, name: str, v: float, waiting: int = 0) -> str:
    """Put a signal on the avenue that runs north through the middle."""
    id = f"urn:ngsi-ld:TrafficSignal:{name}"
    lanes = {f"{name}_0": {"at": place(3, v), "heading": 0.0, "leaves": [0.0]}}
    cross = [[7.0 * number, 0.0, 20] for number in range(waiting)]
    await run.put(
        run.kept.instant, id, "TrafficSignal", stopLines=json(lanes),
        approaches=json({"in": {f"{name}_0": [], f"{name}_cross": cross}, "out": {}}),
    )  # fmt: skip
    return id


def asked(run: Played) -> dict[str, str]:
    """Return the state of all requests, by signal."""
    return {one["refSignal"].rpartition(":")[2]: one["status"] for one in run.things(PRIORITY)}


async def drives(run: Played, second: int, v: float) -> None:
    now = START + second * S
    where = {**point(0, v), "observedAt": time.render(now)}
    await run.put(now, VEHICLE, "Vehicle", location=where)


async def under_way() -> Played:
    """Return a responder that sets out towards three signals."""
    run = Played(emergency.service, START)
    for name, v in (("a", 300), ("b", 600), ("far", 4_000)):
        await signal(run, name, v)
    await drives(run, 0, 0)
    await run.put(
        START + S, RUN, "EmergencyRun", status="underWay", name="Rescue 1",
        refVehicle={"type": "Relationship", "object": VEHICLE},
        plannedRoute=line((0, 0), (0, 4_500)),
    )  # fmt: skip
    return run


async def test_signals_ahead_of_a_responder_are_asked_and_those_behind_given_back() -> None:
    run = await under_way()
    await run.until(START + 2 * S)
    assert asked(run) == {"a": "asked", "b": "asked"}
    await drives(run, 20, 400)
    await run.until(START + 22 * S)
    assert asked(run) == {"a": "over", "b": "asked"}
    (first,) = [one for one in run.things(PRIORITY) if one["refSignal"].endswith(":b")]
    wanted = read(first)
    assert wanted is not None
    assert (wanted.kind, wanted.lane) == ("emergency", "b_0")
    assert first.attribute("reason")["languageMap"]["ko"].startswith("Rescue 1")


async def test_a_responder_that_arrives_has_its_time_written_down_and_nothing_is_left_asked() -> (
    None
):
    run = await under_way()
    await drives(run, 50, 2_000)
    await drives(run, 100, 4_490)
    await run.until(START + 102 * S)
    assert run.thing(RUN)["status"] == "arrived"
    assert set(asked(run).values()) == {"over"}
    opened = next(one for one in run.things("Decision") if "expects" in one and one["outcome"])
    assert opened["outcome"]["status"] == "arrived"
    assert 98 <= opened["outcome"]["seconds"] <= 102


async def test_recovery_is_over_when_queues_are_no_longer_than_before() -> None:
    run = await under_way()
    await drives(run, 20, 4_490)
    await run.until(START + 22 * S)
    await signal(run, "a", 300, waiting=12)
    await run.until(START + 120 * S)
    outcome = [one["outcome"] for one in run.things("Decision") if one["outcome"]]
    assert "recoveredMinutes" not in outcome[0]
    await signal(run, "a", 300, waiting=2)
    await run.until(START + 150 * S)
    outcome = [one["outcome"] for one in run.things("Decision") if one["outcome"]]
    assert outcome[0]["stillLonger"] == []
    assert 1.5 < outcome[0]["recoveredMinutes"] < 2.5


async def test_a_vehicle_that_is_not_heard_of_loses_its_corridor() -> None:
    run = await under_way()
    await run.put(START + 2 * S, RUN, "EmergencyRun", name="Rescue one")
    await run.until(START + 90 * S)
    assert run.thing(RUN)["status"] == "ended"
    assert set(asked(run).values()) == {"over"}


async def test_a_run_without_a_way_says_what_it_lacks() -> None:
    run = Played(emergency.service, START)
    await run.put(START, RUN, "EmergencyRun", status="underWay", plannedRoute=point(0, 0))
    assert "plannedRoute" in run.thing(RUN)["problem"]
    assert run.things("Decision") == []


async def test_a_run_that_is_called_off_or_deleted_gives_signals_back_over_a_restart() -> None:
    run = await under_way()
    await run.until(START + 3 * S)
    run.restart()
    await run.delete(START + 5 * S, RUN)
    assert set(asked(run).values()) == {"over"}
    assert run.kept.state["runs"] == {}


# --- buses --------------------------------------------------------------------------------------


async def drive_bus(run: Played, second: int, v: float, delay: float, full: float) -> None:
    await run.put(
        START + second * S, "urn:ngsi-ld:Vehicle:bus-7", "Vehicle", vehicleType="bus",
        location=point(0, v), heading=0, speed=36, delay=delay, occupancy=full,
    )  # fmt: skip


async def test_a_late_bus_is_asked_for_and_a_punctual_one_is_not() -> None:
    run = Played(bus.service, START)
    await signal(run, "a", 200)
    await drive_bus(run, 1, 0, 30, 90)
    await run.until(START + 11 * S)
    assert asked(run) == {}
    await drive_bus(run, 12, 0, 180, 20)
    await run.until(START + 21 * S)
    assert asked(run) == {"a": "asked"}
    await drive_bus(run, 22, 210, 180, 20)
    await run.until(START + 31 * S)
    assert asked(run) == {"a": "over"}


async def test_a_full_bus_asks_sooner_and_the_decision_says_why() -> None:
    run = Played(bus.service, START)
    await signal(run, "a", 200)
    await drive_bus(run, 1, 0, 70, 85)
    await run.until(START + 6 * S)
    assert asked(run) == {"a": "asked"}
    (decision,) = run.things("Decision")
    assert "85 % full" in decision.attribute("description")["languageMap"]["en"]


# --- bicycles -----------------------------------------------------------------------------------


async def rides(run: Played, second: int, riders: int, head: float) -> None:
    seen = [[head + 5 * number, 5.5, 0, "bicycle"] for number in range(riders)]
    await run.put(
        START + second * S, "urn:ngsi-ld:TrafficSignal:a", "TrafficSignal",
        approaches=json({"in": {"a_0": seen}, "out": {}}),
    )  # fmt: skip


async def test_five_bicycles_get_a_wave_down_their_avenue_and_four_do_not() -> None:
    run = Played(bicycles.service, START)
    for name, v in (("a", 200), ("b", 400), ("c", 3_000)):
        await signal(run, name, v)
    await run.put(START, "urn:ngsi-ld:BikeLane:1", "BikeLane", location=line((0, 0), (0, 4_000)))
    await rides(run, 1, 4, 100)
    assert asked(run) == {}
    await rides(run, 6, 5, 100)
    assert asked(run) == {"a": "asked", "b": "asked"}
    wanted = {one["refSignal"][-1]: read(one) for one in run.things(PRIORITY)}
    assert wanted["a"] is not None
    assert wanted["b"] is not None
    later = wanted["b"].arrives_s - wanted["a"].arrives_s
    assert 200 / 5.5 - 1 < later < 200 / 5.5 + 1
    assert len(run.things("Decision")) == 1


async def test_a_group_that_rides_on_is_one_group_and_not_told_again_for_nothing() -> None:
    run = Played(bicycles.service, START)
    await signal(run, "a", 200)
    await run.put(START, "urn:ngsi-ld:BikeLane:1", "BikeLane", location=line((0, 0), (0, 4_000)))
    await rides(run, 1, 6, 120)
    written = len(run.written)
    await rides(run, 6, 6, 92)
    assert len(run.written) == written
    assert len(run.things("Decision")) == 1

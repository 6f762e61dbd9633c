"""Emergency corridor: a responder's way gets green ahead of it, and the network recovers after.

Who may ask is who may write an ``EmergencyRun``: the dispatch of fire brigade, rescue and police.
A vehicle cannot give itself green. While a run is under way its vehicle is looked at each second;
what is asked of signals is a ``SignalPriority``, which their service weighs and their interlock
grants. Afterwards the queues of the streets that had to wait are followed until they are as before.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, TypedDict

from madang.services import tally
from madang.services.city import Change, City, Thing
from madang.services.corridor import ahead, request, words
from madang.services.corridor.ahead import Timing
from madang.services.corridor.request import PRIORITY, SIGNAL, seen_of
from madang.services.corridor.way import Approach, Stop, Way, read, stops
from madang.services.place import middle
from madang.services.service import Indicator, Service, Text

RUN, VEHICLE = "EmergencyRun", "Vehicle"
UNDER_WAY, ARRIVED, ENDED = "underWay", "arrived", "ended"
EVERY_S = 1.0
THERE_M = 30.0  # from the end of the way it has arrived
OFF_M = 80.0  # from its way it takes another
LOST_S = 60.0  # nothing heard of the vehicle: no corridor for nobody
LONGEST_S = 3_600.0
RECOVERED = 1.2  # queues are as before if no longer than so many times what they were …
QUEUE_SLACK = 3  # … and so many vehicles
LOOK_S, RECOVERY_S = 15.0, 900.0
MOST = 200  # runs under way
S = 1_000_000  # [us]

service = Service(
    "corridor",
    title=Text("Emergency corridor", "긴급차량 우선신호"),
    purpose=Text(
        "Gives responders green ahead of them, and lets the network recover behind them.",
        "긴급차량 앞의 신호를 녹색으로 바꾸고, 지나간 뒤 교통을 회복시킵니다.",
    ),
    category="safety",
    needs=[RUN, VEHICLE, SIGNAL],
    gives=[RUN, PRIORITY],
    options=Timing,
    indicators=[
        Indicator("runs", Text("Runs in 28 days", "28일간 출동"), "C62", "higher"),
        Indicator("secondsPerKm", Text("Time per kilometre", "1 km당 소요 시간"), "SEC", "lower"),
        Indicator("recoveryMinutes", Text("Recovery", "출동 후 회복 시간"), "MIN", "lower"),
    ],
    operator=Text("Fire brigade and traffic department", "소방서와 교통 부서"),
    cost=Text(
        "Nothing beyond signals that can be told; responders tell where they are.",
        "원격 제어 신호기 외 추가 비용 없음. 긴급차량은 위치를 알립니다.",
    ),
)  # fmt: skip


class Asked(TypedDict):
    """What is asked of one signal."""

    lane: str
    opens: float
    """When green is needed. [s since 1970]"""
    queue: int
    """That waited in all its lanes when it was first asked."""


class Run(TypedDict):
    """A responder on its way."""

    name: str
    vehicle: str
    line: list[list[float]]
    stops: list[list[Any]]
    """As :class:`~madang.services.corridor.way.Stop`."""
    metres: float
    since: int  # [us since 1970]
    heard: int  # [us since 1970]
    decision: str
    asked: dict[str, Asked]
    """By signal, those ahead."""
    waited: dict[str, int]
    """By signal passed: how long its queues were before."""


@service.on(RUN, attributes=["status"])
async def run(city: City, change: Change) -> None:
    """Open the corridor of a run that begins; close that of one which somebody has ended."""
    runs: dict[str, Run] = city.state.setdefault("runs", {})
    status = change.put["status"]
    if status == UNDER_WAY and change.id not in runs and len(runs) < MOST:
        if (thing := await city.get(change.id)) is not None:
            await _open(city, thing)
    elif status in (ARRIVED, ENDED) and change.id in runs:
        _close(city, change.id, status)


@service.on(RUN)
async def gone(city: City, change: Change) -> None:
    """Close the corridor of a run that was deleted."""
    if change.kind == "deleted" and change.id in city.state.get("runs", {}):
        _close(city, change.id, ENDED)


@service.timer
async def follow(city: City, id: str) -> None:
    """Look where a responder is, and ask the signals ahead of it."""
    found: Run | None = city.state.get("runs", {}).get(id)
    if found is None:
        return
    vehicle = await city.get(found["vehicle"])
    place = None if vehicle is None else middle(vehicle)
    observed = None if vehicle is None else vehicle.observed("location")
    if observed is not None and round(observed.timestamp() * S) > found["since"] - 60 * S:
        found["heard"] = max(found["heard"], round(observed.timestamp() * S))
    way = Way(found["line"])
    if place is not None:
        found["metres"] = way.metres_of(place, max(0.0, found["metres"] - THERE_M))
    if place is not None and way.metres - found["metres"] <= THERE_M:
        _close(city, id, ARRIVED)
        city.update(id, RUN, status=ARRIVED)
    elif _is_lost(city, found) or (place is not None and way.off(place) > OFF_M):
        _close(city, id, ENDED)
        city.update(id, RUN, status=ENDED)
    else:
        await _ask(city, id, found)
        city.at(timedelta(seconds=EVERY_S), "follow", id, id=id)


@service.timer
async def recover(city: City, decision: str, waited: dict[str, int], since: int) -> None:
    """See whether queues of the streets that had to wait are as they were before."""
    longer = [
        signal
        for signal, before in waited.items()
        if await _queue(city, signal) > before * RECOVERED + QUEUE_SLACK
    ]
    passed_s = (city.instant - since) / S
    if longer and passed_s < RECOVERY_S:
        city.at(
            timedelta(seconds=LOOK_S), "recover", f"recover:{decision}",
            decision=decision, waited=waited, since=since,
        )  # fmt: skip
        return
    known = await city.get(decision)
    outcome = dict(known["outcome"] or {}) if known is not None else {}
    minutes = round(passed_s / 60, 1)
    city.learn(decision, **{**outcome, "recoveredMinutes": minutes, "stillLonger": longer})
    _measure(city, recovered=1, recovery=minutes)


async def _open(city: City, thing: Thing) -> None:
    """Find the signals on the way of a run, and begin to ask them."""
    line = thing["plannedRoute"]
    places = line.get("coordinates") if isinstance(line, dict) else None
    vehicle = thing["refVehicle"]
    if not isinstance(vehicle, str) or not isinstance(places, list):
        city.update(thing.id, RUN, problem="it needs refVehicle and plannedRoute, a LineString")
        return
    try:
        way = Way(places)
    except (ValueError, TypeError, IndexError) as error:
        city.update(thing.id, RUN, problem=f"plannedRoute: {error}")
        return
    on_way = stops(way, await _approaches(city))
    name = thing["name"] if isinstance(thing["name"], str) else thing.id.rpartition(":")[2]
    decision = city.decide(
        words.opened(name, len(on_way), way.metres),
        because=[(thing, "plannedRoute"), (thing, "refVehicle")],
        expects={"signals": [one.signal for one in on_way]},
    )
    city.state["runs"][thing.id] = Run(
        name=name, vehicle=vehicle, line=places, stops=[list(one) for one in on_way], metres=0.0,
        since=city.instant, heard=city.instant, decision=decision, asked={}, waited={},
    )  # fmt: skip
    city.at(timedelta(0), "follow", thing.id, id=thing.id)


async def _approaches(city: City) -> list[Approach]:
    return [
        one for signal in await city.find(SIGNAL) for one in read(signal.id, signal["stopLines"])
    ]


async def _ask(city: City, id: str, found: Run) -> None:
    """Ask the signals ahead, and take back what was asked of those behind."""
    on_way = [Stop(signal, tuple(lanes), at) for signal, lanes, at in found["stops"]]
    coming = [one for one in on_way if one.metres > found["metres"]]
    seen = {}
    for stop in coming[: _near(coming, found["metres"], city.options)]:
        if (signal := await city.get(stop.signal)) is not None:
            seen[stop.signal] = seen_of(signal)
    now = city.instant / S
    wanted = ahead.corridor(on_way, found["metres"], now, seen, city.options)
    for one in wanted:
        known = found["asked"].get(one.signal)
        if known is not None and abs(known["opens"] - one.arrives_s) < 2 * EVERY_S:
            continue
        queue = ahead.queue(seen.get(one.signal), (one.lane,), 1e9)
        before = await _queue(city, one.signal) if known is None else known["queue"]
        found["asked"][one.signal] = Asked(lane=one.lane, opens=one.arrives_s, queue=before)
        distance = next(s.metres for s in coming if s.signal == one.signal) - found["metres"]
        request.ask(
            city, f"{service.name}:{id.rpartition(':')[2]}", one,
            words.ahead(found["name"], distance * 3.6 / city.options.pace_kmh, queue),
        )  # fmt: skip
    ahead_of_it = {stop.signal for stop in coming}
    for passed in [one for one in found["asked"] if one not in ahead_of_it]:
        _let_go(city, id, found, passed)


def _near(coming: list[Stop], metres: float, timing: Timing) -> int:
    """Return how many of the signals ahead are looked at."""
    reach = timing.pace_kmh / 3.6 * timing.horizon_s * 2
    return sum(1 for one in coming if one.metres - metres <= reach)


def _let_go(city: City, id: str, found: Run, signal: str) -> None:
    """Take back what was asked of a signal."""
    asked = found["asked"].pop(signal)
    found["waited"][signal] = asked["queue"]
    over = ahead.over(signal, asked["lane"], "emergency", city.instant / S)
    request.ask(
        city, f"{service.name}:{id.rpartition(':')[2]}", over, words.ahead(found["name"], 0, 0)
    )


def _close(city: City, id: str, status: str) -> None:
    """Give all signals of a run back, and see to it that the network recovers."""
    found: Run = city.state["runs"].pop(id)
    city.cancel(id)
    for signal in list(found["asked"]):
        _let_go(city, id, found, signal)
    seconds = (city.instant - found["since"]) / S
    city.learn(found["decision"], status=status, seconds=round(seconds, 1),
               metres=round(found["metres"]))  # fmt: skip
    if status == ARRIVED:
        city.decide(words.arrived(found["name"], seconds), expects={"run": id})
        _measure(city, runs=1, seconds=seconds, km=found["metres"] / 1000)
    if found["waited"]:
        city.at(
            timedelta(seconds=LOOK_S), "recover", f"recover:{found['decision']}",
            decision=found["decision"], waited=found["waited"], since=city.instant,
        )  # fmt: skip


def _is_lost(city: City, found: Run) -> bool:
    silent = (city.instant - found["heard"]) / S
    return silent > LOST_S or (city.instant - found["since"]) / S > LONGEST_S


async def _queue(city: City, signal: str) -> int:
    """Return how many wait before a signal, on all its lanes."""
    thing = await city.get(signal)
    if thing is None:
        return 0
    lanes = seen_of(thing).lanes.values()
    return sum(1 for lane in lanes for one in lane if one.speed < ahead.STANDING)


def _measure(city: City, **counts: float) -> None:
    sums = tally.add(city, **counts)
    city.measure("runs", sums.get("runs", 0))
    if sums.get("km"):
        city.measure("secondsPerKm", round(sums["seconds"] / sums["km"], 1))
    if sums.get("recovered"):
        city.measure("recoveryMinutes", round(sums["recovery"] / sums["recovered"], 1))

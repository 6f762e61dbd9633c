"""Green wave for bicycles: five or more who ride together pass the signals of their avenue.

A group is what the detectors of a lane see: bicycles that follow one another closely. The signal
they come to is asked, and those behind it on the same ``BikeLane``, at the pace of the group.
"""

from __future__ import annotations

from typing import Any

from madang.services import tally
from madang.services.city import Change, City, Thing
from madang.services.corridor import request, words
from madang.services.corridor.ahead import wave
from madang.services.corridor.platoon import Group, groups
from madang.services.corridor.request import PRIORITY, SIGNAL, seen_of
from madang.services.corridor.way import Stop, Way, read, stops
from madang.services.service import Indicator, LocalOptions, Service, Text, option
from madang.services.signals.signal import Seen

AVENUE = "BikeLane"
"""Smart Data Models, dataModel.Transportation."""
MOST = 200  # avenues
APART_S = 4.0  # a forecast that moves less is not told again
SAME_S = 30.0  # a group that is asked for again so soon is the same
S = 1_000_000  # [us]


class Riding(LocalOptions):
    """Which groups get a wave, and how far."""

    riders: int = option(5, "Riders", "최소 인원", "So many are a group.", ge=2, le=100)
    gap_m: float = option(
        40.0, "Gap", "간격", "Between two riders of a group at most. [m]", ge=3, le=100
    )
    horizon_s: float = option(
        75.0, "Horizon", "예측 범위", "Signals are asked so long ahead. [s]", ge=10, le=300
    )
    margin_s: float = option(
        7.0, "Margin", "여유 시간", "Green is there so much before the group. [s]", ge=0, le=30
    )


service = Service(
    "green_wave",
    title=Text("Green wave for bicycles", "자전거 녹색 신호 연동"),
    purpose=Text(
        "Lets five or more people who ride together pass an avenue without a stop.",
        "함께 달리는 자전거 5대 이상이 대로를 멈추지 않고 지나가게 합니다.",
    ),
    category="transport",
    needs=[AVENUE, SIGNAL],
    gives=[PRIORITY],
    options=Riding,
    indicators=[
        Indicator("groups", Text("Groups in 28 days", "28일간 자전거 무리"), "C62", "higher"),
    ],
    operator=Text("Traffic department", "교통 부서"),
    cost=Text(
        "Nothing beyond detectors that tell bicycles from cars.",
        "자전거를 구분하는 감지기 외 추가 비용 없음.",
    ),
)


@service.on(AVENUE)
async def avenue(city: City, change: Change) -> None:
    """Take over where an avenue runs."""
    avenues: dict[str, list[list[Any]]] = city.state.setdefault("avenues", {})
    if change.kind == "deleted":
        avenues.pop(change.id, None)
    elif change.id in avenues or len(avenues) < MOST:
        thing = await city.get(change.id)
        if thing is not None:
            avenues[change.id] = await _stops(city, thing)


@service.every("10m")
async def again(city: City) -> None:
    """Look at the avenues again: signals may have come since."""
    for id in city.state.get("avenues", {}):
        if (thing := await city.get(id)) is not None:
            city.state["avenues"][id] = await _stops(city, thing)
    city.measure("groups", tally.add(city).get("groups", 0))


@service.on(SIGNAL, attributes=["approaches"])
async def signal(city: City, change: Change) -> None:
    """Look for groups at a signal that tells what it sees."""
    for rows in city.state.get("avenues", {}).values():
        on_way = [Stop(signal, tuple(lanes), metres) for signal, lanes, metres in rows]
        for number, stop in enumerate(on_way):
            if stop.signal == change.id:
                for group in coming(seen_of(change.put), stop, city.options):
                    _ask(city, on_way, number, group)


def coming(seen: Seen, stop: Stop, riding: Riding) -> list[Group]:
    """Return the groups of bicycles before a stop line."""
    riders = [
        (one.distance, one.speed)
        for lane in stop.lanes
        for one in seen.lanes.get(lane, ())
        if one.kind == "bicycle"
    ]
    return groups(riders, riding.riders, riding.gap_m)


def _ask(city: City, on_way: list[Stop], number: int, group: Group) -> None:
    """Ask the signals ahead of a group, those that were not told the same already."""
    told: dict[str, list[float]] = city.state.setdefault("told", {})
    now, options = city.instant / S, city.options
    for one in wave(on_way, number, group, now, options.horizon_s, options.margin_s):
        arrives, until = told.get(f"{one.signal} {one.lane}", [0.0, 0.0])
        if abs(arrives - one.arrives_s) < APART_S and one.until <= until + APART_S:
            continue
        seconds = one.arrives_s - now
        text = words.riders(group.riders, seconds)
        request.ask(city, service.name, one, text)
        first = on_way[number]
        if (one.signal, one.lane) == (first.signal, first.lanes[0]) and now - until > SAME_S:
            city.decide(text, expects={"signals": [stop.signal for stop in on_way[number:]]})
            city.measure("groups", tally.add(city, groups=1)["groups"])
        told[f"{one.signal} {one.lane}"] = [one.arrives_s, one.until]


async def _stops(city: City, thing: Thing) -> list[list[Any]]:
    line = thing["location"]
    places = line.get("coordinates") if isinstance(line, dict) else None
    lanes = [
        one for signal in await city.find(SIGNAL) for one in read(signal.id, signal["stopLines"])
    ]
    try:
        return [list(one) for one in stops(Way(places or []), lanes)]
    except (ValueError, TypeError, IndexError):
        return []

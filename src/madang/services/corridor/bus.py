"""Bus priority: a bus that is late or full is asked to be let through; one in time waits like all.

Conditional priority, as in the Transit Signal Priority handbook (Smith, Hemily, Ivanovic, US DOT,
2005): a bus that is early must not be made earlier, and a seat that is empty is worth no green.
"""

from __future__ import annotations

import math
from typing import Final

from madang.services import tally
from madang.services.city import City, Thing
from madang.services.corridor import ahead, request, words
from madang.services.corridor.request import PRIORITY, SIGNAL
from madang.services.corridor.way import Approach, Stop, Way, read, stops
from madang.services.place import middle
from madang.services.service import Indicator, LocalOptions, Service, Text, option

VEHICLE: Final = "Vehicle"
SIGHT_M: Final = 250.0  # it looks so far along its heading
_METRE: Final = 111_195.0  # of a degree of latitude
S = 1_000_000  # [us]


class Rules(LocalOptions):
    """Which buses are let through."""

    late_s: float = option(
        120, "Late", "지연 기준", "A bus later than this asks. [s]", ge=0, le=3600
    )
    full_late_s: float = option(
        60, "Full and late", "혼잡 시 지연 기준", "A full one asks sooner. [s]", ge=0, le=3600
    )
    full: float = option(70, "Full", "혼잡 기준", "Places taken. [%]", ge=0, le=150)
    horizon_s: float = option(
        30, "Horizon", "예측 범위", "Signals are asked so long ahead. [s]", ge=5, le=120
    )


service = Service(
    "bus_priority",
    title=Text("Bus priority", "버스 우선신호"),
    purpose=Text(
        "Lets late and full buses through at signals, and those in time wait like everybody.",
        "지연되거나 혼잡한 버스만 신호에서 먼저 통과시키고, 정시 버스는 그대로 둡니다.",
    ),
    category="transport",
    needs=[VEHICLE, SIGNAL],
    gives=[PRIORITY],
    options=Rules,
    indicators=[
        Indicator("requests", Text("Requests in 28 days", "28일간 요청"), "C62", "lower"),
        Indicator("late", Text("Buses late now", "현재 지연 버스"), "C62", "lower"),
    ],
    operator=Text("Bus operator and traffic department", "버스 운영사와 교통 부서"),
    cost=Text(
        "Nothing beyond buses that tell where they are and how late.",
        "위치와 지연을 알리는 버스 외 추가 비용 없음.",
    ),
)


@service.every("5s")
async def look(city: City) -> None:
    """Ask the next signals of buses that have reason to."""
    wants = f"delay>={min(city.options.late_s, city.options.full_late_s):g}"
    found = await city.find(VEHICLE, f'vehicleType=="bus";{wants}')
    late = [one for one in found if is_due(one, city.options)]
    asked: dict[str, list[str]] = city.state.setdefault("asked", {})
    lanes = [
        one for signal in (await city.find(SIGNAL) if late else [])
        for one in read(signal.id, signal["stopLines"])
    ]  # fmt: skip
    new = sum(_ask(city, bus, lanes, asked) for bus in late)
    for id in asked.keys() - {one.id for one in late}:
        _let_go(city, id, asked.pop(id))
    if new or city.state.get("late") != len(late):
        city.state["late"] = len(late)
        city.measure("late", len(late))
        city.measure("requests", tally.add(city, requests=new).get("requests", 0))


def is_due(bus: Thing, rules: Rules) -> bool:
    """Tell whether a bus has reason to be let through."""
    late, full = bus["delay"], bus["occupancy"]
    if not isinstance(late, int | float):
        return False
    is_full = isinstance(full, int | float) and full >= rules.full
    return late >= (rules.full_late_s if is_full else rules.late_s)


def next_stop(bus: Thing, lanes: list[Approach]) -> tuple[Stop, float] | None:
    """Return the stop line that a bus comes to along its heading, and how far it is. [m]"""
    place, heading = middle(bus), bus["heading"]
    if place is None or not isinstance(heading, int | float):
        return None
    north = SIGHT_M / _METRE * math.cos(math.radians(heading))
    east = SIGHT_M / _METRE * math.sin(math.radians(heading)) / math.cos(math.radians(place[1]))
    reach = 1.5 * SIGHT_M / _METRE
    near = [one for one in lanes if abs(one.at[1] - place[1]) < reach
            and abs(one.at[0] - place[0]) < 2 * reach]  # fmt: skip
    found = stops(Way([place, (place[0] + east, place[1] + north)]), near)
    first = next((one for one in found if one.metres > 0.0), None)
    return None if first is None else (first, first.metres)


def _ask(city: City, bus: Thing, lanes: list[Approach], asked: dict[str, list[str]]) -> bool:
    """Ask the next signal of a bus; return whether it was not asked before."""
    found, speed = next_stop(bus, lanes), bus["speed"]
    wanted = None
    if found is not None:
        pace = speed / 3.6 if isinstance(speed, int | float) else 0.0
        wanted = ahead.bus(found[0], 0.0, pace, city.instant / S, False, city.options.horizon_s)
    before = asked.pop(bus.id, None)
    if before is not None and (wanted is None or before != [wanted.signal, wanted.lane]):
        _let_go(city, bus.id, before)
    if wanted is None:
        return False
    asked[bus.id] = [wanted.signal, wanted.lane]
    load = bus["occupancy"] if isinstance(bus["occupancy"], int | float) else None
    name = bus["name"] if isinstance(bus["name"], str) else bus.id.rpartition(":")[2]
    arrives = wanted.arrives_s - city.instant / S
    request.ask(city, service.name, wanted, words.bus(name, bus["delay"], load, arrives))
    if before != asked[bus.id]:
        reason = [(bus, one) for one in ("delay", "occupancy") if bus[one] is not None]
        city.decide(words.bus(name, bus["delay"], load, arrives), because=reason,
                    expects={"signal": wanted.signal})  # fmt: skip
        return True
    return False


def _let_go(city: City, id: str, asked: list[str]) -> None:
    over = ahead.over(asked[0], asked[1], "bus", city.instant / S)
    request.ask(city, service.name, over, words.OVER)

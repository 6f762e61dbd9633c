"""Waste collection: when each container will be full, and rounds to those that will be.

Levels come from the sensors of ``WasteContainer``s. How a container fills is learned by
:mod:`madang.services.waste.forecast`, rounds are made by :mod:`madang.services.waste.rounds`.
"""

from __future__ import annotations

from datetime import date
from math import isfinite
from typing import Any

from madang.model import time
from madang.services import records
from madang.services.city import Change, City, Thing
from madang.services.place import middle
from madang.services.service import Indicator, Service, Text
from madang.services.waste import forecast
from madang.services.waste import words as waste_words
from madang.services.waste.options import Collection
from madang.services.waste.plan import DAY, Container, ahead, filling, fixed, new, planned, ways
from madang.services.waste.rounds import Round, plan
from madang.services.waste.words import Due

MOST = 2_000  # containers: a search over more takes too long
GAP_S = 6 * 3600  # after which nobody knows since when a container has been full
SHOWN = 200  # levels that a decision refers to
PERIOD = 28  # of the figures [d]
CONTAINER = "WasteContainer"
USED = {"fillingLevel", "location", "name", "binCapacity", "actuationHours"}
SAVED = Text("Kilometres saved against fixed rounds in 28 days", "고정 수거 대비 28일간 절감 거리")
FULL = Text("Time in which containers are full, in 28 days", "28일간 수거함이 가득 차 있던 시간")

service = Service(
    "waste",
    title=Text("Waste collection", "스마트 쓰레기 수거"),
    purpose=Text(
        "Foresees when containers will be full, and sends vehicles only to those.",
        "수거함이 언제 가득 찰지 예측하여 필요한 곳에만 차량을 보냅니다.",
    ),
    category="environmentAndEnergy",
    needs=[CONTAINER, "TravelMatrix"],
    gives=[CONTAINER, "Route"],
    options=Collection,
    indicators=[
        Indicator("saved", SAVED, "KMT", "higher"),
        Indicator("full", FULL, "P1", "lower"),
    ],
    operator=Text("Waste department or its contractor", "청소행정 부서 또는 위탁 업체"),
    cost=Text(
        "A level sensor per container, and the time of whoever plans rounds.",
        "수거함마다 적재량 감지기, 수거 계획 담당자의 업무 시간.",
    ),
)


@service.on(CONTAINER)
async def heard(city: City, change: Change) -> None:
    """Learn from a level how a container fills, and see that it was emptied."""
    containers: dict[str, Container] = city.state.setdefault("containers", {})
    if change.kind == "deleted":
        containers.pop(change.id, None)
        return
    if not USED.intersection(change.put):
        return
    if change.id not in containers:
        if len(containers) >= MOST:
            return
        containers[change.id] = new(change.id)
        _describe(containers[change.id], await city.get(change.id) or change.put)
    one, put = containers[change.id], change.put
    _describe(one, put)
    level, seen = put["fillingLevel"], put.observed("fillingLevel") or city.now
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0 <= level <= 1.5:
        return  # a faulty sender must not stop the service
    if seen.timestamp() > one["at"]:
        _take(city, change.id, one, min(float(level), 1.0), seen.timestamp())


def _describe(one: Container, put: Thing) -> None:
    if isinstance(put["name"], str):
        one["name"] = put["name"]
    if isinstance(put["actuationHours"], str):
        one["hours"] = put["actuationHours"]
    if isinstance(put["binCapacity"], int | float) and 0 < put["binCapacity"] < 1e6:
        one["litres"] = put["binCapacity"]
    one["place"] = middle(put) or one["place"]


def _take(city: City, id: str, one: Container, level: float, at: float) -> None:
    """Take a level over. A span ends when its container is emptied or full, or after a day."""
    options, before, since = city.options, one["level"], one["at"]
    full = before is not None and before >= options.full
    if before is not None:
        times = city.state.setdefault("times", {"known": 0.0, "full": 0.0})
        times["known"] += at - since
        times["full"] += (at - since) * full
    if before is None or before - level >= options.emptied_drop:
        if before is not None:
            if not full:
                _learn(city, one, before, since)
            city.state.setdefault("emptied", {})[id] = before
            city.update(id, CONTAINER, dateLastEmptying=records.moment(city.instant))
        one["first"] = [level, at]
    elif full:
        one["first"] = [level, at]
    elif level >= options.full or at - one["first"][1] >= DAY:
        _learn(city, one, level, at, at_least=level >= 1 and at - since > GAP_S)
        one["first"] = [level, at]
    one["level"], one["at"] = level, at


def _learn(city: City, one: Container, level: float, at: float, at_least: bool = False) -> None:
    everyone = city.state.setdefault("everyone", forecast.nothing())
    first, start = one["first"]
    forecast.learn(one["sums"], everyone, (at - start) / DAY, level - first, at_least)


@service.every("1h")
async def tell(city: City) -> None:
    """Write when containers will be full, of those that were heard of."""
    containers: dict[str, Container] = city.state.get("containers", {})
    heard_of = {
        id: one
        for id, one in sorted(containers.items())
        if one["level"] is not None and one["at"] > one["told"]
    }
    rooms = [(ahead(city, one, 0)[0], filling(city, one)) for one in heard_of.values()]
    found = await city.compute(forecast.ranges, rooms) if rooms else []
    for (id, one), (_, how), days in zip(heard_of.items(), rooms, found, strict=True):
        one["told"] = one["at"]
        _tell(city, id, one["at"], how.rate, days)


def _tell(city: City, id: str, at: float, a_day: float, days: tuple[float, float, float]) -> None:
    rate = {"type": "Property", "value": round(a_day, 4), "unitCode": "E91"}
    city.update(id, CONTAINER, fillingRate=rate)
    if not isfinite(days[0]):  # it hardly fills at all
        city.remove(id, CONTAINER, "fullAt")
        return
    half, early, late = (
        records.moment(round((at + min(day, forecast.LONGEST) * DAY) * 1e6)) for day in days
    )
    city.update(id, CONTAINER, fullAt=half | {"earliest": early, "latest": late})


@service.every("0 4 * * *", local=True)
async def rounds(city: City) -> None:
    """Make the rounds of the day, and tell what came of those before."""
    _learn_from_rounds(city)
    options: Collection = city.options
    today = city.local.date()
    containers: dict[str, Container] = city.state.get("containers", {})
    known = {id: one for id, one in sorted(containers.items())
             if one["level"] is not None and one["place"] is not None}  # fmt: skip
    if options.depot is None or not known or today.isoweekday() not in options.weekdays:
        return
    way = await ways(city)
    fixed_km = await fixed(city, known, way)
    stops, due = planned(city, known, today)
    fleet = options.fleet(options.depot, options.vehicles)
    found: list[Round] = await city.compute(plan, stops, fleet, way, options.iterations)
    for number, drive in enumerate(found, 1):
        _send(city, today, number, drive, due, known, fixed_km)
    if not found and not due:
        city.decide(waste_words.no_round(today, len(known), options.risk))
    reached = {id for drive in found for id, _ in drive.stops}
    _warn(city, today, [one.name for one in due.values() if one.id not in reached])
    _measure(city, sum(drive.metres for drive in found) / 1000, fixed_km)


def _send(
    city: City,
    today: date,
    number: int,
    drive: Round,
    due: dict[str, Due],
    known: dict[str, Container],
    fixed_km: float,
) -> None:
    """Write a round, and the decision for it."""
    options: Collection = city.options
    assert options.depot is not None
    id, name = f"urn:ngsi-ld:Route:waste:{today}:{number}", waste_words.named(today, number)
    levels = {one: _level(city, known[one], today, second) for one, second in drive.stops}
    must = [due[one] for one, _ in drive.stops if one in due]
    decision = city.decide(
        waste_words.round_(today, number, drive, must, options.risk, fixed_km),
        because=[(_seen(one, known[one]), "fillingLevel") for one, _ in drive.stops[:SHOWN]],
        expects={"kilometres": round(drive.metres / 1000, 2), "containers": len(drive.stops),
                 "meanLevel": round(sum(levels.values()) / len(levels), 3)},
        undo={id: {"status": "cancelled"}},
    )  # fmt: skip
    line = [options.depot, *(known[one]["place"] for one, _ in drive.stops), options.depot]
    city.update(
        id,
        "Route",
        name=records.text(name),
        status="planned",
        location={"type": "GeoProperty", "value": {"type": "LineString", "coordinates": line}},
        stops=records.json([
            {"container": one, "name": known[one]["name"], "at": waste_words.clock(second),
             "expectedLevel": levels[one], "due": one in due}
            for one, second in drive.stops
        ]),
        length={"type": "Property", "value": round(drive.metres / 1000, 2), "unitCode": "KMT"},
        load={"type": "Property", "value": drive.litres, "unitCode": "LTR"},
        startsAt=_time(city, today, drive.start),
        endsAt=_time(city, today, drive.end),
        decision=records.link(decision),
    )  # fmt: skip
    city.state.setdefault("sent", {})[decision] = levels


def _level(city: City, one: Container, today: date, second: int) -> float:
    """Return the level that a container should have when it is reached."""
    midnight = city.local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    days = (midnight + second - one["at"]) / DAY
    return round(min((one["level"] or 0.0) + filling(city, one).rate * days, 1.0), 3)


def _seen(id: str, one: Container) -> Thing:
    """Return the level of a container as it was heard, for the decision."""
    at = time.render(round(one["at"] * 1e6))
    level = {"type": "Property", "value": one["level"], "observedAt": at}
    return Thing({"id": id, "type": CONTAINER, "fillingLevel": level})


def _time(city: City, today: date, second: int) -> dict[str, Any]:
    midnight = city.local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp()
    return records.moment(round((midnight + second) * 1e6))


def _learn_from_rounds(city: City) -> None:
    """Compare the levels that were found with those that were expected."""
    emptied: dict[str, float] = city.state.pop("emptied", {})
    for decision, levels in city.state.pop("sent", {}).items():
        found = {id: emptied[id] for id in levels if id in emptied}
        outcome: dict[str, Any] = {
            "collected": len(found),
            "notCollected": len(levels) - len(found),
        }
        if found:
            errors = [abs(level - levels[id]) for id, level in found.items()]
            outcome["meanLevel"] = round(sum(found.values()) / len(found), 3)
            outcome["meanError"] = round(sum(errors) / len(errors), 3)
        city.learn(decision, **outcome)


def _warn(city: City, today: date, names: list[str]) -> None:
    """Tell that rounds do not reach all containers that have to be emptied."""
    if names:
        title, text = waste_words.left(today, names)
        city.alert("left", kind="wasteOverflow", severity="medium", title=title, text=text)
    elif city.state.get("left"):
        city.end_alert("left")
    city.state["left"] = bool(names)


def _measure(city: City, km: float, fixed_km: float) -> None:
    days: list[list[float]] = city.state.setdefault("days", [])
    times = city.state.pop("times", {"known": 0.0, "full": 0.0})
    days.append([km, fixed_km, times["known"], times["full"]])
    del days[:-PERIOD]
    city.measure("saved", round(sum(fixed_km - km for km, fixed_km, _, _ in days), 1))
    if known := sum(one[2] for one in days):
        city.measure("full", round(100 * sum(one[3] for one in days) / known, 2))

"""Water: leaks of a network from night flow and pressure: since when, in which district, how large.

A ``WaterDistrict`` names what flows in and out; its pressures are those of ``Junction`` entities.
What is told is averaged over days and judged every morning by :mod:`madang.services.water.leak`.
Where the network is known (``Junction``, ``Pipe``, ``Valve``, ``Pump``, ``Tank``, ``Reservoir``), a
leak has a place as well.
"""

from __future__ import annotations

from datetime import timedelta
from math import pi
from typing import Any, TypedDict

from madang.services.city import Change, City, Thing
from madang.services.records import link, moment
from madang.services.schedule import MICROSECONDS
from madang.services.service import Indicator, LocalOptions, Service, Text, option
from madang.services.water import leak as water_leak
from madang.services.water import words
from madang.services.water.hydraulics import EXPONENT
from madang.services.water.leak import NIGHT, PRESSURES, Finding, Leak, Limits, Model, Row
from madang.services.water.network import Whole, number, read

LOOK = timedelta(minutes=30)
MORNING = 6  # o'clock, when a day begins
NOTHING = -1e12
HOLD_S = 2 * 3600  # so long a value counts if no new one comes
MOST_SENSORS = 200  # of a district
RECENT_DAYS = 40  # that are kept


class District(TypedDict):
    """What is kept of a district."""

    meters: list[str]  # as it was learned with: inlets, outlets, tanks and sensors
    sensors: list[str]
    sums: list[float]  # of this day so far, by column
    counts: list[int]
    areas: dict[str, float]  # of tanks [m2]
    levels: dict[str, float]  # of tanks, at the last look [m]
    days: list[Row]
    last: int  # number of days so far
    changed: int  # number of the day of the last change
    model: Model | None
    leaks: list[Leak]
    names: list[str]  # of the leaks


class LeakOptions(LocalOptions):
    """When a leak is told."""

    learning_days: int = option(
        28, "Learning", "학습 기간", "Days in which the usual is learned.", ge=21, le=40
    )
    least_flow: float = option(
        1.5, "Smallest leak", "최소 누수량", "A smaller one is not told. [m3/h]", ge=0.05, le=1000
    )
    score: float = option(
        20.0, "Certainty", "확실성",
        "Score from which on a leak is told; a higher one means fewer false alarms and later ones.",
        ge=5, le=1000,
    )  # fmt: skip
    drift: float = option(
        0.8, "Drift", "변동", "Lasting change that is no leak. [m3/h]", ge=0.01, le=100
    )
    people: str = option(
        "water", "People", "담당자", "Person, group or rota that is told.", max_length=100
    )


service = Service(
    "water",
    title=Text("Water leaks", "상수도 누수"),
    purpose=Text(
        "Finds leaks in the water network by night flow and pressure, and says where to dig.",
        "야간 유량과 수압으로 상수관 누수를 찾아 굴착 위치를 알려 줍니다.",
    ),
    category="environmentAndEnergy",
    needs=["WaterDistrict", "Junction", "Pipe", "Pump", "Valve", "Tank", "Reservoir"],
    gives=["WaterDistrict", "WaterLeak"],
    options=LeakOptions,
    indicators=[
        Indicator("leaks", Text("Leaks that are open", "열린 누수"), "C62", "lower"),
        Indicator("lost", Text("Water lost by them", "누수량"), "MQH", "lower"),
    ],
    operator=Text("The water utility", "상수도사업본부"),
    cost=Text(
        "Flow meters at the inlets of districts and about 4 pressure sensors per 100 pipes; "
        "most utilities have them.",
        "블록 유입 유량계와 관로 100개당 수압계 4개 정도. 대부분 이미 있습니다.",
    ),
)


@service.on("Junction", attributes=["pressure"])
@service.on("Pipe", attributes=["flow"])
@service.on("Pump", attributes=["flow"])
@service.on("Valve", attributes=["flow"])
@service.on("Tank", attributes=["level"])
async def told(city: City, change: Change) -> None:
    """Keep the last value of a sensor."""
    put = change.put
    for name in ("pressure", "flow", "level"):
        value = number(put[name], NOTHING)
        if value != NOTHING:
            city.state.setdefault("last", {})[change.id] = [value, city.instant // 1_000_000]


@service.every("30m")
async def look(city: City) -> None:
    """Add what the sensors say now to the day of each district; judge a day that is over."""
    is_over = city.local.minute < 30 and city.local.hour == MORNING
    for thing in await city.find("WaterDistrict"):
        district = await _district(city, thing)
        _add(city, thing, district)
        if is_over:
            await _close(city, thing, district)


def _ids(thing: Thing, name: str) -> list[str]:
    found = thing[name]
    return [found] if isinstance(found, str) else list(found or ())


async def _district(city: City, thing: Thing) -> District:
    """Return what is kept of a district; one whose meters have changed is learned anew."""
    districts = _districts(city)
    sensors = sorted(_ids(thing, "sensors"))[:MOST_SENSORS]
    tanks = _ids(thing, "storage")
    meters = [*_ids(thing, "inflow"), *_ids(thing, "outflow"), *tanks, *sensors]
    found = districts.get(thing.id)
    if found is None or found["meters"] != meters:
        areas = {id: _area(await city.get(id)) for id in tanks}
        columns = PRESSURES + len(sensors)
        found = districts[thing.id] = {
            "meters": meters, "sensors": sensors, "sums": [0.0] * columns, "counts": [0] * columns,
            "areas": areas, "levels": {}, "days": [], "last": 0, "changed": 0, "model": None,
            "leaks": [], "names": [],
        }  # fmt: skip
        city.update(thing.id, "WaterDistrict", watchStatus="learning")
    return found


def _area(tank: Thing | None) -> float:
    return 0.0 if tank is None else pi / 4 * number(tank["diameter"]) ** 2


def _add(city: City, thing: Thing, district: District) -> None:
    """Add one look at the sensors to the day of a district."""
    now, last = city.instant // 1_000_000, city.state.get("last", {})

    def value(id: str) -> float | None:
        found = last.get(id)
        return found[0] if found is not None and now - found[1] <= HOLD_S else None

    into = _sum([value(id) for id in _ids(thing, "inflow")])
    out = _sum([value(id) for id in _ids(thing, "outflow")])
    levels = {id: value(id) for id in district["areas"]}
    stored = _sum([_stored(district, id, level) for id, level in levels.items()])
    flow = None if into is None or out is None or stored is None else into - out - stored
    rest = flow
    if flow is not None and thing["consumption"] is not None:
        rest = flow - number(thing["consumption"])
    power = None if flow is None else max(flow, 0.0) ** EXPONENT
    night = rest if (city.local - LOOK / 2).hour < MORNING else None
    pressures = [value(id) for id in district["sensors"]]
    row = [None, flow, power, out, _sum(list(levels.values())), night, *pressures]
    for column, one in enumerate(row):
        if one is not None:
            district["sums"][column] += one
            district["counts"][column] += 1


def _sum(values: list[float | None]) -> float | None:
    known = [one for one in values if one is not None]
    return sum(known) if len(known) == len(values) else None


def _stored(district: District, id: str, level: float | None) -> float | None:
    """Return what a tank has taken since the last look. [m3/h]"""
    before = district["levels"].pop(id, None)
    if level is None:
        return None
    district["levels"][id] = level
    if before is None:
        return None
    return (level - before) * district["areas"][id] / (LOOK.total_seconds() / 3600)


async def _close(city: City, thing: Thing, district: District) -> None:
    """End a day: keep its means, learn if there are enough, and judge."""
    half = timedelta(days=1) / LOOK / 2
    means: Row = [
        round(total / count, 4) if count >= (half / 4 if column == NIGHT else half) else None
        for column, (total, count) in enumerate(
            zip(district["sums"], district["counts"], strict=True)
        )
    ]
    means[0] = (city.local - timedelta(days=1)).weekday()
    district["sums"], district["counts"] = [0.0] * len(means), [0] * len(means)
    if means[1] is None and not district["days"]:
        return  # it begins with a whole day
    district["days"] = days = [*district["days"], means][-RECENT_DAYS:]
    district["last"] += 1
    if (flow := means[NIGHT]) is not None:
        city.update(thing.id, "WaterDistrict", nightFlow=_flow(flow))
    if district["model"] is None:
        if len(days) >= city.options.learning_days:
            district["model"] = await city.compute(water_leak.learn, days)
            city.update(thing.id, "WaterDistrict", watchStatus="watching")
        return
    known = await read(city)
    nodes = tuple(known.number(id) for id in district["sensors"])
    network = known.network if min(nodes, default=-1) >= 0 else known.network._replace(pipes=())
    district["leaks"], news = await city.compute(
        water_leak.judge, district["model"], days, district["last"] - len(days),
        district["changed"], water_leak.District(network, nodes, known.places), district["leaks"],
        Limits(city.options.score, city.options.least_flow, city.options.drift),
    )  # fmt: skip
    for finding in news:
        _tell(city, thing, district, finding, known)
    if news:
        flows = [one["size"] for each in _districts(city).values() for one in each["leaks"]]
        city.measure("leaks", sum(1 for one in flows if one > 0))
        city.measure("lost", round(sum(flows), 1))


def _districts(city: City) -> dict[str, District]:
    found: dict[str, District] = city.state.setdefault("districts", {})
    return found


def _flow(value: float) -> dict[str, Any]:
    return {"type": "Property", "value": round(value, 2), "unitCode": "MQH"}


def _tell(city: City, thing: Thing, district: District, finding: Finding, known: Whole) -> None:
    """Write a leak down; tell people when it is new."""
    leak = district["leaks"][finding.leak]
    if finding.kind != "moved":
        district["changed"] = leak["since"]
    if finding.kind == "new":
        district["names"].append(f"{thing.id.rpartition(':')[2]}-{district['last']}-{finding.leak}")
    name = district["names"][finding.leak]
    id = f"urn:ngsi-ld:WaterLeak:{name}"
    start = city.local - timedelta(days=district["last"] - leak["start"])
    node = leak["node"]
    near = None if node < 0 else known.ids[node]
    point = None if node < 0 else known.points[node]
    city.update(
        id, "WaterLeak", refWaterDistrict=link(thing.id), flow=_flow(leak["size"]),
        startedAt=moment(int(start.timestamp()) * MICROSECONDS),
        status="open" if leak["size"] > 0 else "ended", score=round(finding.score, 1),
        within={"type": "Property", "value": leak["within"], "unitCode": "MTR"},
        **({"location": {"type": "GeoProperty", "value": point}} if point else {}),
        **({"refJunction": link(near)} if near else {}),
    )  # fmt: skip
    if finding.kind == "ended":
        city.end_alert(name)
    elif finding.kind in ("new", "grown"):
        title = words.title(thing)
        text = words.found(thing, leak["size"], start, near, leak["within"])
        decision = city.decide(text, because=[(thing, "nightFlow")], expects={"flow": leak["size"]})
        city.update(id, "WaterLeak", decision=link(decision))
        city.alert(name, kind="waterLeak", severity="high", title=title, text=text, about=[thing],
                   location=point)  # fmt: skip
        if finding.kind == "new":
            city.notify(city.options.people, title, text, about=id)

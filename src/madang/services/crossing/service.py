"""Smart crossing: who is on it at red is warned, and drivers who must brake for people on it.

Warning itself is done where the sign is, by the edge node (:mod:`madang.sense.edge.crossing`). This
service judges the same changes by the same rules, and keeps the record: each warning as a decision
with what came of it, near misses, and an alert for a crossing that has many of them.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TypedDict

from madang.services import tally
from madang.services.city import Change, City, Thing
from madang.services.crossing import texts
from madang.services.crossing import watch as watches
from madang.services.crossing.watch import CROSSING, OBSERVED, Rules, S, Step, Watch
from madang.services.service import Indicator, Service, Text

IN_TIME_MS = 300
LIGHT, COMMAND = "Streetlight", "setLevel"
MOST_LIGHTS = 20  # of a crossing
MOST = 5_000  # crossings: each may have a timer, and a service 10,000
LONGEST_NAME = 200  # [characters]

service = Service(
    "crossing",
    title=Text("Smart crossing", "스마트 횡단보도"),
    purpose=Text(
        "Warns people who cross at red, and drivers who must brake for people on the crossing.",
        "적신호에 건너는 사람과, 횡단보도의 사람을 위해 제동해야 하는 운전자에게 경고합니다.",
    ),
    category="safety",
    needs=[CROSSING, OBSERVED],
    gives=[CROSSING],
    commands=[LIGHT],
    options=Rules,
    indicators=[
        Indicator("warnings", Text("Warnings in 28 days", "28일간 경고"), "C62", "lower"),
        Indicator("nearMisses", Text("Near misses in 28 days", "28일간 아차사고"), "C62", "lower"),
        Indicator("inTime", Text("Warned within 300 ms", "300 ms 안의 경고"), "P1", "higher"),
    ],
    operator=Text("Traffic department, with the police", "교통 부서와 경찰"),
    cost=Text(
        "For each crossing a detector, a sign and a share of an edge node.",
        "횡단보도마다 감지기와 경고 표지, 엣지 노드 일부.",
    ),
)


class Place(TypedDict):
    """What is kept of one crossing."""

    name: str
    watch: Watch
    decisions: list[str]  # of the warning that is on
    misses: list[int]  # near misses [us since 1970]
    is_alerted: bool
    lit: int  # until when its lights have been raised [us since 1970]


@service.on(OBSERVED)
async def observed(city: City, change: Change) -> None:
    """Judge a crossing when one of its detectors says something."""
    homes: dict[str, str] = city.state.setdefault("homes", {})  # crossing by detector
    if change.kind == "deleted":
        homes.pop(change.id, None)
        return
    home = change.put["refCrossing"]
    if home is None and change.id not in homes and (known := await city.get(change.id)):
        home = known["refCrossing"]
    if isinstance(home, str):
        homes[change.id] = home
    if change.id in homes:
        await _take(city, homes[change.id], change)


@service.on(CROSSING)
async def crossing(city: City, change: Change) -> None:
    """Judge a crossing that speaks for itself, such as a controller that knows its signal."""
    if change.kind == "deleted":
        city.state.get("places", {}).pop(change.id, None)
        city.cancel(change.id)
        return
    if isinstance(change.put["name"], str) and change.id in city.state.get("places", {}):
        city.state["places"][change.id]["name"] = change.put["name"][:LONGEST_NAME]
    await _take(city, change.id, change)


@service.on(CROSSING, attributes=["warnedAfter"])
async def timed(city: City, change: Change) -> None:
    """Count how soon an edge node has warned."""
    after = change.put["warnedAfter"]
    if isinstance(after, int | float):
        _measure(city, timed=1, inTime=after <= IN_TIME_MS)


@service.timer
async def look(city: City, id: str) -> None:
    """Judge a crossing of which nothing more is heard."""
    if id in city.state.get("places", {}):
        await _judge(city, id)


@service.every("0 4 * * *", local=True)
async def daily(city: City) -> None:
    """End alerts of crossings that have become quiet."""
    for id, place in city.state.get("places", {}).items():
        if place["is_alerted"] and len(_misses(city, place)) < city.options.alert_after:
            place["is_alerted"] = False
            city.end_alert(f"near-misses:{id}")
    _measure(city)


async def _place(city: City, id: str) -> Place:
    places: dict[str, Place] = city.state.setdefault("places", {})
    if id not in places:
        known = await city.get(id)
        name = known["name"] if known and isinstance(known["name"], str) else id.rpartition(":")[2]
        places[id] = {
            "name": name[:LONGEST_NAME], "watch": watches.fresh(), "decisions": [], "misses": [],
            "is_alerted": False, "lit": 0,
        }  # fmt: skip
    return places[id]


async def _take(city: City, id: str, change: Change) -> None:
    values = watches.read(change.put.document, change.put)
    places = city.state.get("places", {})
    if not values or (id not in places and len(places) >= MOST):
        return
    place = await _place(city, id)
    if watches.take(place["watch"], change.id, values, city.instant):
        await _judge(city, id)


async def _judge(city: City, id: str) -> None:
    place = await _place(city, id)
    step = watches.step(place["watch"], city.instant, city.options)
    if (warning := place["watch"]["warning"]) is not None:
        city.at(timedelta(microseconds=warning["until"] - city.instant), "look", id, id=id)
    else:
        city.cancel(id)
    if step is None or step.kind == "renewed":
        return
    if step.kind == "ended":
        await _ended(city, id, place, step)
        return
    decision = city.decide(
        texts.warned(place["name"], step.warning),
        because=await _seen(city, id),
        expects={"seconds": city.options.tail_s + city.options.hold_s},
    )
    place["decisions"].append(decision)
    await _light(city, id, place, decision)
    city.update(id, CROSSING, warning=[*step.warning["reasons"]])
    _measure(city, warnings=step.kind == "began")


async def _light(city: City, id: str, place: Place, decision: str) -> None:
    """Raise the street lights of a crossing for a while; they go back by themselves."""
    crossing = await city.get(id)
    if crossing is None or city.instant < place["lit"]:
        return
    lights = crossing["refStreetlight"] or []
    for light in ([lights] if isinstance(lights, str) else lights)[:MOST_LIGHTS]:
        thing = await city.get(light)
        if thing is not None and thing.type == LIGHT:
            place["lit"] = city.instant + city.options.light_s * S
            city.command(
                thing,
                COMMAND,
                {"level": city.options.light_level},
                decision=decision,
                revert_after=timedelta(seconds=city.options.light_s),
            )


async def _seen(city: City, id: str) -> list[tuple[Thing, str]]:
    """Return the values that a warning is based on, of the crossing and of its detectors."""
    found: list[tuple[Thing, str]] = []
    homes = city.state.get("homes", {})
    for source in [id, *sorted(detector for detector, home in homes.items() if home == id)]:
        thing = await city.get(source)
        if thing is not None:
            found += [(thing, name) for name in sorted(watches.READ) if name in thing]
    return found


async def _ended(city: City, id: str, place: Place, step: Step) -> None:
    """Write down what came of a warning."""
    warning, is_miss = step.warning, watches.is_near_miss(step.warning, city.options)
    city.update(id, CROSSING, warning=["none"])
    for decision in place["decisions"]:
        city.learn(
            decision,
            seconds=round((warning["until"] - warning["since"]) / S, 1),
            nearestSeconds=warning["nearest_s"],
            nearMiss=is_miss,
        )
    place["decisions"] = []
    if is_miss:
        place["misses"].append(city.instant)
        if len(_misses(city, place)) >= city.options.alert_after:
            await _alert(city, id, place)
    _measure(city, nearMisses=is_miss)


async def _alert(city: City, id: str, place: Place) -> None:
    place["is_alerted"] = True
    thing = await city.get(id)
    city.alert(
        f"near-misses:{id}",
        kind="pedestrianNearMiss",
        severity="high",
        title=texts.often(place["name"], len(place["misses"]), city.options),
        text=texts.HELP,
        about=[] if thing is None else [thing],
    )


def _misses(city: City, place: Place) -> list[int]:
    since = city.instant - city.options.alert_days * 86_400 * S
    place["misses"] = [at for at in place["misses"] if at > since]
    return place["misses"]


def _measure(city: City, **counts: int) -> None:
    sums = tally.add(city, **counts)
    city.measure("warnings", sums.get("warnings", 0))
    city.measure("nearMisses", sums.get("nearMisses", 0))
    if sums.get("timed"):
        city.measure("inTime", round(100 * sums["inTime"] / sums["timed"], 2))

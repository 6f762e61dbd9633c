"""Street lights: on by the sun, dimmed where nobody is, watched for faults, with the energy saved.

The rule is :mod:`madang.services.street_light.rule`. Lights are ``Streetlight``s that take the
command ``setLevel``; a detector is a ``Device`` (or a light) with ``motion``.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import cos, hypot, radians
from typing import TypedDict

from madang.services.city import Change, City, Thing
from madang.services.place import middle
from madang.services.service import Indicator, Service, Text
from madang.services.street_light import words
from madang.services.street_light.care import LIGHT, before, judge, meter
from madang.services.street_light.rule import Light, Lighting, Reason, Wanted, is_busy, new, wanted
from madang.services.street_light.sun import elevation

DETECTOR = "Device"
USED = {"powerState", "powerConsumption", "powerRating", "location", "name", "minimumLevel"}
COMMAND = "setLevel"
MOST_LIGHTS = 5_000
MOST_DETECTORS = 5_000
METRES_PER_DEGREE = 111_195  # of latitude
SHOWN = 50  # lights that a decision refers to
NOT_DONE = ("failed", "timedOut")
OURS = ":Command:street_light:"  # in the ids of commands that this service asked for
RETRY_S = 1800.0  # after which a light that did not take its level is told again
SAVED = Text(
    "Energy saved in the last day against full brightness", "전일 상시 점등 대비 절감 전력량"
)
SHARE = Text("The same as a share", "전일 절감률")
FAULTS = Text("Lights with a fault", "고장 가로등")

service = Service(
    "street_light",
    title=Text("Street lights", "스마트 가로등"),
    purpose=Text(
        "Lights streets where people are, saves energy where nobody is, and finds faults.",
        "사람이 있는 거리를 밝히고, 없는 곳에서는 전력을 아끼며, 고장을 찾아냅니다.",
    ),
    category="environmentAndEnergy",
    needs=[LIGHT, DETECTOR, "Command"],
    gives=[LIGHT],
    commands=[LIGHT],
    options=Lighting,
    indicators=[
        Indicator("saved", SAVED, "KWH", "higher"),
        Indicator("share", SHARE, "P1", "higher"),
        Indicator("faults", FAULTS, "C62", "lower"),
    ],
    operator=Text("Roads department", "도로 부서"),
    cost=Text(
        "Controllers in the lights, a detector every few of them, and their link.",
        "가로등별 제어기, 몇 개마다 감지기 하나, 통신비.",
    ),
)


class Detector(TypedDict):
    """What is kept of a detector."""

    place: list[float] | None
    layout: int  # of the lights, when those nearby were found
    near: list[str]


@service.on(LIGHT)
async def heard(city: City, change: Change) -> None:
    """Take over what a light reports, and see whether it does what it should."""
    lights: dict[str, Light] = city.state.setdefault("lights", {})
    if change.kind == "deleted":
        if (gone := lights.pop(change.id, None)) is not None and gone["fault"]:
            city.end_alert(change.id)
        return
    now, put = city.now.timestamp(), change.put
    if not USED.intersection(put):
        return
    if change.id not in lights:
        if len(lights) >= MOST_LIGHTS:
            return
        lights[change.id] = new(change.id, now)
        _describe(city, lights[change.id], await city.get(change.id) or put)
    light = lights[change.id]
    _look(city, change.id)
    meter(city, light, now)
    _describe(city, light, put)
    power, state = _watts(put, "powerConsumption"), put["powerState"]
    if power is not None or state is not None:
        light["heard"] = now
        light["power"] = light["power"] if power is None else power
        light["lit"] = light["lit"] if state is None else state in ("on", "low")
        judge(city, change.id, light, now)


def _describe(city: City, light: Light, put: Thing) -> None:
    if isinstance(put["name"], str):
        light["name"] = put["name"]
    light["watts"] = _watts(put, "powerRating") or light["watts"]
    least = put["minimumLevel"]
    if isinstance(least, int | float) and 0 <= least <= 1:
        light["minimum"] = least
    place = middle(put)
    if place is not None and place != light["place"]:
        light["place"] = place
        city.state["layout"] = city.state.get("layout", 0) + 1
        cells: list[list[float]] = city.state.setdefault("cells", [])
        if (cell := list(_cell(place))) not in cells:
            cells.append(cell)


def _look(city: City, id: str) -> None:
    """See to a light in the next minute; to others, when the night or an hour begins or ends."""
    city.state.setdefault("busy", {})[id] = True


def _watts(put: Thing, name: str) -> float | None:
    """Return a power, given in watts unless its unit is kilowatt."""
    whole = put.attribute(name)
    value = whole.get("value")
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e6:
        return None
    return float(value) * (1000 if whole.get("unitCode") == "KWT" else 1)


@service.on(DETECTOR)
@service.on(LIGHT)
async def moved(city: City, change: Change) -> None:
    """Raise the lights near somebody who moves."""
    detectors: dict[str, Detector] = city.state.setdefault("detectors", {})
    if change.kind == "deleted":
        detectors.pop(change.id, None)
        return
    if "motion" not in change.put:
        return
    if change.id not in detectors:
        if len(detectors) >= MOST_DETECTORS:
            return
        detectors[change.id] = {"place": None, "layout": -1, "near": []}
    one, now = detectors[change.id], city.now.timestamp()
    if one["place"] is None or change.put["location"] is not None:
        whole = change.put if change.put["location"] else await city.get(change.id)
        one["place"], one["layout"] = None if whole is None else middle(whole), -1
    lights: dict[str, Light] = city.state.get("lights", {})
    near, hold = _near(city, one), city.options.hold_minutes
    for id in near:
        lights[id]["watched"] = now
        if change.put["motion"]:
            lights[id]["until"] = now + hold * 60
        _look(city, id)
    if not change.put["motion"]:
        return
    for (level, reason), ids in _changes(city, near, now).items():
        if reason == "presence":
            name = str(change.put["name"] or change.id.rpartition(":")[2])
            why = words.raised(len(ids), name, level, hold)
            _set(city, ids, Wanted(level, reason), why, [(change.put, "motion")])


def _near(city: City, one: Detector) -> list[str]:
    """Return the lights near a detector; looked up anew when lights are."""
    layout = city.state.get("layout", 0)
    if one["layout"] != layout and one["place"]:
        lon, lat = one["place"]
        turn = cos(radians(lat))
        one["near"] = [
            id
            for id, light in sorted(city.state.get("lights", {}).items())
            if light["place"]
            and hypot((light["place"][0] - lon) * turn, light["place"][1] - lat) * METRES_PER_DEGREE
            <= city.options.radius
        ]
        one["layout"] = layout
    return [id for id in one["near"] if id in city.state.get("lights", {})]


@service.every("1m")
async def minute(city: City) -> None:
    """Set lights by sun and clock, and tell of faults that stay."""
    lights: dict[str, Light] = city.state.get("lights", {})
    now = city.now.timestamp()
    busy = [id for id in city.state.get("busy", ()) if id in lights]
    looked = sorted(lights if _is_turn(city, now) else busy)
    for (level, reason), ids in _changes(city, looked, now).items():
        known = [id for id in ids if lights[id]["level"] is not None]
        old = [(before(id, lights[id]), "illuminanceLevel") for id in known[:SHOWN]]
        sun = elevation(*_cell(lights[ids[0]]["place"] or []), now)
        _set(city, ids, Wanted(level, reason), words.set_(len(ids), level, reason, sun), old)
    for id in looked:
        judge(city, id, lights[id], now)
    city.state["busy"] = {id: True for id in looked if is_busy(lights[id], now)}


def _is_turn(city: City, now: float) -> bool:
    """Return whether all lights are looked at: at dusk, at dawn, and every ten minutes."""
    options: Lighting = city.options
    cells: list[list[float]] = city.state.get("cells", [])
    nights = [elevation(lon, lat, now) < options.on_below for lon, lat in cells]
    phase, city.state["phase"] = city.state.get("phase"), nights
    return phase != nights or city.local.minute % 10 == 0


def _changes(city: City, ids: Sequence[str], now: float) -> dict[tuple[float, Reason], list[str]]:
    """Return the lights that are to have another level, by level and reason."""
    options: Lighting = city.options
    hour, suns = city.local.hour, dict[tuple[float, float], float]()
    found: dict[tuple[float, Reason], list[str]] = {}
    for id in ids:
        light: Light = city.state["lights"][id]
        if light["place"] and now >= light["retry"]:
            cell = _cell(light["place"])
            if cell not in suns:
                suns[cell] = elevation(*cell, now)
            watched = now - light["watched"] <= options.detector_hours * 3600
            level, reason = wanted(light, suns[cell], hour, now, watched, options)
            if level != light["level"]:
                found.setdefault((level, reason), []).append(id)
    return found


def _cell(place: Sequence[float]) -> tuple[float, float]:
    """Return a place to some kilometres: lights around it share one height of the sun."""
    return round(place[0], 1), round(place[1], 1)


def _set(
    city: City, ids: list[str], to: Wanted, why: Text, because: list[tuple[Thing, str]]
) -> None:
    """Decide on a level and command it."""
    now, lights = city.now.timestamp(), city.state["lights"]
    decision = city.decide(why, because=because, expects={"illuminanceLevel": to.level})
    for id in ids:
        light: Light = lights[id]
        meter(city, light, now)
        target = Thing({"id": id, "type": LIGHT})
        city.command(target, COMMAND, {"level": to.level}, decision=decision)
        light |= {"level": to.level, "since": now, "power": None, "lit": None, "wrong": 0}


@service.on("Command", attributes=["status"])
async def answered(city: City, change: Change) -> None:
    """Let a level be commanded again some time after a light did not take it."""
    if change.put["status"] not in NOT_DONE or OURS not in change.id:
        return
    command = await city.get(change.id)
    light: Light | None = city.state.get("lights", {}).get(
        command["commandTarget"] if command else ""
    )
    if light is not None and command and command["parameters"] == {"level": light["level"]}:
        meter(city, light, city.now.timestamp())
        light |= {"level": None, "retry": city.now.timestamp() + RETRY_S}
        _look(city, command["commandTarget"])


@service.every("0 12 * * *", local=True)
async def noon(city: City) -> None:
    """Write what the night has saved."""
    lights: dict[str, Light] = city.state.get("lights", {})
    for light in lights.values():
        meter(city, light, city.now.timestamp())
    energy = city.state.pop("energy", {"used": 0.0, "full": 0.0})
    if energy["full"]:
        city.measure("saved", round((energy["full"] - energy["used"]) / 1000, 3))
        city.measure("share", round(100 * (1 - energy["used"] / energy["full"]), 1))

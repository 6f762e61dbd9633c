"""Whether street lights do what they are told, and what they draw."""

from __future__ import annotations

from madang.model import time
from madang.services.city import City, Thing
from madang.services.street_light import words
from madang.services.street_light.rule import Fault, Light, Lighting, differs, watts_now

LIGHT = "Streetlight"


def before(id: str, light: Light) -> Thing:
    """Return the level that a light has, for the decision to change it."""
    level = {"type": "Property", "value": light["level"], "observedAt": _time(light["since"])}
    return Thing({"id": id, "type": LIGHT, "illuminanceLevel": level})


def _time(seconds: float) -> str:
    return time.render(round(seconds * 1e6))


def judge(city: City, id: str, light: Light, now: float) -> None:
    """See whether a light does what it was told; a difference that stays is a fault."""
    options: Lighting = city.options
    found = differs(light, options)
    if light["heard"] and now - light["heard"] > options.silent_hours * 3600:
        found = "silent"
    grace = options.grace_minutes * 60
    if not found:
        light["wrong"] = 0
        if light["fault"] and _shows(light):
            _mend(city, id, light)
    elif not light["wrong"]:
        light["wrong"] = now
    elif found != light["fault"] and now - max(light["wrong"], light["since"]) >= grace:
        _fault(city, id, light, found)


def _shows(light: Light) -> bool:
    """Return whether a light that does what it should would show its fault if it still had it."""
    if light["lit"] is None and light["power"] is None:
        return False
    if light["fault"] in ("dark", "power"):
        return bool(light["level"])
    return light["fault"] == "silent" or light["level"] == 0


def _fault(city: City, id: str, light: Light, found: Fault) -> None:
    title, text = words.fault(
        light["name"], found, light["level"] or 0.0, light["power"], light["watts"]
    )
    light["fault"] = found
    power = {"type": "Property", "value": light["power"], "observedAt": _time(light["heard"])}
    seen = Thing({"id": id, "type": LIGHT, "powerConsumption": power})
    city.decide(text, because=[(before(id, light), "illuminanceLevel"), (seen, "powerConsumption")])
    where = {"type": "Point", "coordinates": light["place"]} if light["place"] else None
    city.alert(
        id, kind="streetlightFault", severity="medium" if found == "dark" else "low",
        title=title, text=text, about=[seen], location=where,
    )  # fmt: skip
    city.update(id, LIGHT, fault=found)
    if found == "dark":
        city.update(id, LIGHT, status="defectiveLamp")
    _count(city)


def _mend(city: City, id: str, light: Light) -> None:
    light["fault"] = ""
    city.end_alert(id)
    city.update(id, LIGHT, status="ok")
    city.remove(id, LIGHT, "fault")
    _count(city)


def _count(city: City) -> None:
    lights: dict[str, Light] = city.state["lights"]
    city.measure("faults", sum(light["fault"] != "" for light in lights.values()))


def meter(city: City, light: Light, now: float) -> None:
    """Add the energy since it was last counted, and what full brightness would have drawn."""
    hours = (now - light["metered"]) / 3600
    light["metered"] = now
    energy = city.state.setdefault("energy", {"used": 0.0, "full": 0.0})  # [Wh]
    energy["used"] += watts_now(light) * hours
    energy["full"] += light["watts"] * hours * bool(light["level"])

"""Who is told that air is bad: everybody at a place, and persons with limits of their own."""

from __future__ import annotations

from madang.model import time
from madang.services.air import words as air_words
from madang.services.air.index import SCALES, Level
from madang.services.air.kept import Air, Station, Watch
from madang.services.air.words import Estimate
from madang.services.city import City, Thing
from madang.services.records import Severity

OBSERVED = "AirQualityObserved"
CALM = 2  # hours of better air until an alert or an excess is over


def person(city: City, id: str, one: Watch, pollutant: str, found: Estimate) -> None:
    """Tell a person once that a limit is passed; it may be passed again after two hours."""
    limit = one["limits"][pollutant]
    if found.value <= limit:
        if pollutant in one["over"]:
            one["over"][pollutant] += 1
            if one["over"][pollutant] >= CALM:
                del one["over"][pollutant]
        return
    if pollutant not in one["over"]:
        title, text = air_words.over(one["name"] or id, pollutant, limit, found)
        city.decide(text, expects={"notified": one["people"]})
        city.notify(one["people"], title, text, about=id)
    one["over"][pollutant] = 0


def place(city: City, id: str, one: Station) -> int | None:
    """Write how bad the air is at a station, and alert people; return the rank."""
    scale = SCALES[city.options.scale]
    level = scale.level(one["hours"])
    if level is None:
        return None
    if level.figure != one["index"]:
        one["index"] = level.figure
        word = scale.levels[level.rank - 1][0]
        city.update(id, OBSERVED, airQualityIndex=level.figure, airQualityLevel=word)
    if level.rank >= alert_from(city.options):
        _alert(city, id, one, level)
    elif one["alert"]:
        one["below"] += 1
        if one["below"] >= CALM:
            city.end_alert(id)
            city.learn(one["alert"], ended=time.render(city.instant))
            one["alert"] = ""
    return level.rank


def _alert(city: City, id: str, one: Station, level: Level) -> None:
    scale, beyond = SCALES[city.options.scale], level.rank - alert_from(city.options)
    severity: Severity = "medium" if beyond == 0 else "high" if beyond == 1 else "critical"
    title, text = air_words.bad(one["name"], scale, level)
    seen = Thing({"id": id, "type": OBSERVED})
    where = {"type": "Point", "coordinates": one["place"]} if one["place"] else None
    one["below"] = 0
    if not one["alert"]:
        one["alert"] = city.decide(text, because=_because(city, id, one))
    city.alert(
        id, kind="airPollution", severity=severity, title=title, text=text, about=[seen],
        location=where,
    )  # fmt: skip


def _because(city: City, id: str, one: Station) -> list[tuple[Thing, str]]:
    """Return the means of the last hour, as things that a decision is based on."""
    at = time.render(city.instant)
    found = []
    for pollutant, hours in sorted(one["hours"].items()):
        if hours[-1] is not None:
            value = {"type": "Property", "value": hours[-1], "observedAt": at}
            found.append((Thing({"id": id, "type": OBSERVED, pollutant: value}), pollutant))
    return found


def alert_from(options: Air) -> int:
    """Return the rank from which air is bad."""
    return options.alert_from or SCALES[options.scale].alert_from

"""The incidents that the service keeps: how they are written, who is told, when the clock is due.

All that are not closed are in the service's state, whole: what a call has changed is seen by the
next one, though the hub may not have it yet.
"""

from __future__ import annotations

from typing import Any

import orjson

from madang.act.incidents import texts
from madang.act.incidents.incident import (
    INCIDENT,
    Incident,
    attributes,
    datetime_of,
    later,
    rank,
)
from madang.model import time
from madang.services.city import City
from madang.services.records import Severity
from madang.services.service import Text

DAY_S = 86_400
MOST_DEALT = 10_000  # alerts that go on though their incident is closed
GRAVE = rank("high")
"""Such an incident is not over by itself, and people are told again when it comes to that."""


def incidents(city: City) -> dict[str, Incident]:
    """Return those that are not closed, by id."""
    found: dict[str, Incident] = city.state.setdefault("incidents", {})
    return found


def tell(
    city: City, found: Incident, people: list[str], text: Text, urgent: bool | None = None
) -> None:
    """Tell people of an incident; without ``urgent``, its severity says whether it is."""
    is_urgent = rank(found["severity"]) >= GRAVE if urgent is None else urgent
    for name in people:
        city.notify(name, texts.headline(found), text, about=found["id"], urgent=is_urgent)


def kept(found: Incident) -> dict[str, bytes]:
    """Return the attributes as they are now, to be compared with later."""
    return {name: orjson.dumps(value) for name, value in attributes(found).items()}


def save(city: City, found: Incident, before: dict[str, bytes]) -> None:
    """Write what has changed, set the clock, and forget what is closed."""
    # A change may be told after what was due later: an older time would be left out by the hub.
    last = time.parse(found["changed"]) if found["changed"] else 0
    at = found["changed"] = time.render(max(city.instant, last))
    after = attributes(found)
    put: dict[str, Any] = {
        name: value if value["type"] == "Relationship" else {**value, "observedAt": at}
        for name, value in after.items()
        if orjson.dumps(value) != before.get(name)
    }
    if put:
        city.update(found["id"], INCIDENT, **put)
    if gone := before.keys() - after.keys():
        city.remove(found["id"], INCIDENT, *sorted(gone))
    if "acknowledgedAt" in after and "acknowledgedAt" not in before:
        _measure(city, "minutesToAcknowledge", found["started"], found["acknowledged"])
    if found["status"] == "closed":
        del incidents(city)[found["id"]]
        if not found["merged"]:  # else it goes on as a part of another
            _measure(city, "minutesToResolve", found["started"], found["resolved"])
            _remember(city, found, at)
    _wind(city, found)


def is_dealt_with(city: City, alert: str, severity: Severity, is_over: bool) -> bool:
    """Tell whether an alert goes on that somebody has closed the incident of.

    If it has become more severe since, or is over, it begins anew.
    """
    dealt: dict[str, int] = city.state.get("dealt", {})
    known = dealt.get(alert)
    if known is None:
        return False
    if is_over or rank(severity) > known:
        del dealt[alert]
        return False
    return True


def _remember(city: City, found: Incident, at: str) -> None:
    """Keep which alerts of a closed incident go on: telling them again begins no other."""
    dealt: dict[str, int] = city.state.setdefault("dealt", {})
    for id, end in found["alerts"].items():
        if not passed(end, at):
            dealt[id] = rank(found["severity"])
    for id in list(dealt)[:-MOST_DEALT]:
        del dealt[id]


def passed(end: str, now: str) -> bool:
    """Tell whether a time has come; an empty one never does."""
    return bool(end) and time.parse(end) <= time.parse(now)


def closing(city: City, found: Incident) -> str:
    """Return when a resolved incident is closed."""
    return later(found["resolved"], city.options.close_days * DAY_S)


def _wind(city: City, found: Incident) -> None:
    """Set the clock for what is next due in an incident."""
    times = _due(city, found) if found["status"] != "closed" else []
    if times:
        due = min(times, key=time.parse)
        city.at(datetime_of(due), "clock", found["id"], incident=found["id"])
    else:
        city.cancel(found["id"])


def _due(city: City, found: Incident) -> list[str]:
    times = [end for end in found["alerts"].values() if end and time.parse(end) > city.instant]
    if found["status"] == "open":
        times += [one["at"] for one in found["escalations"] if not one["done"]]
    if found["status"] in ("open", "acknowledged"):
        steps = (one for one in found["steps"] if not (one["done"] or one["overdue"]))
        times += [one["due"] for one in steps if one["due"]]
    if found["status"] == "resolved":
        times.append(closing(city, found))
    return times


def _measure(city: City, indicator: str, start: str, end: str) -> None:
    """Keep the mean time of all incidents so far. [min]"""
    sums = city.state.setdefault(indicator, [0, 0.0])
    sums[0] += 1
    sums[1] += (time.parse(end) - time.parse(start)) / 60e6
    city.measure(indicator, round(sums[1] / sums[0], 2))

"""How an incident goes on: alerts that join and end, people who do not answer, steps undone."""

from __future__ import annotations

from madang.act.incidents import texts
from madang.act.incidents.alert import Report
from madang.act.incidents.book import GRAVE, passed, tell
from madang.act.incidents.deeds import resolve
from madang.act.incidents.incident import (
    MOST_ABOUT,
    MOST_ALERTS,
    Incident,
    is_active,
    later,
    note,
    rank,
)
from madang.model import time
from madang.services.city import City


def join(city: City, found: Incident, told: Report, now: str) -> None:
    """Let an incident know what an alert says."""
    known = found["alerts"].get(told.alert)
    was_over, is_over = known is not None and passed(known, now), passed(told.until, now)
    learn(found, told)
    if is_over:
        if not was_over:
            note(found, now, "alertOver", alert=told.alert)
        _calm(found, now)
        return
    if known is None or was_over:
        found["reports"] += 1
        found["reported"] = now
        note(found, now, "alert", alert=told.alert, text=told.title, severity=told.severity)
        if found["status"] == "resolved":
            _reopen(city, found, now)
    if rank(told.severity) > rank(found["severity"]) and not found["graded"]:
        before, found["severity"] = found["severity"], told.severity
        note(found, now, "severity", before=before, now=told.severity)
        if rank(told.severity) >= GRAVE:
            text = texts.begun(found, city.options.time_zone)
            tell(city, found, found["notify"], text, urgent=True)


def learn(found: Incident, told: Report) -> None:
    """Take up what an alert says about place and things, where the incident does not know it."""
    if told.alert in found["alerts"] or len(found["alerts"]) < MOST_ALERTS:
        found["alerts"][told.alert] = told.until
    found["location"] = found["location"] or told.location
    found["area"], found["text"] = found["area"] or told.area, found["text"] or told.text
    found["about"] = list(dict.fromkeys([*found["about"], *told.about]))[:MOST_ABOUT]


def _reopen(city: City, found: Incident, now: str) -> None:
    """Let an incident go on that seemed to be over; whoever looked after it still does."""
    found["resolved"] = ""
    found["status"] = "acknowledged" if found["acknowledged"] else "open"
    for one in found["escalations"]:
        one["at"], one["done"] = later(now, one["after_s"]), False
    note(found, now, "reopened")
    tell(city, found, found["notify"], texts.begun(found, city.options.time_zone))


def end_alerts(found: Incident, now: str) -> None:
    """Note alerts that have come to the end that they had named."""
    past = time.parse(found["changed"])
    for id, end in found["alerts"].items():
        if passed(end, now) and time.parse(end) > past:
            note(found, end, "alertOver", alert=id)
    _calm(found, now)


def _calm(found: Incident, now: str) -> None:
    """Let an incident be over that nobody had to look at."""
    unseen = found["status"] == "open" and rank(found["severity"]) < GRAVE
    if unseen and found["alerts"] and not is_active(found, now):
        resolve(found, now)


def escalate(city: City, found: Incident, now: str, at_once: bool = False) -> None:
    """Tell those whose turn it is, for nobody has acknowledged the incident."""
    for one in found["escalations"]:
        if not one["done"] and (at_once or passed(one["at"], now)):
            one["done"], at_once = True, False
            note(found, now, "escalated", to=one["to"])
            text = texts.unanswered(found, city.options.time_zone)
            tell(city, found, [one["to"]], text, urgent=True)


def call_overdue(city: City, found: Incident, now: str) -> None:
    """Tell that steps were not done in time."""
    for step in found["steps"]:
        if step["due"] and not step["done"] and not step["overdue"]:
            if not passed(step["due"], now):
                continue
            step["overdue"] = True
            note(found, now, "overdue", step=step["name"], text=step["title"])
            text = texts.overdue(found, step, city.options.time_zone)
            tell(city, found, found["notify"], text)

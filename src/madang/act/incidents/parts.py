"""Incidents that turn out to be one, and one that turns out to be two. Pure: no clock.

What each was until then stays in its own record: entries of a timeline are not moved, for agencies
and everybody have been told of them under the number of their incident.
"""

from __future__ import annotations

from madang.act.incidents.deeds import Merge, Split, Who
from madang.act.incidents.incident import (
    MOST_ABOUT,
    MOST_ALERTS,
    Incident,
    Words,
    new,
    note,
    number,
    rank,
)
from madang.model import time
from madang.model.errors import Conflict


def merge(found: Incident, other: Incident, deed: Merge, who: Who, at: str) -> None:
    """Let an incident take another one up, which ends with that.

    It gets the alerts, the earlier beginning, the higher severity (but if somebody has set its
    own), agencies, and steps of the same name that were done; and whoever looked after the other,
    if nobody does here.
    """
    _take_up(found, other)
    _take_over(found, other)
    told = None if deed.text is None else deed.text.model_dump()
    note(
        found, at, "merged", by=who.name, person=who.id, other=number(other["id"]),
        text=told or other["title"],
    )  # fmt: skip
    other["merged"], other["status"] = found["id"], "closed"
    other["resolved"], other["ended"] = other["resolved"] or at, at
    note(other, at, "mergedInto", by=who.name, person=who.id, other=number(found["id"]), text=told)


def check_public(found: Incident, other: Incident) -> None:
    """See that what everybody was told does not end on the public page while it goes on.

    Raises:
        Conflict: the other is on the public page, and the one that goes on is not.
    """
    if other["public"] and not found["public"]:
        raise Conflict(
            f"{number(other['id'])} is on the public page and {number(found['id'])}, which would go"
            " on, is not; publish that first, or merge them the other way round"
        )


def _take_up(found: Incident, other: Incident) -> None:
    """Know what the other is about."""
    for alert, end in other["alerts"].items():
        if len(found["alerts"]) < MOST_ALERTS:
            found["alerts"].setdefault(alert, end)
    found["reports"] += other["reports"]
    found["started"] = min(found["started"], other["started"], key=time.parse)
    found["reported"] = max(found["reported"], other["reported"], key=time.parse)
    found["location"] = found["location"] or other["location"]
    found["area"], found["text"] = found["area"] or other["area"], found["text"] or other["text"]
    found["about"] = list(dict.fromkeys([*found["about"], *other["about"]]))[:MOST_ABOUT]
    if not found["graded"] and rank(other["severity"]) > rank(found["severity"]):
        found["severity"] = other["severity"]


def _take_over(found: Incident, other: Incident) -> None:
    """Go on with what was done about the other."""
    found["agencies"] = other["agencies"] | found["agencies"]
    done = {step["name"]: step for step in other["steps"] if step["done"]}
    for step in found["steps"]:
        if not step["done"] and (there := done.get(step["name"])) and there["ask"] == step["ask"]:
            step["done"], step["by"], step["value"] = there["done"], there["by"], there["value"]
    if found["status"] == "open" and other["status"] == "acknowledged":
        found["status"], found["acknowledged"] = "acknowledged", other["acknowledged"]
        found["owner"] = found["owner"] or other["owner"]


def split(found: Incident, deed: Split, who: Who, at: str) -> Incident:
    """Return the incident that alerts are taken out of another for."""
    title: Words = found["title"] if deed.title is None else deed.title.model_dump()
    apart = new(deed.incident, at, found["category"], found["severity"], title)
    apart["kind"] = found["kind"]
    apart["alerts"] = {alert: found["alerts"].pop(alert) for alert in dict.fromkeys(deed.alerts)}
    apart["reports"] = len(apart["alerts"])
    found["reports"] = max(1, found["reports"] - apart["reports"])
    note(apart, at, "opened", by=who.name, person=who.id, text=title)
    note(apart, at, "splitFrom", by=who.name, person=who.id, other=number(found["id"]))
    note(found, at, "split", by=who.name, person=who.id, other=number(apart["id"]), text=title)
    return apart

"""An incident: what is known of it, as JSON, and as the attributes of its entity. Pure: no clock.

Several alerts of one kind, near one another in place and time, are one incident.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal, TypedDict, get_args

from madang.model import time
from madang.services import records
from madang.services.city import Thing
from madang.services.records import Severity

INCIDENT = "Incident"
PREFIX = f"urn:ngsi-ld:{INCIDENT}:"
MOST_ALERTS = 1_000  # named in one incident; more are counted
MOST_ENTRIES = 300  # of a timeline; the history of the attribute has all
MOST_ABOUT = 50

Status = Literal["open", "acknowledged", "resolved", "closed"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)

Words = dict[str, str]
"""A text by language: ``en`` and ``ko``."""

Entry = dict[str, Any]
"""Of a timeline: ``at``, ``what`` happened, perhaps ``by`` whom, and more."""


class Step(TypedDict):
    """A step of a playbook, in one incident. Times are DateTimes."""

    name: str
    title: Words
    text: Words | None
    ask: dict[str, Any] | None
    """What is to be found out; see :class:`madang.act.incidents.playbook.Ask`."""
    due: str | None
    overdue: bool
    done: str | None
    by: str
    value: Any


class Escalation(TypedDict):
    """Whom to tell if nobody has acknowledged by then."""

    at: str
    to: str
    after_s: float
    done: bool


class Incident(TypedDict):
    """One incident. Times are DateTimes, empty if that has not come."""

    id: str
    category: str
    kind: str
    severity: Severity
    graded: bool
    """Somebody has set the severity, so alerts do not raise it any more."""
    status: Status
    title: Words
    text: Words | None
    location: dict[str, Any] | None
    area: Words | str
    """What the place is called, in both languages or in one for both; empty: nobody knows."""
    about: list[str]
    alerts: dict[str, str]
    """When each is over; empty: nobody knows yet."""
    reports: int
    owner: str
    playbook: str
    notify: list[str]
    steps: list[Step]
    escalations: list[Escalation]
    timeline: list[Entry]
    hand_over: list[Entry]
    agencies: dict[str, dict[str, Any]]
    public: bool
    public_title: Words | None
    """What everybody is shown if not the title, for that may be an alert's."""
    started: str
    reported: str
    acknowledged: str
    resolved: str
    ended: str
    merged: str
    """The id of the incident that it has become a part of."""
    action: str
    """The last action of people that was looked at."""
    refused: dict[str, str]
    """The last ``action`` that could not be carried out, and the ``reason``."""
    changed: str


def new(id: str, at: str, category: str, severity: Severity, title: Words) -> Incident:
    """Return an incident that begins."""
    return Incident(
        id=id, category=category, kind=category, severity=severity, graded=False, status="open",
        title=title, text=None, location=None, area="", about=[], alerts={}, reports=0, owner="",
        playbook="", notify=[], steps=[], escalations=[], timeline=[], hand_over=[], agencies={},
        public=False, public_title=None, started=at, reported=at, acknowledged="", resolved="",
        ended="", merged="", action="", refused={}, changed="",
    )  # fmt: skip


def note(incident: Incident, at: str, what: str, **more: Any) -> None:
    """Add an entry to the timeline; members that say nothing are left out."""
    told = {name: value for name, value in more.items() if value not in ("", None)}
    incident["timeline"].append({"at": at, "what": what, **told})
    while len(incident["timeline"]) > MOST_ENTRIES:
        del incident["timeline"][1]  # how it began is kept


def rank(severity: str) -> int:
    """Return how severe something is, from 0 on.

    >>> rank("high") > rank("medium")
    True
    """
    return SEVERITIES.index(severity)


def is_active(incident: Incident, at: str) -> bool:
    """Tell whether one of its alerts goes on."""
    now = time.parse(at)
    return any(not end or time.parse(end) > now for end in incident["alerts"].values())


def number(id: str) -> str:
    """Return how people call an incident.

    >>> number("urn:ngsi-ld:Incident:20261121-k3f9xa")
    '20261121-k3f9xa'
    """
    return id.removeprefix(PREFIX)


def later(at: str, seconds: float) -> str:
    """Return the DateTime so much later."""
    return time.render(time.parse(at) + int(seconds * 1_000_000))


def datetime_of(at: str) -> datetime:
    """Return a DateTime as a time."""
    return datetime.fromtimestamp(time.parse(at) / 1e6, UTC)


# --- as an entity ---------------------------------------------------------------------------------

_MOMENTS = {
    "startedAt": "started",
    "reportedAt": "reported",
    "acknowledgedAt": "acknowledged",
    "resolvedAt": "resolved",
    "endedAt": "ended",
}
_JSON = {
    "steps": "steps",
    "escalations": "escalations",
    "timeline": "timeline",
    "handOver": "hand_over",
    "agencies": "agencies",
    "refusal": "refused",
}
_PLAIN = {
    "category": "category",
    "subCategory": "kind",
    "severity": "severity",
    "status": "status",
    "reports": "reports",
    "owner": "owner",
    "playbook": "playbook",
    "public": "public",
    "lastAction": "action",
}


def attributes(incident: Incident) -> dict[str, Any]:
    """Return the attributes of its entity, whole; what is empty is left out."""
    body: dict[str, Any] = dict(incident)
    found: dict[str, Any] = {
        name: _property(body[member]) for name, member in _PLAIN.items() if body[member] != ""
    }
    area = incident["area"]
    if area:
        found["areaServed"] = _words(area) if isinstance(area, dict) else _property(area)
    found["title"] = _words(incident["title"])
    if incident["text"] is not None:
        found["description"] = _words(incident["text"])
    if incident["public_title"] is not None:
        found["publicTitle"] = _words(incident["public_title"])
    if incident["location"] is not None:
        found["location"] = {"type": "GeoProperty", "value": incident["location"]}
    for name, targets in (("alerts", list(incident["alerts"])), ("refersTo", incident["about"])):
        if targets:
            found[name] = records.link(targets[0] if len(targets) == 1 else targets)
    if incident["merged"]:
        found["mergedInto"] = records.link(incident["merged"])
    for name, member in _JSON.items():
        if body[member]:
            found[name] = records.json(body[member])
    for name, member in _MOMENTS.items():
        if body[member]:
            found[name] = records.moment(time.parse(body[member]))
    return found


def of(thing: Thing) -> Incident:
    """Return the incident that an entity tells of."""
    found = new(
        thing.id,
        _moment(thing["startedAt"]),
        thing.get("category", ""),
        thing.get("severity", "informational"),
        thing.get("title", {"en": "", "ko": ""}),
    )
    body: Any = found
    for name, member in (*_PLAIN.items(), *_JSON.items()):
        if name in thing:
            body[member] = thing[name]
    for name, member in _MOMENTS.items():
        body[member] = _moment(thing[name])
    found["text"], found["public_title"] = thing["description"], thing["publicTitle"]
    found["location"], found["area"] = thing["location"], thing["areaServed"] or ""
    found["merged"] = thing.get("mergedInto", "")
    found["about"] = _listed(thing["refersTo"])
    found["alerts"] = dict.fromkeys(_listed(thing["alerts"]), "")
    return found


def _property(value: object) -> dict[str, Any]:
    return {"type": "Property", "value": value}


def _words(words: Words) -> dict[str, Any]:
    return {"type": "LanguageProperty", "languageMap": words}


def _moment(value: Any) -> str:
    if isinstance(value, dict):
        return str(value.get("@value", ""))
    return value if isinstance(value, str) else ""


def _listed(value: Any) -> list[str]:
    if value is None:
        return []
    return [value] if isinstance(value, str) else list(value)


def said(words: Words | str | None, language: str) -> str:
    """Return a text in a language, or in the one that there is.

    >>> said({"en": "Fire"}, "ko"), said("Fire", "ko"), said(None, "ko")
    ('Fire', 'Fire', '')
    """
    if isinstance(words, dict):
        return words.get(language) or next(iter(words.values()), "")
    return words if isinstance(words, str) else ""

"""What is told of an incident: to operators, after it is over, and to everybody. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from madang.act.incidents.incident import Entry, Incident, Words, number
from madang.model import time
from madang.services.city import Thing

_PUBLIC = frozenset((
    "opened", "severity", "acknowledged", "resolved", "reopened", "closed", "mergedInto",
))  # fmt: skip
"""Entries that everybody may see, without who did it; and notes that somebody has made public."""


def told(incident: Incident) -> dict[str, Any]:
    """Return an incident as JSON."""
    return {
        "id": incident["id"],
        "number": number(incident["id"]),
        "status": incident["status"],
        "severity": incident["severity"],
        "category": incident["category"],
        "kind": incident["kind"],
        "title": incident["title"],
        "text": incident["text"],
        "owner": incident["owner"],
        "reports": incident["reports"],
        "location": incident["location"],
        "area": incident["area"],
        "public": incident["public"],
        "startedAt": incident["started"],
        "acknowledgedAt": incident["acknowledged"] or None,
        "resolvedAt": incident["resolved"] or None,
        "endedAt": incident["ended"] or None,
        "mergedInto": number(incident["merged"]) or None,
    }


def whole(incident: Incident) -> dict[str, Any]:
    """Return an incident as JSON, with all that happened."""
    return told(incident) | {
        "publicTitle": incident["public_title"],
        "alerts": list(incident["alerts"]),
        "refersTo": incident["about"],
        "playbook": incident["playbook"],
        "steps": incident["steps"],
        "escalations": incident["escalations"],
        "agencies": incident["agencies"],
        "handOver": incident["hand_over"],
        "timeline": incident["timeline"],
    }


def report(incident: Incident, notices: Iterable[Thing]) -> dict[str, Any]:
    """Return the after-action report: the record, how long things took, who was told when."""
    steps = incident["steps"]
    return whole(incident) | {
        "secondsTo": {
            "acknowledge": _seconds(incident["started"], incident["acknowledged"]),
            "resolve": _seconds(incident["started"], incident["resolved"]),
            "close": _seconds(incident["started"], incident["ended"]),
        },
        "stepsDone": sum(1 for one in steps if one["done"]),
        "stepsLate": sum(1 for one in steps if _is_late(one["due"], one["done"])),
        "escalated": sum(1 for one in incident["timeline"] if one["what"] == "escalated"),
        "notices": [_notice(one) for one in notices],
    }


def public(incident: Incident) -> dict[str, Any]:
    """Return what everybody may know: no people, no coordinates, no notes that are not public."""
    return {
        "number": number(incident["id"]),
        "title": incident["public_title"] or incident["title"],
        "category": incident["category"],
        "severity": incident["severity"],
        "status": incident["status"],
        "area": incident["area"],
        "started": incident["started"],
        "ended": incident["ended"] or incident["resolved"],
        "entries": list(_public_entries(incident)),
    }


def _public_entries(incident: Incident) -> Iterable[dict[str, Any]]:
    for one in incident["timeline"]:
        if one["what"] in _PUBLIC:
            yield {"at": one["at"], "what": one["what"], "text": None, "now": one.get("now")}
        elif one["what"] == "note" and one.get("public"):
            words: Words = one["text"]
            yield {"at": one["at"], "what": "note", "text": words, "now": None}


def _notice(notice: Thing) -> Entry:
    return {
        "id": notice.id,
        "to": notice["to"],
        "title": notice["title"],
        "urgent": bool(notice["urgent"]),
        "status": notice["status"],
        "deliveries": [
            {name: one.get(name) for name in ("person", "channel", "at", "ok", "error")}
            for one in notice["deliveries"] or []
        ],
    }


def _seconds(start: str, end: str) -> float | None:
    return (time.parse(end) - time.parse(start)) / 1e6 if start and end else None


def _is_late(due: str | None, done: str | None) -> bool:
    return bool(due) and (not done or time.parse(done) > time.parse(str(due)))

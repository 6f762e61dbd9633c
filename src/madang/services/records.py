"""The entities by which services tell people and devices something, as attributes to put.

A service only writes them. What is told of the live city is then sent by those who follow these
types (``madang.act``); what a service writes on a past day or in the twin goes nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from madang.model import time
from madang.services.service import Text

ALERT = "Alert"
"""Smart Data Models, dataModel.Alert: something that people should know of."""
COMMAND = "Command"
DECISION = "Decision"
INDICATOR = "KeyPerformanceIndicator"
"""Smart Data Models, dataModel.KeyPerformanceIndicator."""
NOTICE = "Notice"

Severity = Literal["informational", "low", "medium", "high", "critical"]

Attributes = dict[str, Any]


def text(value: Text | str) -> Any:
    """Return words as an attribute, in each language that they are in."""
    if isinstance(value, str):
        return value
    return {"type": "LanguageProperty", "languageMap": {"en": value.en, "ko": value.ko}}


def json(value: Any) -> Attributes:
    """Return a JSON value that is kept as it is."""
    return {"type": "JsonProperty", "json": value}


def moment(instant: int) -> Attributes:
    """Return a time as an attribute.

    Args:
        instant: us since 1970.
    """
    value = {"@type": "DateTime", "@value": time.render(instant)}
    return {"type": "Property", "value": value}


def link(to: str | Sequence[str]) -> Attributes:
    """Return a relationship to one entity or several."""
    return {"type": "Relationship", "object": to if isinstance(to, str) else list(to)}


def decision(
    what: Text | str,
    by: str,
    options: Mapping[str, Any],
    seen: Sequence[tuple[str, str, Any, str | None]],
    expects: Mapping[str, Any],
    undo: Mapping[str, Any],
) -> Attributes:
    """Return a decision; see :meth:`madang.services.city.City.decide`.

    Args:
        what: was decided.
        by: name and version of who decided.
        options: settings that it went by.
        seen: entity, attribute, value and ``observedAt`` of each thing that it is based on.
        expects: what should come of it.
        undo: values that take it back, by entity and attribute.
    """
    based = [dict(zip(("entity", "attribute", "value", "observedAt"), one, strict=True))
             for one in seen]  # fmt: skip
    found = {
        "description": text(what),
        "madeBy": by,
        "options": json(dict(options)),
        "basedOn": json(based),
        "expects": json(dict(expects)),
    }
    if undo:
        found["undo"] = json(dict(undo))
    if about := list(dict.fromkeys([*undo, *(id for id, _, _, _ in seen)])):
        found["refersTo"] = link(about)
    return found


def command(
    target: str,
    name: str,
    parameters: Mapping[str, Any],
    by: str,
    instant: int,
    decision: str = "",
    revert_after_s: float | None = None,
) -> Attributes:
    """Return a command that is asked for; see :meth:`madang.services.city.City.command`."""
    found = {
        "commandTarget": link(target),
        "commandName": name,
        "parameters": json(dict(parameters)),
        "status": "requested",
        "requestedBy": by,
        "requestedAt": moment(instant),
    }
    if decision:
        found["decision"] = link(decision)
    if revert_after_s is not None:
        found["revertAfter"] = {"type": "Property", "value": revert_after_s, "unitCode": "SEC"}
    return found


def alert(
    kind: str,
    severity: Severity,
    title: Text,
    text_: Text | None,
    about: Sequence[str],
    location: Mapping[str, Any] | None,
    instant: int,
    source: str,
) -> Attributes:
    """Return an open alert; see :meth:`madang.services.city.City.alert`."""
    found = {
        "category": kind,
        "severity": severity,
        "title": text(title),
        "dateIssued": moment(instant),
        "alertSource": source,
        "status": "open",
    }
    if text_ is not None:
        found["description"] = text(text_)
    if about:
        found["refersTo"] = link(about[0] if len(about) == 1 else about)
    if location is not None:
        found["location"] = {"type": "GeoProperty", "value": dict(location)}
    return found


def ended(instant: int) -> Attributes:
    """Return what ends an alert."""
    return {"status": "closed", "validTo": moment(instant)}


def notice(people: str, title: Text, text_: Text, about: str, urgent: bool, by: str) -> Attributes:
    """Return words for people; see :meth:`madang.services.city.City.notify`."""
    found = {
        "to": people,
        "title": text(title),
        "text": text(text_),
        "urgent": urgent,
        "status": "waiting",
        "requestedBy": by,
    }
    if about:
        found["about"] = link(about)
    return found

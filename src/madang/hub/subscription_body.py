"""The body of a subscription: which members it may have, and its names made canonical.

A stored body is what the client gave, without what is unknown or read-only, with canonical names in
place of terms. Texts in a query language stay as they were sent; what their terms stand for is kept
beside them, so a subscription can be read again without its @context at hand.
Source: ETSI GS CIM 009 clauses 5.2.12 to 5.2.15 (Subscription and its parts), 5.8.1, 5.8.2.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from madang.model import time
from madang.model.attributes import NULL
from madang.model.context import Names
from madang.model.errors import BadRequestData
from madang.model.names import check_name, check_uri, is_uri, shown

Body = dict[str, Any]
Terms = dict[str, dict[str, str]]
"""What the terms in a query text stand for, by member (``q``, ``csf``)."""

TRIGGERS = (
    "entityCreated",
    "entityUpdated",
    "entityDeleted",
    "attributeCreated",
    "attributeUpdated",
    "attributeDeleted",
)
DEFAULT_TRIGGERS = ("attributeCreated", "attributeUpdated")

_MEMBERS = frozenset({
    "id", "type", "subscriptionName", "description", "entities", "watchedAttributes",
    "notificationTrigger", "timeInterval", "q", "geoQ", "scopeQ", "csf", "isActive",
    "notification", "expiresAt", "throttling", "temporalQ", "lang", "datasetId",
    "jsonldContext", "splitEntities", "localOnly",
})  # fmt: skip
_NOTIFICATION = frozenset({
    "attributes", "pick", "omit", "format", "endpoint", "sysAttrs", "showChanges",
    "join", "joinLevel",
})  # fmt: skip
_ENDPOINT = frozenset(("uri", "accept", "receiverInfo", "notifierInfo", "timeout", "cooldown"))
_ENTITY = frozenset(("id", "idPattern", "type"))
_MANDATORY = ("id", "type", "notification")
_TEXTS = ("subscriptionName", "description", "q", "csf", "scopeQ", "lang", "jsonldContext")
_FLAGS = ("isActive", "splitEntities", "localOnly")
_FORMATS = ("normalized", "concise", "keyValues", "simplified")
_JOINS = ("inline", "flat", "@none")
MOST_LEVELS = 10

_NAME = re.compile(r"[^{},|\s]+")  # in a projection
_TYPE = re.compile(r"[^();,|\s]+")  # in a type selection


class Recorder:
    """Names that remember what they were asked, so that a text can be parsed again without them."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self.terms: dict[str, str] = {}

    def expand(self, term: str, /) -> str:
        found = self._names.expand(term)
        self.terms[term] = found
        return found

    def compact(self, name: str, /) -> str:
        return self._names.compact(name)


class Recorded:
    """Names as a :class:`Recorder` heard them; any other name stands for itself."""

    def __init__(self, terms: dict[str, str]) -> None:
        self._terms = terms

    def expand(self, term: str, /) -> str:
        return self._terms.get(term, term)

    def compact(self, name: str, /) -> str:
        return name


CANONICAL: Names = Recorded({})
"""For texts whose names are canonical already."""


def canonical(given: object, names: Names) -> Body:
    """Return the known members that a client gave, names canonical; None where it removes one.

    Only what is needed to rename is checked here; :func:`check` does the rest.
    """
    if not isinstance(given, dict):
        raise BadRequestData("a subscription must be a JSON object")
    renamed = {member.removeprefix("@"): value for member, value in given.items()}
    body: Body = {
        member: None if value == NULL else value
        for member, value in renamed.items()
        if member in _MEMBERS
    }
    if isinstance(body.get("entities"), list):
        body["entities"] = [_canonical_selector(one, names) for one in body["entities"]]
    if isinstance(body.get("watchedAttributes"), list):
        body["watchedAttributes"] = [_canonical_name(n, names) for n in body["watchedAttributes"]]
    if isinstance(body.get("geoQ"), dict) and isinstance(body["geoQ"].get("geoproperty"), str):
        geo = body["geoQ"]
        body["geoQ"] = {**geo, "geoproperty": names.expand(geo["geoproperty"])}
    if isinstance(body.get("notification"), dict):
        body["notification"] = _canonical_notification(body["notification"], names)
    return body


def _canonical_selector(given: Any, names: Names) -> Any:
    if not isinstance(given, dict):
        return given
    renamed = {member.removeprefix("@"): value for member, value in given.items()}
    selector = {
        name: value for name, value in renamed.items() if name in _ENTITY and value is not None
    }
    if isinstance(selector.get("type"), str):
        selector["type"] = rename_types(selector["type"], names.expand)
    return selector


def _canonical_name(given: object, names: Names) -> object:
    return names.expand(given) if isinstance(given, str) else given


def _canonical_notification(given: Body, names: Names) -> Body:
    notification = {m: v for m, v in given.items() if m in _NOTIFICATION and v is not None}
    for member in ("attributes", "pick", "omit"):
        if isinstance(notification.get(member), list):
            notification[member] = [
                rename(name, names.expand) if isinstance(name, str) else name
                for name in notification[member]
            ]
    if isinstance(notification.get("endpoint"), dict):
        endpoint = notification["endpoint"]
        notification["endpoint"] = {
            m: v for m, v in endpoint.items() if m in _ENDPOINT and v is not None
        }
    return notification


def rename(projection: str, change: Callable[[str], str]) -> str:
    """Return a projection such as ``name,owner{name}`` with every name changed."""
    return _NAME.sub(lambda found: change(found[0]), projection)


def rename_types(selection: str, change: Callable[[str], str]) -> str:
    """Return a type selection such as ``(Car;Electric),Bus`` with every name changed."""
    return _TYPE.sub(lambda found: found[0] if found[0] == "*" else change(found[0]), selection)


def merged(body: Body, fragment: Body) -> Body:
    """Return a body with the members of a fragment in place of its own (clause 5.8.2)."""
    for member in _MANDATORY:
        if member in fragment and fragment[member] is None:
            raise BadRequestData(f"{member} is mandatory in a subscription and cannot be removed")
    return {name: value for name, value in {**body, **fragment}.items() if value is not None}


def check(body: Body, now: int, given: Body) -> None:
    """Raise BadRequestData unless a canonical body is a Subscription (clause 5.2.12).

    Args:
        body: the whole subscription.
        now: [us since 1970]
        given: the members that the client gives now; only these must not be in the past.
    """
    if body.get("type") != "Subscription":
        raise BadRequestData('type must be "Subscription"')
    check_uri(body.get("id"), "id")
    for member in _TEXTS:
        if not isinstance(body.get(member, ""), str):
            raise BadRequestData(f"{member} must be a string")
    for member in _FLAGS:
        _check_flag(body, member, member)
    _check_what(body)
    _check_when(body, now, given)
    _check_notification(body.get("notification"))
    datasets = body.get("datasetId")
    if datasets is not None:
        for dataset in _list(datasets, "datasetId"):
            if dataset != "@none":
                check_uri(dataset, "datasetId")
    context = body.get("jsonldContext")
    if context is not None and not (is_uri(context) and context.startswith(("http:", "https:"))):
        raise BadRequestData(f"jsonldContext must be an http or https URL, not {shown(context)}")


def _check_what(body: Body) -> None:
    entities, watched = body.get("entities"), body.get("watchedAttributes")
    if entities is None and watched is None:
        raise BadRequestData("a subscription needs entities or watchedAttributes")
    if entities is not None:
        for selector in _list(entities, "entities"):
            _check_selector(selector)
    if watched is not None:
        for name in _list(watched, "watchedAttributes"):
            check_name(name, "watchedAttributes")


def _check_selector(selector: object) -> None:
    if not isinstance(selector, dict):
        raise BadRequestData("entities must hold objects with a type")
    if not isinstance(selector.get("type"), str) or not selector["type"]:
        raise BadRequestData("each of entities must have a type, a string")
    if "id" in selector:
        check_uri(selector["id"], "id in entities")
    pattern = selector.get("idPattern", "")
    if not isinstance(pattern, str):
        raise BadRequestData("idPattern in entities must be a string")


def _check_when(body: Body, now: int, given: Body) -> None:
    for member in ("timeInterval", "throttling"):
        _check_seconds(body, member)
    if "timeInterval" in body:
        for other in ("watchedAttributes", "throttling"):
            if other in body:
                raise BadRequestData(f"timeInterval and {other} exclude each other")
    for trigger in _list(body.get("notificationTrigger", DEFAULT_TRIGGERS), "notificationTrigger"):
        if trigger not in TRIGGERS:
            raise BadRequestData(
                f"notificationTrigger may hold {', '.join(TRIGGERS)}, not {shown(trigger)}"
            )
    if "expiresAt" in body:
        expires = time.parse(time.checked(body["expiresAt"], "expiresAt"))
        if expires <= now and given.get("expiresAt") is not None:
            raise BadRequestData("expiresAt must be in the future")


def _check_notification(notification: Any) -> None:
    if not isinstance(notification, dict):
        raise BadRequestData("a subscription must have a notification, an object with an endpoint")
    if "endpoint" not in notification:
        raise BadRequestData("notification must have an endpoint")
    for member in ("sysAttrs", "showChanges"):
        _check_flag(notification, member, f"notification.{member}")
    form = notification.get("format", "normalized")
    if form not in _FORMATS:
        raise BadRequestData(
            f"notification.format must be one of {', '.join(_FORMATS)}, not {shown(form)}"
        )
    if notification.get("showChanges") and form in ("keyValues", "simplified"):
        raise BadRequestData(f"showChanges cannot be combined with the format {form}")
    _check_projection(notification)
    if notification.get("join", "@none") not in _JOINS:
        raise BadRequestData(f"notification.join must be one of {', '.join(_JOINS)}")
    level = notification.get("joinLevel", 1)
    if type(level) is not int or not 1 <= level <= MOST_LEVELS:
        raise BadRequestData(
            f"notification.joinLevel must be a whole number from 1 to {MOST_LEVELS}"
        )


def _check_projection(notification: Body) -> None:
    given = {}
    for member in ("attributes", "pick", "omit"):
        if member in notification:
            given[member] = set(map(str, _list(notification[member], f"notification.{member}")))
            for name in notification[member]:
                if not isinstance(name, str) or not name:
                    raise BadRequestData(f"notification.{member} must hold names")
    if "attributes" in given and len(given) > 1:
        raise BadRequestData("notification.attributes cannot be combined with pick or omit")
    for name in given.get("attributes", ()):
        check_name(name, "notification.attributes")


def _list(given: Any, member: str) -> list[Any] | tuple[Any, ...]:
    if not isinstance(given, list | tuple) or not given:
        raise BadRequestData(f"{member} must be a non-empty array")
    return given


def _check_flag(body: Body, member: str, where: str) -> None:
    if not isinstance(body.get(member, False), bool):
        raise BadRequestData(f"{where} must be true or false")


def _check_seconds(body: Body, member: str) -> None:
    value = body.get(member, 1)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e9:
        raise BadRequestData(f"{member} must be a number of seconds above 0")

"""A subscription, ready to be matched, notified, served and stored.

Source: ETSI GS CIM 009 clauses 5.2.12 to 5.2.15 (data types), 5.8.1 to 5.8.6 (operations and
notification behaviour).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from madang.hub import endpoint as endpoints
from madang.hub import subscription_body as bodies
from madang.hub.endpoint import Endpoint
from madang.hub.look import Look, look_of
from madang.hub.sent import Statistics
from madang.hub.subscription_body import CANONICAL, Body, Recorded, Recorder, Terms
from madang.hub.subscription_sight import Sight, sight_of
from madang.hub.triggers import mask_of
from madang.model import time
from madang.model.context import Context, Names
from madang.model.entity import Entity
from madang.model.errors import BadRequestData
from madang.model.linked import Join, Known
from madang.model.view import View
from madang.query import evaluate, geo, pattern, q, scope, temporal, types
from madang.query.evaluate import Test
from madang.query.narrow import narrowed
from madang.query.reach import EMPTY, Reach
from madang.query.tree import (
    And,
    Compare,
    Condition,
    Exists,
    Geo,
    HasType,
    Not,
    Or,
    Query,
    Selector,
)

Status = Literal["active", "paused", "expired"]


@dataclass(slots=True, eq=False)
class Subscription:
    """One subscription. It is replaced when it is updated; only its statistics change in place."""

    body: Body
    """As :mod:`madang.hub.subscription_body` describes it."""
    terms: Terms
    context: Context
    """The @context of its notifications."""
    created: int
    modified: int
    statistics: Statistics
    id: str
    selectors: tuple[Selector, ...]
    watched: frozenset[str]
    triggers: int
    """A mask of :mod:`madang.hub.triggers`."""
    q: Condition | None
    geo: Geo | None
    scope: Condition | None
    endpoint: Endpoint
    look: Look
    join: Join | None
    linked: frozenset[str]
    """Relationships that its ``q`` follows into linked entities."""
    tests: tuple[Test, ...]
    """What an entity must pass that the index of types and ids chose for it, but for a ``q`` that
    looks into linked ones."""
    active: bool
    expires: int | None
    throttling: int  # [us]
    interval: int  # [us], 0 if it is told of changes
    quiet_until: int = field(default=0)
    """Throttled until then. [us since 1970]"""
    owner: str | None = None
    """Id of the principal whose it is; None is the hub itself, which may see everything."""
    inside: bool = True
    """Its endpoint may lie inside the city's own network: whoever named it may have that."""
    sight: Sight | None = None
    """What the owner may see now; None is everything."""
    orphaned: bool = False
    """The owner is gone or disabled, so nothing is sent."""

    def status(self, now: int) -> Status:
        """Return whether it notifies (clause 5.2.12)."""
        if self.expires is not None and self.expires <= now:
            return "expired"
        return "active" if self.active and not self.orphaned else "paused"

    @property
    def within(self) -> str:
        """Mark of what the owner may see now, for notifications made now; empty is everything."""
        return "" if self.sight is None else self.sight.mark

    def judge(self, reach: Reach | None) -> bool:
        """Take what the owner may reach now, None if it is gone; return whether that is new."""
        sight = sight_of(EMPTY if reach is None else reach)
        known = self.sight is sight and self.orphaned is (reach is None)
        self.sight, self.orphaned = sight, reach is None
        return not known

    @property
    def deferred(self) -> bool:
        """Whether notifications need linked entities, which are looked up when they are sent."""
        return self.join is not None or bool(self.linked)

    def selects(self, entity: Entity) -> bool:
        """Tell whether it names an entity by type and id."""
        return evaluate.selected(self.selectors, entity)

    def matches(self, entity: Entity) -> bool:
        """Tell whether it is about an entity, as far as the entity alone tells."""
        for test in self.tests:  # noqa: SIM110 - a generator would cost more than the test
            if not test(entity, None):
                return False
        return True

    def holds_linked(self, entity: Entity, known: Known) -> bool:
        """Tell whether a ``q`` that looks into linked entities holds."""
        return self.q is None or evaluate.compile(self.q)(entity, known.get)

    @property
    def follows(self) -> list[tuple[View, Join]]:
        """Which links must be followed before a notification can be completed."""
        found = [] if self.join is None else [(self.look.view, self.join)]
        if self.linked:
            found.append((View(attrs=self.linked), Join(level=_depth(self.q))))
        return found

    @property
    def query(self) -> Query:
        """What a periodic subscription asks for, but for a ``q`` that looks into linked ones."""
        own = None if self.linked else self.q
        query = Query(selectors=self.selectors, q=own, geo=self.geo, scope=self.scope)
        return query if self.sight is None else narrowed(query, self.sight.reach)

    def served(self, names: Names, now: int, sys_attrs: bool = False) -> Body:
        """Return the subscription as a client sees it, with the names of the client's @context."""
        body = dict(self.body)
        body["notification"] = _served_notification(self.body["notification"], names)
        if "entities" in body:
            body["entities"] = [_served_selector(one, names) for one in body["entities"]]
        if "watchedAttributes" in body:
            body["watchedAttributes"] = [names.compact(n) for n in body["watchedAttributes"]]
        if "geoproperty" in body.get("geoQ", ()):
            geo = body["geoQ"]
            body["geoQ"] = {**geo, "geoproperty": names.compact(geo["geoproperty"])}
        body.setdefault("notificationTrigger", list(bodies.DEFAULT_TRIGGERS))
        body["status"] = self.status(now)
        if self.orphaned:
            body["statusReason"] = (
                f"its owner {self.owner} is gone or may not enter this tenant any more;"
                " an administrator can let them in again, or delete the subscription"
            )
        body["notification"] |= self.statistics.members()
        if sys_attrs:
            body["createdAt"] = time.render(self.created)
            body["modifiedAt"] = time.render(self.modified)
        return body

    def stored(self) -> bytes:
        """Return what the store keeps of it."""
        record = {
            "body": self.body,
            "terms": self.terms,
            "context": self.context.source,
            "created": self.created,
            "modified": self.modified,
            "statistics": self.statistics.stored(),
        }
        if self.owner is not None:
            record |= {"owner": self.owner, "inside": self.inside}
        return orjson.dumps(record)


@dataclass(slots=True)
class Record:
    """A subscription as the store keeps it, its @context not yet looked up."""

    body: Body
    terms: Terms
    context: Any
    created: int
    modified: int
    statistics: Statistics
    owner: str | None = None
    inside: bool = True

    def ready(self, context: Context) -> Subscription:
        """Return the subscription, which notifies in an @context."""
        return _compiled(self, context)


def read(stored: bytes) -> Record:
    """Return what :meth:`Subscription.stored` stored."""
    record = orjson.loads(stored)
    record["statistics"] = Statistics.restored(record["statistics"])
    return Record(**record)


def create(
    given: object,
    names: Names,
    context: Context,
    now: int,
    id: str,
    owner: str | None = None,
    inside: bool = True,
) -> Subscription:
    """Return the subscription that a client asks for (clause 5.8.1).

    Args:
        given: the request's body.
        names: the request's @context.
        context: the @context for notifications: ``jsonldContext``, else the request's.
        now: [us since 1970]
        id: its id if the client gives none.
        owner: whose it is.
        inside: its endpoint may lie inside the city's own network.

    Raises:
        BadRequestData: the body is no valid subscription.
    """
    fragment = bodies.canonical(given, names)
    body = {name: value for name, value in {"id": id, **fragment}.items() if value is not None}
    bodies.check(body, now, fragment)
    terms = _terms(fragment, names)
    return Record(body, terms, None, now, now, Statistics(), owner, inside).ready(context)


def update(
    old: Subscription, given: object, names: Names, now: int, inside: bool = True
) -> Subscription:
    """Return a subscription with the members of a fragment in place of its own (clause 5.8.2).

    Args:
        old: the subscription.
        given: the request's body.
        names: the request's @context.
        now: [us since 1970]
        inside: an endpoint that is given now may lie inside the city's own network.

    Raises:
        BadRequestData: the result would be no valid subscription.
    """
    fragment = bodies.canonical(given, names)
    if fragment.get("id", old.id) != old.id:
        raise BadRequestData("the id of a subscription cannot be changed")
    body = bodies.merged(old.body, fragment)
    bodies.check(body, now, fragment)
    terms = {**old.terms, **_terms(fragment, names)}
    inside = inside if "notification" in fragment else old.inside
    record = Record(body, terms, None, old.created, now, old.statistics, old.owner, inside)
    new = record.ready(old.context)
    new.quiet_until = old.quiet_until if new.throttling else 0
    return new


def in_context(old: Subscription, context: Context) -> Subscription:
    """Return a subscription that notifies in another @context."""
    record = Record(
        old.body, old.terms, None, old.created, old.modified, old.statistics, old.owner, old.inside
    )
    new = record.ready(context)
    new.quiet_until = old.quiet_until
    return new


def _terms(fragment: Body, names: Names) -> Terms:
    """Return what the terms in query texts stand for."""
    found: Terms = {}
    for member in ("q", "csf"):
        text = fragment.get(member)
        if isinstance(text, str):
            recorder = Recorder(names)
            q.parse(q.decoded(text), recorder, max_links=bodies.MOST_LEVELS)
            found[member] = recorder.terms
    return found


def _compiled(record: Record, context: Context) -> Subscription:
    body, terms, statistics = record.body, record.terms, record.statistics
    notification = body["notification"]
    watched = frozenset(body.get("watchedAttributes", ()))
    triggers = mask_of(body.get("notificationTrigger", bodies.DEFAULT_TRIGGERS))
    endpoint = endpoints.parse(notification["endpoint"], record.inside)
    condition = None
    if "q" in body:
        recorded = Recorded(terms.get("q", {}))
        condition = q.parse(q.decoded(body["q"]), recorded, max_links=bodies.MOST_LEVELS)
    selectors = tuple(_selector(one) for one in body.get("entities", ()))
    geometry = geo.from_object(body["geoQ"], CANONICAL) if "geoQ" in body else None
    scopes = scope.parse(body["scopeQ"]) if "scopeQ" in body else None
    linked = frozenset() if condition is None else _linked(condition)
    if "temporalQ" in body:
        temporal.from_object(body["temporalQ"])
    throttling = int(body.get("throttling", 0) * 1e6)
    last = statistics.last_notification
    return Subscription(
        body=body,
        terms=terms,
        context=context,
        created=record.created,
        modified=record.modified,
        statistics=statistics,
        id=body["id"],
        selectors=selectors,
        watched=watched,
        triggers=triggers,
        q=condition,
        geo=geometry,
        scope=scopes,
        endpoint=endpoint,
        look=look_of(body, context, endpoint, triggers, watched),
        join=_join(notification),
        linked=linked,
        tests=_tests(selectors, geometry, scopes, None if linked else condition),
        active=body.get("isActive", True),
        expires=time.parse(body["expiresAt"]) if "expiresAt" in body else None,
        throttling=throttling,
        interval=int(body.get("timeInterval", 0) * 1e6),
        quiet_until=last + throttling if throttling and last is not None else 0,
        owner=record.owner,
        inside=record.inside,
    )


def _selector(given: Body) -> Selector:
    """Return one of ``entities``; an id makes its idPattern idle (clause 5.2.33)."""
    id_pattern = None if "id" in given else given.get("idPattern")
    if id_pattern is not None:
        pattern.compiled(id_pattern)
    return Selector(
        types=types.parse(given["type"], CANONICAL),
        ids=(given["id"],) if "id" in given else (),
        id_pattern=id_pattern,
    )


def _join(notification: Body) -> Join | None:
    wanted = notification.get("join", "@none")
    if wanted == "@none":
        return None
    return Join(flat=wanted == "flat", level=notification.get("joinLevel", 1))


def _linked(condition: Condition) -> frozenset[str]:
    """Return the relationships of an entity that a condition follows."""
    match condition:
        case And(items) | Or(items):
            return frozenset().union(*map(_linked, items))
        case Not(item):
            return _linked(item)
        case Compare(path=path) | Exists(path=path) if path.links:
            return frozenset((path.links[0].relationship,))
    return frozenset()


def _depth(condition: Condition | None) -> int:
    """Return how many relationships a condition follows one after another."""
    match condition:
        case And(items) | Or(items):
            return max(map(_depth, items))
        case Not(item):
            return _depth(item)
        case Compare(path=path) | Exists(path=path):
            return len(path.links)
    return 0


def _tests(selectors: tuple[Selector, ...], *conditions: Condition | None) -> tuple[Test, ...]:
    tests = [evaluate.compile(one) for one in conditions if one is not None]
    by_type_alone = all(
        isinstance(one.types, HasType) and not one.ids and one.id_pattern is None
        for one in selectors
    )
    if not by_type_alone:
        tests.insert(0, lambda entity, _linked: evaluate.selected(selectors, entity))
    return tuple(tests)


def _served_selector(selector: Body, names: Names) -> Body:
    return {**selector, "type": bodies.rename_types(selector["type"], names.compact)}


def _served_notification(notification: Body, names: Names) -> Body:
    served = dict(notification)
    for member in ("attributes", "pick", "omit"):
        if member in served:
            served[member] = [bodies.rename(name, names.compact) for name in served[member]]
    return served

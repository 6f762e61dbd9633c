"""Which subscriptions a change concerns, found in the writer's turn before the commit.

Subscriptions are indexed by what their selectors name, so a change that no subscription is about
costs one look-up, and no subscriptions at all cost one test a group of changes.
Source: ETSI GS CIM 009 clauses 5.2.12 (triggers, throttling), 5.8.6 (notification behaviour).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import structlog

from madang.hub.look import Look, shown
from madang.hub.notification import deferred, made
from madang.hub.subscription import Subscription
from madang.hub.subscription_sight import OnPersonal, Sight
from madang.hub.triggers import Events, events_of
from madang.model.entity import Entity
from madang.query.tree import And, Condition, HasType, Or, Selector
from madang.store.protocol import Change

log = structlog.get_logger("madang.matching")

Rendered = tuple[str, int, bytes]
"""A notification to store: subscription, time, body."""

MOST_ENTITIES = 100  # in one notification
MOST_BYTES = 250_000  # of entities in one notification, more or less

_Index = dict[str, dict[str, Subscription]]


@dataclass(slots=True)
class _Seen:
    """A change as the owners of some subscriptions may see it."""

    change: Change
    entity: Entity
    events: Events
    looks: dict[Look, bytes | None] = field(default_factory=dict)


@dataclass(slots=True)
class _Gathered:
    """What one notification will hold: changes of different entities from one group."""

    subscription: Subscription
    ids: set[str] = field(default_factory=set)
    changes: list[Change] = field(default_factory=list)
    fragments: list[bytes] = field(default_factory=list)
    bytes: int = 0

    def takes(self, id: str) -> bool:
        return id not in self.ids and len(self.ids) < MOST_ENTITIES and self.bytes < MOST_BYTES


class Matcher:
    """Finds the notifications that changes call for."""

    def __init__(self, on_personal: OnPersonal | None = None) -> None:
        """Take who is told of personal data that owners of subscriptions get to see."""
        self._on_personal = on_personal
        self._subscriptions: dict[str, Subscription] = {}
        self._by_type: _Index = {}
        self._by_id: _Index = {}
        self._any: dict[str, Subscription] = {}
        self._sighted: set[str] = set()  # those whose owners may not see everything
        self.faults = 0
        """How often a subscription could not be matched because of a fault of ours."""

    def put(self, subscription: Subscription) -> None:
        """Take up a subscription, in place of an older one with its id."""
        self.remove(subscription.id)
        if not subscription.active or subscription.interval or subscription.orphaned:
            return
        self._subscriptions[subscription.id] = subscription
        if subscription.sight is not None:
            self._sighted.add(subscription.id)
        for place in self._places(subscription):
            place[subscription.id] = subscription

    def remove(self, id: str) -> None:
        """Leave a subscription out from now on."""
        subscription = self._subscriptions.pop(id, None)
        self._sighted.discard(id)
        if subscription is not None:
            for place in self._places(subscription):
                place.pop(id, None)

    def _places(self, subscription: Subscription) -> Iterator[dict[str, Subscription]]:
        if not subscription.selectors:
            yield self._any
        for selector in subscription.selectors:
            for id in selector.ids:
                yield self._by_id.setdefault(id, {})
            if not selector.ids:
                yield from self._places_of_types(selector)

    def _places_of_types(self, selector: Selector) -> Iterator[dict[str, Subscription]]:
        names = _needed_types(selector.types)
        if names is None:
            yield self._any
        else:
            for name in names:
                yield self._by_type.setdefault(name, {})

    def match(self, changes: Sequence[Change], now: int) -> list[Rendered]:
        """Return the notifications to store with these changes."""
        if not self._subscriptions:
            return []
        gathered: dict[str, _Gathered] = {}
        rendered: list[Rendered] = []
        for change in changes:
            entity = change.after or change.before
            candidates = None if entity is None else self._candidates(change.id, entity)
            if self._sighted:
                candidates = self._with_former(change, candidates)
            if not candidates or entity is None:
                continue
            events = events_of(change)
            looks: dict[Look, bytes | None] | None = {} if len(candidates) > 1 else None
            seen: dict[Sight, _Seen | None] | None = {} if self._sighted else None
            for subscription in candidates.values():
                try:
                    if seen is not None and subscription.sight is not None:
                        self._match_seen(subscription, change, seen, gathered, rendered, now)
                    elif self._concerns(subscription, entity, events, now):
                        self._gather(subscription, change, looks, gathered, rendered, now)
                except Exception:  # one subscription's fault must not stop everybody's writes
                    self.faults += 1
                    log.exception("matching.broken", subscription=subscription.id)
        for group in gathered.values():
            self._close(group, rendered, now)
        return rendered

    def _match_seen(
        self,
        subscription: Subscription,
        change: Change,
        seen: dict[Sight, _Seen | None],
        gathered: dict[str, _Gathered],
        rendered: list[Rendered],
        now: int,
    ) -> None:
        """Match a change as the owner of a subscription may see it."""
        sight = subscription.sight
        if sight is None:
            return
        if sight not in seen:
            seen[sight] = _seen(sight, change)
        one = seen[sight]
        # It may have been chosen by types that the owner never saw, so they are looked at again.
        if one is not None and (
            self._concerns(subscription, one.entity, one.events, now)
            and subscription.selects(one.entity)
        ):
            self._gather(subscription, one.change, one.looks, gathered, rendered, now)

    def _with_former(
        self, change: Change, found: dict[str, Subscription] | None
    ) -> dict[str, Subscription] | None:
        """Add subscriptions to types that an entity had before: it may have gone out of sight."""
        before, after = change.before, change.after
        if before is None or after is None or before.document["type"] == after.document["type"]:
            return found
        former = self._candidates(change.id, before) or {}
        sighted = {id: one for id, one in former.items() if one.sight is not None}
        return {**sighted, **(found or {})}

    def _candidates(self, id: str, entity: Entity) -> dict[str, Subscription] | None:
        """Return the subscriptions that may be about an entity, by id; None for none."""
        kind = entity.document["type"]
        found = [self._any] if self._any else []
        types = (kind,) if type(kind) is str else kind
        found += [self._by_type[name] for name in types if name in self._by_type]
        if id in self._by_id:
            found.append(self._by_id[id])
        if len(found) < 2:
            return found[0] if found else None
        return {id: subscription for place in found for id, subscription in place.items()}

    @staticmethod
    def _concerns(subscription: Subscription, entity: Entity, events: Events, now: int) -> bool:
        return (
            events.concern(subscription.triggers, subscription.watched)
            and subscription.quiet_until <= now
            and (subscription.expires is None or subscription.expires > now)
            and subscription.matches(entity)
        )

    def _gather(
        self,
        subscription: Subscription,
        change: Change,
        looks: dict[Look, bytes | None] | None,
        gathered: dict[str, _Gathered],
        rendered: list[Rendered],
        now: int,
    ) -> None:
        fragment: bytes | None = b""
        if not subscription.deferred:
            look = subscription.look
            if looks is None:
                fragment = shown(look, change)
            else:
                if look not in looks:
                    looks[look] = shown(look, change)
                fragment = looks[look]
        if fragment is None:
            return
        group = gathered.get(subscription.id)
        if group is not None and not group.takes(change.id):
            self._close(gathered.pop(subscription.id), rendered, now)
            group = None
            if subscription.quiet_until > now:
                return
        if group is None:
            group = gathered[subscription.id] = _Gathered(subscription)
        group.ids.add(change.id)
        group.changes.append(change)
        group.fragments.append(fragment)
        group.bytes += len(fragment)

    def _close(self, group: _Gathered, rendered: list[Rendered], now: int) -> None:
        subscription = group.subscription
        if subscription.sight is not None and self._on_personal is not None:
            view = subscription.look.view
            states = (change.after or change.before for change in group.changes)
            shown = ((state, view) for state in states if state is not None)
            subscription.sight.tell(self._on_personal, subscription.owner or "", shown)
        if subscription.deferred:
            body = deferred(subscription, group.changes, now)
        else:
            body = made(subscription, group.fragments, now)
        rendered.append((subscription.id, now, body))
        if subscription.throttling:
            subscription.quiet_until = now + subscription.throttling


def _seen(sight: Sight, change: Change) -> _Seen | None:
    visible = sight.change(change)
    entity = None if visible is None else visible.after or visible.before
    if visible is None or entity is None:
        return None
    return _Seen(visible, entity, events_of(visible))


def _needed_types(condition: Condition | None) -> set[str] | None:
    """Return types of which an entity must have one to match; None if there are none such."""
    match condition:
        case HasType(name):
            return {name}
        case Or(items):
            found = [_needed_types(item) for item in items]
            if any(names is None for names in found):
                return None
            return {name for names in found if names is not None for name in names}
        case And(items):
            return next((names for item in items if (names := _needed_types(item))), None)
        case _:
            return None

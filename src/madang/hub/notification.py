"""Notifications: made when a change is matched, or completed when they are sent.

A notification whose subscriber wants linked entities (``join``, or a ``q`` that looks into them) is
stored as the changes it is about, and completed just before it is sent: the writer never waits for
a look-up. One that was stored before the rights of its owner changed is made anew when it is sent.
Source: ETSI GS CIM 009 clauses 5.3.1 (Notification), 5.8.6.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cache
from itertools import count
from typing import Any
from uuid import uuid4

import orjson

from madang.hub.look import data_of, shown_linked, shown_state
from madang.hub.message import DEFERRED, Message, pack
from madang.hub.subscription import Subscription
from madang.hub.subscription_sight import Lookup
from madang.hub.triggers import events_of
from madang.model import time
from madang.model.entity import Entity, Stamp
from madang.model.linked import Join, Known, missing
from madang.store.protocol import Change

_numbers = count(1)


def made(subscription: Subscription, fragments: Sequence[bytes], now: int) -> bytes:
    """Return a notification about rendered entities, as it is stored."""
    return pack(_message(subscription, _new_id(), time.render(now), fragments))


def deferred(subscription: Subscription, changes: Sequence[Change], now: int) -> bytes:
    """Return a notification about changes that is completed when it is sent, as it is stored."""
    record = {
        "id": _new_id(),
        "notifiedAt": time.render(now),
        "changes": [_change_record(change) for change in changes],
    }
    return pack(Message(DEFERRED, None, orjson.dumps(record), subscription.within))


def told(message: Message, within: str = "") -> bytes:
    """Return a stored notification as JSON for people; a deferred one names its entities only.

    Args:
        message: what is stored.
        within: mark of what the owner may see now; of a notification that was made for another
            reach, nothing is shown but that it is there.
    """
    fresh = message.within == within
    if fresh and message.content_type != DEFERRED:
        return message.body
    record = orjson.loads(message.body)
    entities = [{"id": change["id"]} for change in record["changes"]] if fresh else []
    return orjson.dumps({"id": record["id"], "notifiedAt": record["notifiedAt"], "data": entities})


async def completed(subscription: Subscription, message: Message, lookup: Lookup) -> Message | None:
    """Return a notification as it is sent; None if there is nothing to tell.

    Args:
        subscription: whose it is.
        message: a deferred one, which is completed with linked entities, or one that was made for
            another reach, which is made anew.
        lookup: finds entities, all that there are.
    """
    if subscription.sight is not None:
        lookup = subscription.sight.lookup(lookup)
    if message.content_type != DEFERRED:
        return await _renewed(subscription, message, lookup)
    record = orjson.loads(message.body)
    fragments: list[bytes] = []
    for stored in record["changes"]:
        change = _seen(subscription, _change(stored))
        state = None if change is None else change.after or change.before
        if change is None or state is None:
            continue
        join = subscription.join or Join(level=0)
        known = await _followed(state, subscription, lookup)
        if subscription.linked and not subscription.holds_linked(state, known):
            continue
        fragments += shown_linked(subscription.look, change, join, known)
    if not fragments:
        return None
    return _message(subscription, record["id"], record["notifiedAt"], fragments)


def _seen(subscription: Subscription, change: Change) -> Change | None:
    """Return a change as the owner of a subscription may see it now."""
    if subscription.sight is None:
        return change
    seen = subscription.sight.change(change)
    if seen is None or seen.kind == change.kind:
        return seen
    wanted = events_of(seen).concern(subscription.triggers, subscription.watched)
    return seen if wanted else None


async def _renewed(subscription: Subscription, old: Message, lookup: Lookup) -> Message | None:
    """Return a notification about the same entities as they are now."""
    record = orjson.loads(old.body)
    data = record["data"]
    ids = dict.fromkeys(one["id"] for one in (data if type(data) is list else data["features"]))
    found = await lookup(ids)
    fragments: list[bytes] = []
    for entity in filter(None, map(found.get, ids)):
        fragment = None
        if subscription.selects(entity) and subscription.matches(entity):
            fragment = shown_state(subscription.look, entity)
        if fragment is not None:
            fragments.append(fragment)
    if not fragments:
        return None
    return _message(subscription, record["id"], record["notifiedAt"], fragments)


def _new_id() -> str:
    """Return an id that no other process, nor this one after a restart, gives again."""
    return f"urn:ngsi-ld:Notification:{_mark(os.getpid())}-{next(_numbers)}"


@cache
def _mark(_process: int) -> str:
    """Return what tells the notifications of a process; one that was forked has its own."""
    return uuid4().hex


def _message(
    subscription: Subscription, id: str, notified_at: str, fragments: Sequence[bytes]
) -> Message:
    look = subscription.look
    head = {
        "id": id,
        "type": "Notification",
        "subscriptionId": subscription.id,
        "notifiedAt": notified_at,
    }
    body = orjson.dumps(head)[:-1] + b',"data":' + data_of(look, fragments) + b"}"
    return Message(look.accept, look.link, body, subscription.within)


async def _followed(state: Entity, subscription: Subscription, lookup: Lookup) -> Known:
    """Look up, level by level, what an entity links to."""
    known: dict[str, Entity | None] = {state.id: state}
    for view, join in subscription.follows:
        while wanted := missing([state], known, view, join):
            known |= dict.fromkeys(wanted) | await lookup(wanted)
    return known


def _change_record(change: Change) -> dict[str, Any]:
    return {
        "kind": change.kind,
        "at": change.at,
        "id": change.id,
        "before": _entity_record(change.before),
        "after": _entity_record(change.after),
        "attributes": change.attributes,
        "deleted": change.deleted,
    }


def _change(record: dict[str, Any]) -> Change:
    return Change(
        record["kind"],
        record["at"],
        record["id"],
        _entity(record["before"]),
        _entity(record["after"]),
        tuple(record["attributes"]),
        tuple(record["deleted"]),
    )


def _entity_record(entity: Entity | None) -> list[Any] | None:
    if entity is None:
        return None
    times = {path: tuple(stamp) for path, stamp in entity.times.items()}
    return [entity.document, entity.created, entity.modified, entity.written, times, entity.expires]


def _entity(record: list[Any] | None) -> Entity | None:
    if record is None:
        return None
    document, created, modified, written, times, expires = record
    stamps = {path: Stamp(*stamp) for path, stamp in times.items()}
    return Entity(document, created, modified, written, stamps, expires)

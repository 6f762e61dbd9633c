"""How subscribers see changed entities: one look is shared by all who see them alike.

Source: ETSI GS CIM 009 clauses 5.2.14 (NotificationParams), 5.8.6 (what a notification holds).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from madang.hub.endpoint import Accept, Endpoint
from madang.hub.subscription_body import CANONICAL, Body
from madang.hub.triggers import ATTRIBUTE_DELETED, ENTITY_UPDATED
from madang.model.attributes import ENTITY_MEMBERS
from madang.model.changes import changed_entity, deleted_entity
from madang.model.context import Context
from madang.model.core_context import CORE_URL
from madang.model.entity import Entity
from madang.model.geojson import feature
from madang.model.linked import Join, Known, flat, inline
from madang.model.view import Format, View
from madang.query import projection
from madang.store.protocol import Change

_FORMATS: dict[str, Format] = {
    "normalized": "normalized",
    "concise": "concise",
    "keyValues": "simplified",
    "simplified": "simplified",
}


@dataclass(frozen=True, slots=True)
class Look:
    """Everything that decides how a change looks to a subscriber. Equal looks, equal bytes."""

    view: View
    context: Context
    accept: Accept = "application/json"
    inline_context: bool = False
    """GeoJSON carries its @context in the body."""
    show_changes: bool = False
    shows_deleted: bool = False
    """Deleted attributes are shown, with NGSI-LD Null."""
    lists_deleted: bool = False
    """So are those of a deleted entity: the watched ones, or all if none is watched."""
    watched: frozenset[str] = frozenset()

    @property
    def link(self) -> str | None:
        """The @context that goes into the Link header."""
        in_header = self.accept == "application/json" or (
            self.accept == "application/geo+json" and not self.inline_context
        )
        return (self.context.url or CORE_URL) if in_header else None


def look_of(
    body: Body, context: Context, endpoint: Endpoint, triggers: int, watched: frozenset[str]
) -> Look:
    """Return how the subscriber of a canonical body sees changes."""
    notification = body["notification"]
    lists_deleted = bool(triggers & ATTRIBUTE_DELETED)
    geo = endpoint.accept == "application/geo+json"
    return Look(
        view=_view(body, notification),
        context=context,
        accept=endpoint.accept,
        inline_context=geo and not endpoint.context_in_header,
        show_changes=notification.get("showChanges", False),
        shows_deleted=bool(triggers & (ATTRIBUTE_DELETED | ENTITY_UPDATED)),
        lists_deleted=lists_deleted,
        watched=watched if lists_deleted else frozenset(),
    )


def _view(body: Body, notification: Body) -> View:
    joined = notification.get("join", "@none") != "@none"
    pick, omit = projection.pair(
        notification.get("pick"),
        notification.get("omit"),
        CANONICAL,
        max_links=notification.get("joinLevel", 1) if joined else 0,
    )
    return View(
        format=_FORMATS[notification.get("format", "normalized")],
        sys_attrs=notification.get("sysAttrs", False),
        lang=body.get("lang"),
        datasets=frozenset(body.get("datasetId", ())),
        attrs=frozenset(notification.get("attributes", ())),
        pick=pick,
        omit=omit,
    )


def shown(look: Look, change: Change) -> bytes | None:
    """Return the JSON of a changed entity; None if the look leaves nothing of it."""
    body = _body(look, change)
    return None if body is None else _framed(look, change.after or change.before, body)


def shown_linked(look: Look, change: Change, join: Join, known: Known) -> list[bytes]:
    """Return a changed entity with those it links to: one JSON text, or with ``flat`` several."""
    body, after = _body(look, change), change.after
    if body is None:
        return []
    if after is None:
        return [_framed(look, change.before, body)]
    if not join.flat:
        joined = inline(after, known, look.view, look.context, join) or {}
        changed = {look.context.compact(name) for name in change.attributes}
        # What a relationship was before is told beside it, so its linked entity is left out.
        kept = changed if look.show_changes else ()
        for name, value in joined.items():
            if name in body and name not in kept:
                body[name] = value
        return [_framed(look, after, body)]
    others = flat([after], known, look.view, look.context, join)[1:]
    return [_framed(look, after, body), *(_framed(look, e, b) for e, b in others)]


def shown_state(look: Look, entity: Entity) -> bytes | None:
    """Return the JSON of an entity as it is, for periodic notifications."""
    return shown(look, Change("updated", entity.modified, entity.id, entity, entity, ()))


def data_of(look: Look, fragments: Sequence[bytes]) -> bytes:
    """Return the ``data`` of a notification about entities that look as told."""
    if look.accept != "application/geo+json":
        return b"[" + b",".join(fragments) + b"]"
    context = b""
    if look.inline_context:
        context = b',"@context":' + orjson.dumps(look.context.source)
    features = b",".join(fragments)
    return b'{"type":"FeatureCollection","features":[' + features + b"]" + context + b"}"


def _body(look: Look, change: Change) -> Body | None:
    view, context = look.view, look.context
    before, after = change.before, change.after
    if after is None:
        if before is None:
            return None
        return deleted_entity(
            before, change.at, view, context, _listed(look, before), look.show_changes
        )
    return changed_entity(
        before,
        after,
        change.at,
        view,
        context,
        change.attributes,
        change.deleted if look.shows_deleted else (),
        look.show_changes,
    )


def _listed(look: Look, before: Entity) -> Collection[str]:
    if not look.lists_deleted:
        return ()
    return look.watched or before.document.keys() - ENTITY_MEMBERS


def _framed(look: Look, entity: Entity | None, body: Body) -> bytes:
    framed: dict[str, Any] = body
    if look.accept == "application/ld+json":
        framed = {**body, "@context": look.context.source}
    elif look.accept == "application/geo+json" and entity is not None:
        framed = feature(entity, body, look.view)
    return orjson.dumps(framed)

"""Every route of the hub's NGSI-LD API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from madang.api import (
    attributes,
    batch,
    contexts,
    discovery,
    entities,
    subscriptions,
    temporal,
    temporal_provision,
)
from madang.api.call import Call
from madang.api.http import Response
from madang.api.parameters import parsed
from madang.api.router import Handler, Route
from madang.trust.actions import EntityAction, TenantAction

_BASE = "/ngsi-ld/v1"


def _about_contexts(
    handler: Callable[..., Awaitable[Response]],
) -> Callable[..., Awaitable[Response]]:
    """Give a handler of stored contexts what it works on."""

    async def handle(call: Call, *ids: str) -> Response:
        parameters = dict(parsed(call.request.query))
        return await handler(call.request, call.tenant.contexts, parameters, *ids)

    return handle


def _routes(
    tag: str,
    *rows: tuple[str, str, Handler, str, tuple[EntityAction | TenantAction, ...]],
    making_tenants: tuple[Handler, ...] = (),
) -> list[Route]:
    return [
        Route(method, _BASE + path, handler, summary, tag, actions, handler in making_tenants)
        for method, path, handler, summary, actions in rows
    ]


_READ: tuple[EntityAction] = ("readEntity",)
_CREATE: tuple[EntityAction] = ("createEntity",)
_UPDATE: tuple[EntityAction] = ("updateEntity",)
_DELETE: tuple[EntityAction] = ("deleteEntity",)
_SUBSCRIBE: tuple[TenantAction] = ("subscribe",)
_ENTER: tuple[TenantAction] = ("enter",)
_CONTEXTS: tuple[TenantAction] = ("manageContexts",)
_PAST: tuple[EntityAction] = ("readHistory",)
_CORRECT: tuple[TenantAction] = ("changeHistory",)

_ENTITIES = _routes(
    "Entities",
    ("POST", "/entities", entities.create, "Create an entity", _CREATE),
    ("GET", "/entities", entities.query, "Query entities", _READ),
    ("DELETE", "/entities", entities.purge_matching, "Purge entities", _DELETE + _UPDATE),
    ("PUT", "/entities", entities.refuse, "Refused: the entity id is missing", _UPDATE),
    ("PATCH", "/entities", entities.refuse, "Refused: the entity id is missing", _UPDATE),
    ("GET", "/entities/{id}", entities.retrieve, "Retrieve an entity", _READ),
    ("PUT", "/entities/{id}", entities.replace, "Replace an entity", _UPDATE),
    ("PATCH", "/entities/{id}", entities.merge, "Merge into an entity", _UPDATE),
    ("DELETE", "/entities/{id}", entities.delete, "Delete an entity", _DELETE),
    making_tenants=(entities.create,),
)
_ONE = "/entities/{id}/attrs/{attribute}"
_ATTRIBUTES = _routes(
    "Attributes",
    ("POST", "/entities/{id}/attrs", attributes.append, "Append attributes", _UPDATE),
    ("PATCH", "/entities/{id}/attrs", attributes.update, "Update attributes", _UPDATE),
    ("PATCH", _ONE, attributes.update_one, "Update an attribute in part", _UPDATE),
    ("PUT", _ONE, attributes.replace_one, "Replace an attribute", _UPDATE),
    ("DELETE", _ONE, attributes.delete_one, "Delete an attribute", _UPDATE),
)
_BATCH = _routes(
    "Batch",
    ("POST", "/entityOperations/create", batch.create, "Create entities", _CREATE),
    (
        "POST", "/entityOperations/upsert", batch.upsert, "Create or update entities",
        _CREATE + _UPDATE,
    ),
    ("POST", "/entityOperations/update", batch.update, "Update entities", _UPDATE),
    ("POST", "/entityOperations/merge", batch.merge, "Merge into entities", _UPDATE),
    ("POST", "/entityOperations/delete", batch.delete, "Delete entities", _DELETE),
    ("POST", "/entityOperations/query", entities.query_batch, "Query by body", _READ),
    making_tenants=(batch.create, batch.upsert),
)  # fmt: skip
_DISCOVERY = _routes(
    "Discovery",
    ("GET", "/types", discovery.list_types, "List entity types", _READ),
    ("GET", "/types/{type}", discovery.retrieve_type, "Describe an entity type", _READ),
    ("GET", "/attributes", discovery.list_attributes, "List attributes", _READ),
    (
        "GET", "/attributes/{attribute}", discovery.retrieve_attribute, "Describe an attribute",
        _READ,
    ),
    ("GET", "/info/sourceIdentity", discovery.source_identity, "Tell who answers here", _ENTER),
)  # fmt: skip
_SUBSCRIPTION = "/subscriptions/{id}"
_SUBSCRIPTIONS = _routes(
    "Subscriptions",
    ("POST", "/subscriptions", subscriptions.create, "Create a subscription", _SUBSCRIBE),
    ("GET", "/subscriptions", subscriptions.query, "List subscriptions", _SUBSCRIBE),
    ("GET", _SUBSCRIPTION, subscriptions.retrieve, "Retrieve a subscription", _SUBSCRIBE),
    ("PATCH", _SUBSCRIPTION, subscriptions.update, "Update a subscription", _SUBSCRIBE),
    ("DELETE", _SUBSCRIPTION, subscriptions.delete, "Delete a subscription", _SUBSCRIBE),
    (
        "GET", f"{_SUBSCRIPTION}/undelivered", subscriptions.undelivered,
        "List notifications that could not be delivered", _SUBSCRIBE,
    ),
    (
        "POST", f"{_SUBSCRIPTION}/resend", subscriptions.resend,
        "Send undelivered notifications again", _SUBSCRIBE,
    ),
    making_tenants=(subscriptions.create,),
)  # fmt: skip
_TEMPORAL_ONE = "/temporal/entities/{id}/attrs/{attribute}"
_INSTANCE = _TEMPORAL_ONE + "/{instance}"
_TEMPORAL = _routes(
    "Temporal",
    (
        "POST", "/temporal/entities", temporal_provision.create,
        "Create or add to a temporal evolution", _CORRECT,
    ),
    ("GET", "/temporal/entities", temporal.query, "Query temporal evolutions", _PAST),
    ("GET", "/temporal/entities/{id}", temporal.retrieve, "Retrieve a temporal evolution", _PAST),
    (
        "DELETE", "/temporal/entities/{id}", temporal_provision.delete,
        "Delete a temporal evolution", _CORRECT,
    ),
    (
        "POST", "/temporal/entities/{id}/attrs", temporal_provision.append,
        "Add to a temporal evolution", _CORRECT,
    ),
    (
        "DELETE", _TEMPORAL_ONE, temporal_provision.delete_attribute,
        "Delete an attribute from a temporal evolution", _CORRECT,
    ),
    (
        "PATCH", _INSTANCE, temporal_provision.update_instance, "Modify an attribute instance",
        _CORRECT,
    ),
    (
        "DELETE", _INSTANCE, temporal_provision.delete_instance, "Delete an attribute instance",
        _CORRECT,
    ),
    (
        "POST", "/temporal/entityOperations/query", temporal.query_batch,
        "Query temporal evolutions by body", _PAST,
    ),
    making_tenants=(temporal_provision.create,),
)  # fmt: skip
_add = _about_contexts(contexts.add)
_catalogue = _about_contexts(contexts.catalogue)
_serve = _about_contexts(contexts.serve)
_forget = _about_contexts(contexts.delete)
_STORED = _routes(
    "Contexts",
    ("POST", "/jsonldContexts", _add, "Store an @context", _CONTEXTS),
    ("GET", "/jsonldContexts", _catalogue, "List @contexts", _ENTER),
    ("GET", "/jsonldContexts/{id}", _serve, "Serve an @context", _ENTER),
    ("DELETE", "/jsonldContexts/{id}", _forget, "Delete or reload an @context", _CONTEXTS),
    making_tenants=(_add,),
)

ROUTES: list[Route] = [
    *_ENTITIES, *_ATTRIBUTES, *_BATCH, *_DISCOVERY, *_SUBSCRIPTIONS, *_TEMPORAL, *_STORED,
]  # fmt: skip

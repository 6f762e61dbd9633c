"""Every route of the hub's NGSI-LD API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from madang.api import attributes, batch, contexts, discovery, entities, subscriptions
from madang.api.call import Call
from madang.api.http import Response
from madang.api.parameters import parsed
from madang.api.router import Route

_BASE = "/ngsi-ld/v1"


def _about_contexts(
    handler: Callable[..., Awaitable[Response]],
) -> Callable[..., Awaitable[Response]]:
    """Give a handler of stored contexts what it works on."""

    async def handle(call: Call, *ids: str) -> Response:
        parameters = dict(parsed(call.request.query))
        return await handler(call.request, call.tenant.contexts, parameters, *ids)

    return handle


def _route(method: str, path: str, handler: Callable[..., Awaitable[Response]], summary: str,
           tag: str, makes_tenant: bool = False) -> Route:  # fmt: skip
    return Route(method, _BASE + path, handler, summary, tag, makes_tenant)


ROUTES: list[Route] = [
    _route("POST", "/entities", entities.create, "Create an entity", "Entities", True),
    _route("GET", "/entities", entities.query, "Query entities", "Entities"),
    _route("DELETE", "/entities", entities.purge_matching, "Purge entities", "Entities"),
    _route("PUT", "/entities", entities.refuse, "Refused: the entity id is missing", "Entities"),
    _route("PATCH", "/entities", entities.refuse, "Refused: the entity id is missing", "Entities"),
    _route("GET", "/entities/{id}", entities.retrieve, "Retrieve an entity", "Entities"),
    _route("PUT", "/entities/{id}", entities.replace, "Replace an entity", "Entities"),
    _route("PATCH", "/entities/{id}", entities.merge, "Merge into an entity", "Entities"),
    _route("DELETE", "/entities/{id}", entities.delete, "Delete an entity", "Entities"),
    _route("POST", "/entities/{id}/attrs", attributes.append, "Append attributes", "Attributes"),
    _route("PATCH", "/entities/{id}/attrs", attributes.update, "Update attributes", "Attributes"),
    _route(
        "PATCH", "/entities/{id}/attrs/{attribute}", attributes.update_one,
        "Update an attribute in part", "Attributes",
    ),
    _route(
        "PUT", "/entities/{id}/attrs/{attribute}", attributes.replace_one,
        "Replace an attribute", "Attributes",
    ),
    _route(
        "DELETE", "/entities/{id}/attrs/{attribute}", attributes.delete_one,
        "Delete an attribute", "Attributes",
    ),
    _route("POST", "/entityOperations/create", batch.create, "Create entities", "Batch", True),
    _route(
        "POST", "/entityOperations/upsert", batch.upsert, "Create or update entities", "Batch", True
    ),
    _route("POST", "/entityOperations/update", batch.update, "Update entities", "Batch"),
    _route("POST", "/entityOperations/merge", batch.merge, "Merge into entities", "Batch"),
    _route("POST", "/entityOperations/delete", batch.delete, "Delete entities", "Batch"),
    _route("POST", "/entityOperations/query", entities.query_batch, "Query by body", "Batch"),
    _route("GET", "/types", discovery.list_types, "List entity types", "Discovery"),
    _route("GET", "/types/{type}", discovery.retrieve_type, "Describe an entity type", "Discovery"),
    _route("GET", "/attributes", discovery.list_attributes, "List attributes", "Discovery"),
    _route(
        "GET", "/attributes/{attribute}", discovery.retrieve_attribute,
        "Describe an attribute", "Discovery",
    ),
    _route(
        "GET", "/info/sourceIdentity", discovery.source_identity, "Tell who answers here",
        "Discovery",
    ),
    _route(
        "POST", "/subscriptions", subscriptions.create, "Create a subscription", "Subscriptions",
        True,
    ),
    _route("GET", "/subscriptions", subscriptions.query, "List subscriptions", "Subscriptions"),
    _route(
        "GET", "/subscriptions/{id}", subscriptions.retrieve, "Retrieve a subscription",
        "Subscriptions",
    ),
    _route(
        "PATCH", "/subscriptions/{id}", subscriptions.update, "Update a subscription",
        "Subscriptions",
    ),
    _route(
        "DELETE", "/subscriptions/{id}", subscriptions.delete, "Delete a subscription",
        "Subscriptions",
    ),
    _route(
        "GET", "/subscriptions/{id}/undelivered", subscriptions.undelivered,
        "List notifications that could not be delivered", "Subscriptions",
    ),
    _route(
        "POST", "/subscriptions/{id}/resend", subscriptions.resend,
        "Send undelivered notifications again", "Subscriptions",
    ),
    _route(
        "POST", "/jsonldContexts", _about_contexts(contexts.add), "Store an @context", "Contexts",
        True,
    ),
    _route(
        "GET", "/jsonldContexts", _about_contexts(contexts.catalogue), "List @contexts", "Contexts"
    ),
    _route(
        "GET", "/jsonldContexts/{id}", _about_contexts(contexts.serve), "Serve an @context",
        "Contexts",
    ),
    _route(
        "DELETE", "/jsonldContexts/{id}", _about_contexts(contexts.delete),
        "Delete or reload an @context", "Contexts",
    ),
]  # fmt: skip

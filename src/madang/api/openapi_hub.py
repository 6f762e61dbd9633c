"""NGSI-LD in the OpenAPI document, made from the routes and their parameter tables."""

from __future__ import annotations

import re
from typing import Any

from madang.api.parameters import ALLOWED
from madang.api.router import Route
from madang.api.routes import ROUTES

_PLACEHOLDER = re.compile(r"{(\w+)}")

OPERATIONS: dict[tuple[str, str], str] = {
    ("POST", "/entities"): "createEntity",
    ("GET", "/entities"): "queryEntities",
    ("DELETE", "/entities"): "purgeEntities",
    ("GET", "/entities/{id}"): "retrieveEntity",
    ("PUT", "/entities/{id}"): "replaceEntity",
    ("PATCH", "/entities/{id}"): "mergeEntity",
    ("DELETE", "/entities/{id}"): "deleteEntity",
    ("POST", "/entities/{id}/attrs"): "appendAttributes",
    ("PATCH", "/entities/{id}/attrs"): "updateAttributes",
    ("PATCH", "/entities/{id}/attrs/{attribute}"): "updateAttribute",
    ("PUT", "/entities/{id}/attrs/{attribute}"): "replaceAttribute",
    ("DELETE", "/entities/{id}/attrs/{attribute}"): "deleteAttribute",
    ("POST", "/entityOperations/create"): "createBatch",
    ("POST", "/entityOperations/upsert"): "upsertBatch",
    ("POST", "/entityOperations/update"): "updateBatch",
    ("POST", "/entityOperations/merge"): "mergeBatch",
    ("POST", "/entityOperations/delete"): "deleteBatch",
    ("POST", "/entityOperations/query"): "queryBatch",
    ("POST", "/temporal/entities"): "upsertTemporal",
    ("GET", "/temporal/entities"): "queryTemporal",
    ("GET", "/temporal/entities/{id}"): "retrieveTemporal",
    ("DELETE", "/temporal/entities/{id}"): "deleteTemporal",
    ("POST", "/temporal/entities/{id}/attrs"): "appendTemporalAttributes",
    ("DELETE", "/temporal/entities/{id}/attrs/{attribute}"): "deleteTemporalAttribute",
    ("PATCH", "/temporal/entities/{id}/attrs/{attribute}/{instance}"): "updateTemporalInstance",
    ("DELETE", "/temporal/entities/{id}/attrs/{attribute}/{instance}"): "deleteTemporalInstance",
    ("POST", "/temporal/entityOperations/query"): "queryTemporalBatch",
    ("GET", "/subscriptions"): "listSubscriptions",
    ("GET", "/subscriptions/{id}"): "retrieveSubscription",
}
_OTHERS: dict[tuple[str, str], tuple[str, ...]] = {
    ("GET", "/types"): ("details", "local"),
    ("GET", "/attributes"): ("details", "local"),
    ("GET", "/jsonldContexts"): ("details", "kind"),
    ("GET", "/jsonldContexts/{id}"): ("details",),
    ("DELETE", "/jsonldContexts/{id}"): ("reload",),
    ("GET", "/subscriptions/{id}/undelivered"): ("after", "limit"),
}
_FLAGS = {"local", "details", "count", "deleteAll", "splitEntities", "reload"}
_NUMBERS = {"limit", "offset", "joinLevel", "after", "lastN"}
_BODIES = {
    "/entityOperations/query": "Query",
    "/temporal/entityOperations/query": "Query",
    "/temporal/entities": "Entity",
    "/subscriptions": "Subscription",
}


def parameters_of(route: Route) -> tuple[str, ...]:
    """Return the names of the query parameters of a route."""
    key = route.method, route.path.removeprefix("/ngsi-ld/v1")
    operation = OPERATIONS.get(key)
    return tuple(sorted(ALLOWED[operation])) if operation else _OTHERS.get(key, ())


def hub_paths() -> dict[str, dict[str, Any]]:
    """Return the paths of the hub's API, each with its operations."""
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        if route.summary.startswith("Refused"):
            continue
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return paths


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "tags": [route.tag],
        "parameters": [
            *(_path_parameter(name) for name in _PLACEHOLDER.findall(route.path)),
            *(_query_parameter(name) for name in parameters_of(route)),
            {"name": "NGSILD-Tenant", "in": "header", "schema": {"type": "string", "minLength": 1}},
            {"name": "Link", "in": "header", "schema": {"type": "string"}},
        ],
        "responses": _responses(route),
    }
    body = _body(route)
    if body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {kind: {"schema": body} for kind in _media(route)},
        }
    return operation


def _path_parameter(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _query_parameter(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    if name in _FLAGS:
        schema = {"type": "boolean"}
    elif name in _NUMBERS:
        schema = {"type": "integer"}
    return {"name": name, "in": "query", "schema": schema}


def _media(route: Route) -> tuple[str, ...]:
    patch = ("application/merge-patch+json",) if route.method == "PATCH" else ()
    return ("application/json", "application/ld+json", *patch)


def _body(route: Route) -> dict[str, Any] | None:
    path = route.path.removeprefix("/ngsi-ld/v1")
    if route.method not in ("POST", "PUT", "PATCH") or path.endswith("/resend"):
        return None
    if path == "/entityOperations/delete":
        return {"type": "array", "minItems": 1, "items": {"type": "string", "format": "uri"}}
    if path.startswith("/entityOperations/") and path != "/entityOperations/query":
        return {"type": "array", "minItems": 1, "items": reference("Entity")}
    if path == "/entities":
        return reference("Entity")
    return reference(_BODIES.get(path, "Fragment"))


def reference(name: str) -> dict[str, Any]:
    """Return what refers to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def problem() -> dict[str, Any]:
    """Return the answer to what was wrong."""
    return {
        "description": "A problem document (RFC 7807) that says what was wrong",
        "content": {"application/json": {"schema": reference("ProblemDetails")}},
    }


def _responses(route: Route) -> dict[str, Any]:
    wrong = problem()
    empty = {"description": "Refused before the body was looked at"}
    return {
        "2XX": _done(route),
        "400": wrong, "403": wrong, "404": wrong, "409": wrong, "413": wrong,
        "422": wrong, "429": wrong, "503": wrong, "504": wrong,
        "405": empty, "406": empty, "411": empty, "415": empty,
    }  # fmt: skip


def _done(route: Route) -> dict[str, Any]:
    """Return the answer to what was done; of reading entities, with them."""
    path = route.path.removeprefix("/ngsi-ld/v1")
    entity = reference("Entity")
    answers: dict[tuple[str, str], Any] = {
        ("GET", "/entities"): {"type": "array", "items": entity},
        ("POST", "/entityOperations/query"): {"type": "array", "items": entity},
        ("GET", "/entities/{id}"): entity,
    }
    found = answers.get((route.method, path))
    content = {} if found is None else {"content": {"application/json": {"schema": found}}}
    return {"description": "Done", **content}


HUB_SCHEMAS: dict[str, Any] = {
    "Entity": {
        "type": "object",
        "description": "An entity, normalized or concise (clause 4.5)",
        "required": ["id", "type"],
        "properties": {
            "id": {"type": "string", "format": "uri"},
            "type": {
                "anyOf": [
                    {"type": "string"},
                    {"type": "array", "minItems": 1, "items": {"type": "string"}},
                ]
            },
            "scope": {
                "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]
            },
        },
        "additionalProperties": True,
    },
    "Fragment": {"type": "object", "description": "Members to write", "additionalProperties": True},
    "Query": {
        "type": "object",
        "required": ["type"],
        "properties": {
            "type": {"const": "Query"},
            "entities": {"type": "array", "items": {"type": "object"}},
            "attrs": {"type": "array", "items": {"type": "string"}},
            "q": {"type": "string"},
            "geoQ": {"type": "object"},
            "scopeQ": {"type": "string"},
            "temporalQ": {"type": "object", "description": "For queries of the past only"},
            "aggrParams": {"type": "object", "description": "For queries of the past only"},
        },
    },
    "Subscription": {
        "type": "object",
        "required": ["type", "notification"],
        "properties": {
            "id": {"type": "string", "format": "uri"},
            "type": {"const": "Subscription"},
            "entities": {"type": "array", "items": {"type": "object"}},
            "watchedAttributes": {"type": "array", "items": {"type": "string"}},
            "q": {"type": "string"},
            "notification": {"type": "object"},
        },
    },
    "ProblemDetails": {
        "type": "object",
        "required": ["type", "title"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "detail": {"type": "string"},
            "status": {"type": "integer"},
        },
    },
}

"""The OpenAPI document of the whole platform: NGSI-LD and every surface beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from typing import Any, Final

from pydantic import TypeAdapter

from madang import __version__
from madang.api.openapi_hub import HUB_SCHEMAS, hub_paths, problem, reference
from madang.api.schemas import OPERATIONS
from madang.api.schemas.shape import Operation
from madang.api.surface import Surface

PAGES: Final = frozenset({"Pages", "Sign-in", "Account"})
"""Tags of what is for people to look at, not for programs."""
_FILES: Final = frozenset({"/control", "/control/{view:path}", "/ui/assets/{name}"})
"""What makes up the control room."""
_UNKNOWN: Final = Operation()
_PARAMETER: Final = re.compile(r"{(\w+)(?::\w+)?}")
_BODY, _ANSWER = "body", "answer"

Parts = dict[tuple[str, str], dict[str, Any]]
"""Schemas by operation and what they are of: the body, the answer, a parameter."""


def document(surfaces: Iterable[Surface]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document of NGSI-LD and these surfaces, without pages."""
    parts, schemas = _schemas()
    paths = hub_paths()
    for one in surfaces:
        if one.tag not in PAGES and one.path not in _FILES:
            path = _PARAMETER.sub(r"{\1}", one.path)
            paths.setdefault(path, {})[one.method.lower()] = _operation(one, path, parts)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Madang API",
            "version": __version__,
            "description": "NGSI-LD (ETSI GS CIM 009), Madang's one model of the city, and all that"
            " is done with it.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": {**HUB_SCHEMAS, **schemas},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"key": []}, {}],
    }


def _operation(surface: Surface, path: str, parts: Parts) -> dict[str, Any]:
    name = f"{surface.method} {path}"
    known = OPERATIONS.get(name, _UNKNOWN)
    found: dict[str, Any] = {
        "summary": surface.summary,
        "tags": [surface.tag],
        "parameters": [
            *({"name": one, "in": "path", "required": True, "schema": {"type": "string"}}
              for one in _PARAMETER.findall(path)),
            *(_query(one, name, known, parts) for one in known.query),
            {"name": "NGSILD-Tenant", "in": "header", "schema": {"type": "string", "minLength": 1}},
        ],
        "responses": _responses(known, parts.get((name, _ANSWER)), _wrong(surface)),
    }  # fmt: skip
    body = parts.get((name, _BODY))
    if body is not None or known.sends != "application/json":
        content = {known.sends: {} if body is None else {"schema": body}}
        found["requestBody"] = {"required": True, "content": content}
    return found


def _query(parameter: str, name: str, known: Operation, parts: Parts) -> dict[str, Any]:
    found = {"name": parameter, "in": "query", "schema": parts[name, parameter]}
    return found | ({"required": True} if parameter in known.needs else {})


def _wrong(surface: Surface) -> dict[str, Any]:
    """Return the answer to what was wrong; clients of other platforms have one of their own."""
    return problem() if surface.told is None else {"description": "Told as such clients know it"}


def _responses(
    known: Operation, answer: dict[str, Any] | None, wrong: dict[str, Any]
) -> dict[str, Any]:
    done: dict[str, Any] = {"description": "Done"}
    if known is _UNKNOWN:
        return {"2XX": done, "4XX": wrong, "5XX": wrong}
    if answer is not None:
        done["content"] = {known.media: {"schema": answer}}
    elif known.status != (204,) and known.media != "application/json":
        done["content"] = {known.media: {}}
    told = {str(status): {"description": "Done"} if status == 204 else done
            for status in known.status}  # fmt: skip
    return {**told, "4XX": wrong, "5XX": wrong}


# --- schemas --------------------------------------------------------------------------------------


@cache
def _schemas() -> tuple[Parts, dict[str, Any]]:
    """Return the schemas of all operations, and those that they refer to."""
    wanted: list[tuple[Any, Any, TypeAdapter[Any]]] = [
        ((name, part), "validation", TypeAdapter(type_))
        for name, operation in OPERATIONS.items()
        for part, type_ in (
            (_BODY, operation.body),
            (_ANSWER, operation.answer),
            *operation.query.items(),
        )
        if type_ is not None
    ]
    found, rest = TypeAdapter.json_schemas(wanted, ref_template=reference("{model}")["$ref"])
    parts = {key: _tidy(schema) for (key, _), schema in found.items()}
    shared = {name: _tidy(schema) for name, schema in rest.get("$defs", {}).items()}
    return parts, shared


def _tidy(schema: Any) -> Any:
    """Return a schema without the titles that only repeat names; objects have no other members."""
    if isinstance(schema, list):
        return [_tidy(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    found = {
        name: {one: _tidy(value) for one, value in content.items()}
        if name == "properties"
        else _tidy(content)
        for name, content in schema.items()
        if name != "title"
    }
    if "properties" in found:
        found.setdefault("additionalProperties", False)
    return found

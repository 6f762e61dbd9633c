"""Which types and attributes there are (clauses 5.7.5-5.7.10): answered from the shapes alone."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from madang.api.answers import answer
from madang.api.call import Call
from madang.api.http import Response
from madang.api.parameters import check_known, flag
from madang.model import time
from madang.model.context import Names
from madang.model.core_context import iri_of
from madang.model.errors import ResourceNotFound
from madang.model.names import check_name
from madang.store.protocol import Shape

_LIST = frozenset({"details", "local"})
_ONE = frozenset({"local"})


def _sorted(names: Names, found: Iterable[str]) -> list[str]:
    return sorted(names.compact(name) for name in set(found))


async def list_types(call: Call) -> Response:
    """``GET /types``."""
    details = flag(check_known(call.request.query, _LIST), "details")
    names = await call.context()
    shapes = await call.tenant.shapes()
    if not details:
        found = _sorted(names, (t for shape in shapes for t in shape.types))
        return answer(
            call,
            {"id": "urn:ngsi-ld:EntityTypeList:1", "type": "EntityTypeList", "typeList": found},
            names,
        )
    by_type: dict[str, set[str]] = {}
    for shape in shapes:
        for kind in shape.types:
            by_type.setdefault(kind, set()).update(name for name, _ in shape.attributes)
    body = [
        {
            "id": iri_of(kind),
            "type": "EntityType",
            "typeName": names.compact(kind),
            "attributeNames": _sorted(names, attributes),
        }
        for kind, attributes in sorted(by_type.items())
    ]
    return answer(call, body, names)


async def retrieve_type(call: Call, name: str) -> Response:
    """``GET /types/{type}``."""
    check_known(call.request.query, _ONE)
    names = await call.context()
    check_name(name)
    kind = names.expand(name)
    shapes = [shape for shape in await call.tenant.shapes() if kind in shape.types]
    if not shapes:
        raise ResourceNotFound(f"no entity is of type {name}")
    kinds = _attribute_types(shapes)
    body = {
        "id": iri_of(kind),
        "type": "EntityTypeInfo",
        "typeName": names.compact(kind),
        "entityCount": sum(shape.count for shape in shapes),
        "attributeDetails": [
            {
                "id": iri_of(attribute),
                "type": "Attribute",
                "attributeName": names.compact(attribute),
                "attributeTypes": sorted(types),
            }
            for attribute, types in sorted(kinds.items())
        ],
    }
    return answer(call, body, names)


async def list_attributes(call: Call) -> Response:
    """``GET /attributes``."""
    details = flag(check_known(call.request.query, _LIST), "details")
    names = await call.context()
    shapes = await call.tenant.shapes()
    found = {name for shape in shapes for name, _ in shape.attributes}
    if not details:
        body: Any = {
            "id": "urn:ngsi-ld:AttributeList:1",
            "type": "AttributeList",
            "attributeList": _sorted(names, found),
        }
        return answer(call, body, names)
    body = [
        {
            "id": iri_of(name),
            "type": "Attribute",
            "attributeName": names.compact(name),
            "typeNames": _types_with(names, shapes, name),
        }
        for name in sorted(found)
    ]
    return answer(call, body, names)


async def retrieve_attribute(call: Call, name: str) -> Response:
    """``GET /attributes/{attribute}``."""
    check_known(call.request.query, _ONE)
    names = await call.context()
    check_name(name)
    attribute = names.expand(name)
    shapes = [s for s in await call.tenant.shapes() if attribute in dict(s.attributes)]
    if not shapes:
        raise ResourceNotFound(f"no entity has an attribute {name}")
    body = {
        "id": iri_of(attribute),
        "type": "Attribute",
        "attributeName": names.compact(attribute),
        "attributeTypes": sorted(_attribute_types(shapes)[attribute]),
        "attributeCount": sum(shape.count for shape in shapes),
        "typeNames": _types_with(names, shapes, attribute),
    }
    return answer(call, body, names)


async def source_identity(call: Call) -> Response:
    """``GET /info/sourceIdentity``: who answers here (clause 5.15.1)."""
    check_known(call.request.query, frozenset())
    tenant = call.tenant
    alias = call.settings.alias + (f".{quote(tenant.name, safe='')}" if tenant.name else "")
    now = tenant.clock.now()
    body = {
        "id": f"urn:ngsi-ld:ContextSourceIdentity:{alias}",
        "type": "ContextSourceIdentity",
        "contextSourceAlias": alias,
        "contextSourceUptime": f"PT{(now - tenant.opened) // 1_000_000}S",
        "contextSourceTimeAt": time.render(now),
    }
    return answer(call, body, await call.context())


def _attribute_types(shapes: list[Shape]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for shape in shapes:
        for name, types in shape.attributes:
            found.setdefault(name, set()).update(types)
    return found


def _types_with(names: Names, shapes: list[Shape], attribute: str) -> list[str]:
    return _sorted(
        names,
        (t for s in shapes if attribute in dict(s.attributes) for t in s.types),
    )

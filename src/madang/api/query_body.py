"""The ``Query`` body of a batch query, brought into the form of a query string's parameters.

Source: ETSI GS CIM 009 clauses 5.2.8 (EntitySelector), 5.2.13 (GeoQuery), 5.2.23 (Query), 5.2.43
(OrderingParams).
"""

from __future__ import annotations

from typing import Any, Final

from madang.model.context import Context
from madang.model.errors import BadRequestData
from madang.model.names import check_uri, shown
from madang.query import pattern, types
from madang.query.q import decoded
from madang.query.tree import Selector

_TEXTS: Final = frozenset({"q", "scopeQ", "csf", "lang", "join"})
_LISTS: Final = frozenset(
    {"attrs", "pick", "omit", "containedBy", "datasetId", "expandValues", "jsonKeys"}
)
_OTHERS: Final[dict[str, type]] = {"joinLevel": int, "splitEntities": bool}
_OWN: Final = frozenset({"type", "@context", "entities", "geoQ", "ordering"})
_GEO: Final = {"georel", "geometry", "coordinates", "geoproperty"}
_ORDERING: Final = {"orderBy", "collation", "coordinates", "geometry"}


def parameters_of(body: object, context: Context) -> tuple[tuple[Selector, ...], dict[str, Any]]:
    """Return the entity selectors of a ``Query``, and all else under the names of parameters.

    Raises:
        BadRequestData: it is no Query for entities.
    """
    if type(body) is not dict or body.get("type") != "Query":
        raise BadRequestData('the body must be an object with "type": "Query"')
    unknown = body.keys() - _TEXTS - _LISTS - _OTHERS.keys() - _OWN
    if unknown:
        raise BadRequestData(f"a Query for entities has no member {shown(min(unknown))}")
    parameters: dict[str, Any] = {}
    for name in _TEXTS & body.keys():
        parameters[name] = _text(body[name], name)
    for name in _LISTS & body.keys():
        parameters[name] = _strings(body[name], name)
    for name, kind in _OTHERS.items():
        if name in body:
            if type(body[name]) is not kind:
                expected = "a whole number" if kind is int else "true or false"
                raise BadRequestData(f"{name} must be {expected}, not {shown(body[name])}")
            parameters[name] = body[name]
    if "geoQ" in body:
        place = _object(body["geoQ"], "geoQ", _GEO)
        if "georel" not in place:
            raise BadRequestData("geoQ must hold georel, geometry and coordinates")
        parameters |= place
    if "ordering" in body:
        parameters["ordering"] = _object(body["ordering"], "ordering", _ORDERING)
    return _selectors(body, context), parameters


def _selectors(body: dict[str, Any], context: Context) -> tuple[Selector, ...]:
    if "entities" not in body:
        return ()
    entities = body["entities"]
    if type(entities) is not list or not entities:
        raise BadRequestData("entities must be an array of one or more entity selectors")
    return tuple(selector(item, context) for item in entities)


def selector(item: object, context: Context) -> Selector:
    """Return an EntitySelector, of which ``type`` is mandatory (clause 5.2.33)."""
    fields = _object(item, "each item of entities", {"type", "id", "idPattern"})
    if "type" not in fields:
        raise BadRequestData("each item of entities must have a type")
    ids = fields.get("id")
    listed = [] if ids is None else [ids] if type(ids) is str else ids
    if type(listed) is not list or (ids is not None and not listed):
        raise BadRequestData("id in entities must be a URI or an array of URIs")
    checked = tuple(check_uri(one, "id in entities") for one in listed)
    id_pattern = fields.get("idPattern")
    if id_pattern is not None:
        pattern.compiled(_text(id_pattern, "idPattern in entities"))
    wanted = types.parse(_text(fields["type"], "type in entities"), context)
    return Selector(wanted, checked, None if checked else id_pattern)


def _object(value: object, name: str, allowed: set[str]) -> dict[str, Any]:
    if type(value) is not dict:
        raise BadRequestData(f"{name} must be an object, not {shown(value)}")
    unknown = value.keys() - allowed
    if unknown:
        raise BadRequestData(f"{name} has no member {shown(min(unknown))}")
    return value


def _text(value: object, name: str) -> str:
    if type(value) is not str:
        raise BadRequestData(f"{name} must be a string, not {shown(value)}")
    return decoded(value) if name in ("q", "csf") else value


def _strings(value: object, name: str) -> list[str]:
    listed = [value] if type(value) is str else value
    if type(listed) is not list or not listed or not all(type(o) is str and o for o in listed):
        raise BadRequestData(f"{name} must be an array of one or more strings")
    return listed

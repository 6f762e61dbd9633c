"""The catalog of Sentilo as entities: a sensor is a Device, its component a SentiloComponent.

What the hub itself has words for stands in attributes of their own; all that a client registered
is kept as it was in the JsonProperty ``sentilo``, and given back.

Source: Sentilo 2.0, API documentation, service "catalog"; Smart Data Models, Device.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

from madang.model.errors import BadRequestData
from madang.model.names import shown
from madang.sense.devices.device import TYPE, id_of
from madang.sense.sentilo import moments
from madang.sense.sentilo.kinds import kind_of
from madang.sense.sentilo.names import checked, component_id, device_of

COMPONENT_TYPE = "SentiloComponent"
KEPT = "sentilo"
"""The attribute that holds what was registered."""
MOST = 1_000  # sensors or components of one request
MOST_BYTES = 16_384  # of the JSON of one of them

_OF_COMPONENT = frozenset({
    "component", "componentType", "componentDesc", "location", "componentPublicAccess",
    "componentAdditionalInfo", "componentTechnicalDetails", "photoUrl",
})  # fmt: skip
_TEXTS = ("description", "type", "dataType", "unit", "timeZone", "componentType", "componentDesc")

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Registered:
    """A sensor as a client registers or changes it."""

    sensor: str
    record: Record
    """Members about the sensor itself."""
    component: Record
    """Members about its component; ``component`` is its name if the client gave one."""


def sensors(body: dict[str, Any]) -> list[Registered]:
    """Return the sensors of a body, each checked on its own.

    Raises:
        BadRequestData: the body is not as it must be; the text names the sensor and the member.
    """
    found = []
    for place, item in enumerate(items(body, "sensors"), 1):
        where = f"sensor {place}: "
        record = _record(item, where)
        name = checked(record.get("sensor"), f"{where}sensor")
        if "component" in record:
            checked(record["component"], f"{where}component")
        own = {key: value for key, value in record.items() if key not in _OF_COMPONENT}
        rest = {key: value for key, value in record.items() if key in _OF_COMPONENT}
        found.append(Registered(name, own, rest))
    names = [one.sensor for one in found]
    if twice := {name for name in names if names.count(name) > 1}:
        raise BadRequestData(f"the sensor {min(twice)} is there twice")
    return found


def components(body: dict[str, Any]) -> list[Record]:
    """Return the components of a body, each checked on its own."""
    found = []
    for place, item in enumerate(items(body, "components"), 1):
        record = _record(item, f"component {place}: ")
        checked(record.get("component"), f"component {place}: component")
        found.append({key: value for key, value in record.items() if key in _OF_COMPONENT})
    return found


def items(body: dict[str, Any], member: str) -> list[Any]:
    """Return a list that a body must have."""
    found = body.get(member)
    if not isinstance(found, list) or not found:
        raise BadRequestData(f"{member} must be a list with something in it, not {shown(found)}")
    if len(found) > MOST:
        raise BadRequestData(f"{member} has {len(found):,} items; {MOST:,} are the most")
    return found


def _record(item: object, where: str) -> Record:
    if not isinstance(item, dict):
        raise BadRequestData(f"{where}a JSON object was expected, not {shown(item)}")
    if len(orjson.dumps(item)) > MOST_BYTES:
        raise BadRequestData(f"{where}it has more than {MOST_BYTES:,} bytes")
    for member in _TEXTS:
        if not isinstance(item.get(member, ""), str):
            raise BadRequestData(f"{where}{member} must be a text, not {shown(item[member])}")
    try:
        moments.positions(_place(item))
    except ValueError as error:
        raise BadRequestData(f"{where}location: {error}") from None
    return item


def _place(record: Record) -> str:
    given = record.get("location")
    return "" if given is None else str(given)


def sensor_entity(provider: str, record: Record, component: Record) -> dict[str, Any]:
    """Return the entity of a sensor.

    Args:
        record: all that is registered of the sensor.
        component: all that is registered of its component; its place is the sensor's.

    Raises:
        BadRequestData: what it measures is not clear.
    """
    name = device_of(provider, record["sensor"])
    entity: dict[str, Any] = {
        "id": id_of(name),
        "type": TYPE,
        "profile": _property(kind_of(record).profile_name),
        "owner": _property([provider]),
        "provider": _property(provider),
        "controlledProperty": _property([record["type"]]),
        "deviceState": _property("retired" if is_offline(record) else "active"),
        "component": {
            "type": "Relationship",
            "object": component_id(provider, component["component"]),
        },
        KEPT: {"type": "JsonProperty", "json": record},
    }
    if record.get("description"):
        entity["description"] = _property(record["description"])
    return entity | _located(component)


def component_entity(provider: str, record: Record) -> dict[str, Any]:
    """Return the entity of a component, of all that is registered of it."""
    entity: dict[str, Any] = {
        "id": component_id(provider, record["component"]),
        "type": COMPONENT_TYPE,
        "provider": _property(provider),
        "category": _property(record.get("componentType") or "generic"),
        KEPT: {"type": "JsonProperty", "json": record},
    }
    if record.get("componentDesc"):
        entity["description"] = _property(record["componentDesc"])
    return entity | _located(record)


def is_offline(record: Record) -> bool:
    """Tell whether a sensor is switched off, so that nothing of it is taken."""
    return str(record.get("state", "")).lower() == "offline"


def kept(document: dict[str, Any]) -> Record:
    """Return what was registered of a sensor or component."""
    found = document.get(KEPT)
    content = found.get("json") if isinstance(found, dict) else None
    return content if isinstance(content, dict) else {}


def told(record: Record, component: Record) -> Record:
    """Return a sensor as Sentilo lists it."""
    return {
        "dataType": "NUMBER",
        "state": "online",
        "componentType": "generic",
        **component,
        **record,
        **({"dataType": record["dataType"].upper()} if record.get("dataType") else {}),
    }


def matches(listed: Record, filters: Iterable[tuple[str, str]]) -> bool:
    """Tell whether a listed sensor meets the filters of a request."""
    return all(str(listed.get(member, "")) == wanted for member, wanted in filters)


def _property(value: Any) -> dict[str, Any]:
    return {"type": "Property", "value": value}


def _located(component: Record) -> dict[str, Any]:
    """Return the location of a component that does not move."""
    places = moments.positions(_place(component))
    if not places:
        return {}
    geometry: dict[str, Any] = {"type": "Point", "coordinates": places[0]}
    if len(places) > 1:
        geometry = {"type": "LineString", "coordinates": places}
    return {"location": {"type": "GeoProperty", "value": geometry}}

"""Devices as people and programs write them: a flat JSON object, a row of a table.

The members are those of the Smart Data Model ``Device``, beside ``device`` (its name) and
``longitude`` and ``latitude`` (which become ``location``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, Final, Literal, NamedTuple

from madang.model import time
from madang.model.errors import BadRequestData
from madang.model.names import check_uri, shown
from madang.sense.devices.device import (
    LONGEST_ALIAS,
    MOST_ALIASES,
    STATES,
    check_name,
    from_document,
)

Kind = Literal["text", "texts", "date", "seconds", "uri", "state"]

MEMBERS: Final[dict[str, Kind]] = {
    "profile": "text",
    "serialNumber": "text",
    "alias": "texts",
    "name": "text",
    "description": "text",
    "category": "texts",
    "controlledProperty": "texts",
    "owner": "texts",
    "provider": "text",
    "deviceState": "state",
    "interval": "seconds",
    "refDeviceModel": "uri",
    "firmwareVersion": "text",
    "hardwareVersion": "text",
    "softwareVersion": "text",
    "dateManufactured": "date",
    "dateInstalled": "date",
    "dateLastCalibration": "date",
}
"""Attributes of a device that can be given, and what each holds."""

NAME: Final = "device"
PLACE: Final = ("longitude", "latitude")
KNOWN: Final = (NAME, *MEMBERS, *PLACE)
_LONGEST = 1000
_NOT_NAME = re.compile(r"[^A-Za-z0-9._:-]+")
_LONGEST_INTERVAL = 366 * 86400.0


class Form(NamedTuple):
    """A device as it is to be: its name, attributes of its entity, and those to be removed."""

    name: str
    attributes: dict[str, Any]
    removed: tuple[str, ...]


def read(body: Mapping[str, Any], *, is_new: bool) -> Form:
    """Return the device that an object describes.

    Args:
        body: the object. A member that is null is removed from the device.
        is_new: it must have a name, or a serial number to make one of.

    Raises:
        BadRequestData: a member is unknown or not as it must be.
    """
    _check_known(body)
    attributes: dict[str, Any] = {}
    removed: list[str] = []
    for member, kind in MEMBERS.items():
        if member not in body:
            continue
        if body[member] is None:
            removed.append(member)
        else:
            attributes[member] = _attribute(member, kind, body[member])
    place = _place(body)
    if place is not None:
        attributes["location"] = place
    elif any(member in body for member in PLACE):
        removed.append("location")
    name = body.get(NAME)
    if is_new and name is None:
        name = name_of(str(body.get("serialNumber") or ""))
    _check_aliases(attributes)
    return Form("" if name is None else check_name(name), attributes, tuple(removed))


def name_of(serial: str) -> str:
    """Return the name of a device made of its serial number.

    >>> name_of("SN 12/4")
    'SN-12-4'
    """
    if not serial:
        raise BadRequestData(
            "device is missing: a name such as bin-12, or serialNumber to make one of"
        )
    return _NOT_NAME.sub("-", serial).strip("-._:")


def written(document: dict[str, Any]) -> dict[str, Any]:
    """Return a device as :func:`read` would take it."""
    device = from_document(document)
    found: dict[str, Any] = {NAME: device.name}
    for member in MEMBERS:
        attribute = document.get(member)
        if isinstance(attribute, dict):
            found[member] = attribute.get("value", attribute.get("object"))
    place = device.location
    if place is not None and place.get("type") == "Point":
        found["longitude"], found["latitude"] = place["coordinates"][:2]
    found["deviceState"] = device.state
    return found


def _check_known(body: Mapping[str, Any]) -> None:
    for member in body:
        if member not in KNOWN:
            near = get_close_matches(str(member), KNOWN, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(KNOWN)}"
            raise BadRequestData(f"a device has no {shown(member)}; {hint}")


def _attribute(member: str, kind: Kind, value: Any) -> dict[str, Any]:
    if kind == "uri":
        return {"type": "Relationship", "object": check_uri(value, member)}
    found: dict[str, Any] = {"type": "Property", "value": _value(member, kind, value)}
    if kind == "seconds":
        found["unitCode"] = "SEC"
    return found


def _value(member: str, kind: Kind, value: Any) -> Any:
    if kind == "texts":
        listed = value if isinstance(value, list) else [value]
        return [_text(member, item) for item in listed]
    if kind == "seconds":
        return _seconds(member, value)
    text = _text(member, value)
    if kind == "state" and text not in STATES:
        raise BadRequestData(f"{member} must be one of {', '.join(STATES)}, not {shown(text)}")
    if kind == "date":
        return _date(member, text)
    return text


def _text(member: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > _LONGEST:
        raise BadRequestData(
            f"{member} must be a text of 1 to {_LONGEST} characters, not {shown(value)}"
        )
    if not value.isprintable():
        raise BadRequestData(f"{member} has characters that cannot be shown: {shown(value)}")
    return value.strip()


def _date(member: str, text: str) -> str:
    whole = f"{text}T00:00:00Z" if len(text) == 10 else text
    try:
        time.parse(whole)
    except ValueError:
        raise BadRequestData(
            f"{member} must be a day such as 2026-01-31 or a time such as 2026-01-31T12:00:00Z,"
            f" not {shown(text)}"
        ) from None
    return whole


def _seconds(member: str, value: Any) -> float:
    number = _number(member, value, "seconds")
    if not 0.0 < number <= _LONGEST_INTERVAL:
        raise BadRequestData(f"{member} must be more than 0 and at most a year [s], not {number:g}")
    return number


def _number(member: str, value: Any, what: str) -> float:
    try:
        if isinstance(value, bool):
            raise ValueError
        number = float(value)
        if number - number != 0.0:
            raise ValueError
    except (TypeError, ValueError):
        raise BadRequestData(f"{member} must be a number ({what}), not {shown(value)}") from None
    return number


def _place(body: Mapping[str, Any]) -> dict[str, Any] | None:
    given = [body.get(member) for member in PLACE]
    if given == [None, None]:
        return None
    if None in given:
        raise BadRequestData("longitude and latitude go together; give both or none")
    longitude, latitude = (
        _number(member, value, "degrees") for member, value in zip(PLACE, given, strict=True)
    )
    if not (-180.0 <= longitude <= 180.0 and -90.0 <= latitude <= 90.0):
        raise BadRequestData(
            f"longitude {longitude:g} and latitude {latitude:g} are no place on Earth;"
            " expected -180 to 180 and -90 to 90 (WGS 84)"
        )
    return {"type": "GeoProperty", "value": {"type": "Point", "coordinates": [longitude, latitude]}}


def _check_aliases(attributes: dict[str, Any]) -> None:
    aliases = attributes.get("alias", {}).get("value", [])
    if len(aliases) > MOST_ALIASES:
        raise BadRequestData(f"alias has {len(aliases)} names; {MOST_ALIASES} are the most")
    for alias in aliases:
        if len(alias) > LONGEST_ALIAS:
            raise BadRequestData(f"an alias has at most {LONGEST_ALIAS} characters")

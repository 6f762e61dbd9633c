"""A device as ``sense`` knows it: what the registry keeps in memory of its entity.

The entity is a Smart Data Models ``Device`` with the id ``urn:ngsi-ld:Device:<name>``. Madang adds
``profile``, ``alias`` and ``interval``, and uses ``deviceState`` for the life cycle.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final, Literal, cast, get_args

from madang.model.errors import BadRequestData

TYPE: Final = "Device"
PREFIX: Final = "urn:ngsi-ld:Device:"
State = Literal["planned", "active", "maintenance", "retired"]
STATES: Final = get_args(State)
SPEAKING: Final = frozenset[str](["active", "maintenance"])
"""States in which what a device sends is taken."""

LONGEST_NAME = 128
LONGEST_ALIAS = 256
MOST_ALIASES = 16
RESERVED: Final = frozenset(["import", "labels", "provisioning", "register"])
"""Words that have a meaning of their own in ``/devices/...``."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*")


@dataclass(slots=True, eq=False)
class Device:
    """One device. Made anew whenever its entity or its profile changes."""

    name: str
    id: str
    profile: str = ""
    """Name of its profile; empty: none."""
    aliases: tuple[str, ...] = ()
    owner: str = ""
    location: dict[str, Any] | None = None
    """GeoJSON geometry of where it was put up."""
    interval_s: float | None = None
    """How often it reports; None: as its profile says. [s]"""
    state: State = "active"
    heard: int | None = None
    """When something of it last became durable. [us since 1970]"""
    since: int = 0
    """When it came to be known. [us since 1970]"""
    silent: bool = False
    """There is an open alarm that it is silent."""
    plan: Any = field(default=None, repr=False)
    """What its profile has worked out for it: ids and what never changes."""
    is_introduced: bool = False
    """What never changes of its entities has been written since the start."""

    @property
    def speaks(self) -> bool:
        """Whether what it sends is taken."""
        return self.state in SPEAKING


def check_name(name: object) -> str:
    """Return the name of a device, which is part of topics, URLs and ids.

    Raises:
        BadRequestData: it is none.
    """
    if isinstance(name, str) and len(name) <= LONGEST_NAME and _NAME.fullmatch(name):
        if name not in RESERVED:
            return name
        raise BadRequestData(f"a device cannot be called {name}; the word has a use of its own")
    raise BadRequestData(
        f"the name of a device is 1 to {LONGEST_NAME} letters A-Z, digits and . _ : -, beginning"
        f" with a letter or digit, not {str(name)[:60]!r}"
    )


def id_of(name: str) -> str:
    """Return the id of the entity of a device."""
    return PREFIX + name


def from_document(document: dict[str, Any]) -> Device:
    """Return the device that an entity describes; what it does not say has its default."""
    id = str(document["id"])
    name = id.removeprefix(PREFIX)
    owner = _texts(document, "owner")
    state = _value(document, "deviceState")
    interval = _value(document, "interval")
    is_time = isinstance(interval, (int, float)) and not isinstance(interval, bool)
    place = _value(document, "location")
    return Device(
        name,
        id,
        profile=_text(document, "profile"),
        aliases=(*_texts(document, "serialNumber"), *_texts(document, "alias")),
        owner=owner[0] if owner else "",
        location=place if isinstance(place, dict) else None,
        interval_s=float(interval) if is_time and interval > 0 else None,
        state=cast("State", state) if state in STATES else "active",
    )


def _value(document: dict[str, Any], name: str) -> Any:
    attribute = document.get(name)
    return attribute.get("value") if isinstance(attribute, dict) else None


def _text(document: dict[str, Any], name: str) -> str:
    found = _value(document, name)
    return found if isinstance(found, str) else ""


def _texts(document: dict[str, Any], name: str) -> tuple[str, ...]:
    found = _value(document, name)
    listed = found if isinstance(found, list) else [found]
    return tuple(item for item in listed if isinstance(item, str) and item)

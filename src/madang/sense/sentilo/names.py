"""Names of providers, components, sensors and alerts, and what they are called in the hub.

A sensor is the device ``provider.sensor``; names of Sentilo have no dots, so this is unique.
"""

from __future__ import annotations

import re

from madang.model.errors import BadRequestData
from madang.model.names import shown

SENSOR = "urn:ngsi-ld:Device:"
COMPONENT = "urn:ngsi-ld:SentiloComponent:"
ALERT = "urn:ngsi-ld:SentiloAlert:"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,120}", re.ASCII)


def is_name(text: str) -> bool:
    """Tell whether Sentilo allows a name: letters, digits, hyphens and underscores."""
    return _NAME.fullmatch(text) is not None


def checked(value: object, what: str) -> str:
    """Return a name, or raise BadRequestData."""
    if isinstance(value, str) and is_name(value):
        return value
    raise BadRequestData(
        f"{what} must be 1 to 120 letters, digits, hyphens and underscores, not {shown(value)}"
    )


def device_of(provider: str, sensor: str) -> str:
    """Return the name of the device that is a sensor."""
    return f"{provider}.{sensor}"


def component_id(provider: str, component: str) -> str:
    """Return the entity of a component."""
    return f"{COMPONENT}{provider}.{component}"


def alert_id(name: str) -> str:
    """Return the entity of an alert."""
    return f"{ALERT}{name}"

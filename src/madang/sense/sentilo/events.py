"""Orders and alarms: what somebody sends once, kept as an attribute with who sent it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from madang.model import time

ORDER = "order"
"""Of a Device entity: what it was last told to do."""
ALARM = "alarm"
"""Of a SentiloAlert entity: the last alarm."""
_MILLISECOND = 1000  # [us]


def event(content: Any, sender: str, at: int) -> dict[str, Any]:
    """Return an order or alarm as an attribute.

    Args:
        content: any JSON; it is passed on as it is.
        sender: the name of who sent it.
        at: [us since 1970]
    """
    return {
        "type": "Property",
        "value": content,
        "observedAt": time.render(at // _MILLISECOND * _MILLISECOND),
        "sender": {"type": "Property", "value": sender},
    }


def sender_of(attribute: Mapping[str, Any] | None) -> str:
    """Return who sent what an attribute holds."""
    found = (attribute or {}).get("sender")
    return str(found.get("value", "")) if isinstance(found, dict) else ""

"""Which values are not to be used as measurements, by the flag that their tests have left."""

from __future__ import annotations

from typing import Any


def has_failed(attribute: Any) -> bool:
    """Tell whether the first instance of an attribute failed its quality tests."""
    if attribute.__class__ is list and attribute:
        attribute = attribute[0]
    if attribute.__class__ is not dict:
        return False
    quality = attribute.get("quality")
    return quality.__class__ is dict and quality.get("value") == "fail"

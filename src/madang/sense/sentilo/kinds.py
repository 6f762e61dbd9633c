"""What a sensor of Sentilo measures, by its type: the profile that gives its values a meaning."""

from __future__ import annotations

import re
import tomllib
from functools import cache
from importlib import resources
from typing import Any, Literal, NamedTuple

from madang.model.errors import BadRequestData
from madang.model.names import shown

DataType = Literal["number", "text", "boolean", "any"]

_DATA_TYPES: dict[str, DataType] = {
    "NUMBER": "number", "TEXT": "text", "BOOLEAN": "boolean", "JSON": "any", "LINK": "text",
    "AUDIO_LINK": "text", "FILE_LINK": "text", "IMAGE_LINK": "text", "VIDEO_LINK": "text",
}  # fmt: skip
_OTHER = "DeviceMeasurement"
_UNIT_CODE = re.compile(r"[A-Z0-9]{2,3}", re.ASCII)


class Kind(NamedTuple):
    """What a sensor measures."""

    name: str
    """The Sentilo type, or ``other`` for all that have no model of their own."""
    type: str
    """Of the entity that it measures for."""
    attribute: str
    data: DataType
    unit: str | None
    """UN/CEFACT code, if it is known."""
    low: float | None = None
    high: float | None = None
    """Values outside of these fail."""

    @property
    def profile_name(self) -> str:
        """The name of the profile that says so; the same for all sensors of one kind."""
        parts = ("sentilo", self.name, self.data, (self.unit or "").lower())
        return "-".join(part for part in parts if part)

    @property
    def profile(self) -> str:
        """That profile, in TOML."""
        lines = [
            f'title = "Sentilo: {self.name}"',
            'codec = "sentilo"',
            f'type = "{self.type}"',
            f"[attributes.{self.attribute}]",
            'path = "value"',
            f'kind = "{self.data}"',
        ]
        if self.unit is not None:
            lines.append(f'unit = "{self.unit}"')
        if self.low is not None:
            lines.append(f"quality = {{fail_below = {self.low}, fail_above = {self.high}}}")
        lines += ["[attributes.location]", 'type = "GeoProperty"', 'path = "location"']
        return "\n".join(lines) + "\n"


def kind_of(sensor: dict[str, Any]) -> Kind:
    """Return what a sensor of the catalog measures.

    Args:
        sensor: as it is registered; ``type``, ``dataType`` and ``unit`` count.

    Raises:
        BadRequestData: one of them is not as it must be.
    """
    name = sensor.get("type")
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9_-]{1,60}", name, re.ASCII):
        raise BadRequestData(
            f"type must be 1 to 60 letters, digits, - and _, such as temperature, not {shown(name)}"
        )
    data = _data_type(sensor.get("dataType"))
    unit = _unit(sensor.get("unit"))
    name = name.lower()
    known = _table("kinds").get(name)
    if known is None or (data != "number" and known[2] is not None):
        attribute = "numValue" if data == "number" else "textValue"
        return Kind("other", _OTHER, attribute, data, unit if data == "number" else None)
    type, attribute, usual, low, high = known
    if data != "number":
        return Kind(name, type, attribute, data, None)
    if unit is None and not sensor.get("unit"):
        unit = usual
    if unit is None or unit != usual:
        low = high = None
    return Kind(name, type, attribute, data, unit, low, high)


def entity_types() -> list[str]:
    """Return the types of all entities that sensors measure for."""
    return sorted({_OTHER, *(row[0] for row in _table("kinds").values())})


def _data_type(given: object) -> DataType:
    if given in (None, ""):
        return "number"
    found = _DATA_TYPES.get(given.upper()) if isinstance(given, str) else None
    if found is None:
        raise BadRequestData(
            f"dataType must be one of {', '.join(_DATA_TYPES)}, not {shown(given)}"
        )
    return found


def _unit(given: object) -> str | None:
    """Return the code of a unit as people write it; None if it is not known."""
    if given is None or given == "":
        return None
    if not isinstance(given, str) or len(given) > 60:
        raise BadRequestData(f"unit must be a text of at most 60 characters, not {shown(given)}")
    text = given.strip()
    found = _table("units").get(text.lower())
    if found is not None:
        return str(found)
    return text if text in _table("units").values() and _UNIT_CODE.fullmatch(text) else None


@cache
def _table(name: str) -> dict[str, Any]:
    file = resources.files("madang.sense.sentilo") / f"{name}.toml"
    found = tomllib.loads(file.read_text("utf-8"))
    if name == "units":
        return found
    return {
        sensor: (type, *row, *[None] * (4 - len(row)))
        for type, rows in found.items()
        for sensor, row in rows.items()
    }

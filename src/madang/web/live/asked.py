"""What a viewer asks to see: the part of the earth in its window, and the layers it shows."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Any, Final

import orjson

from madang.model.context import CORE
from madang.model.errors import BadRequestData, NgsiError
from madang.model.names import shown
from madang.query import q
from madang.query.tree import Condition
from madang.web.live.grid import Area, area_of

LONGEST: Final = 16_384  # [characters] of a look
MOST_LAYERS: Final = 12
_LONGEST: Final = {"name": 200, "type": 500, "q": 2_000, "value": 500}  # [characters]
_MOST_TURNS: Final = 540.0  # [degree] a map turned round the world may be off
_HIGHEST_ZOOM: Final = 30


@dataclass(frozen=True, slots=True)
class Asked:
    """What a layer shows. Equal ones are kept once for all who see alike."""

    type: str
    """Canonical name."""
    q: str = ""
    value: str = ""
    """Canonical name of the attribute whose value is told."""

    def condition(self) -> Condition | None:
        """Return the condition that ``q`` means.

        Raises:
            BadRequestData: it is no query.
        """
        return q.parse(q.decoded(self.q), CORE) if self.q else None


@dataclass(frozen=True, slots=True)
class Look:
    """One message of a viewer."""

    area: Area
    zoom: float
    layers: tuple[tuple[str, Asked | NgsiError], ...]
    """By name; an error is what is wrong with one whose words people typed."""


def read(text: str) -> Look | int:
    """Return what a viewer says: what it looks at, or how many messages it has taken up.

    Raises:
        BadRequestData: it is neither.
    """
    if len(text) > LONGEST:
        raise BadRequestData(f"a look may have {LONGEST:,} characters at most")
    try:
        given = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadRequestData(f"a look must be JSON: {error}") from None
    if isinstance(given, dict) and given.keys() == {"seen"}:
        return _seen(given["seen"])
    if not isinstance(given, dict) or given.keys() != {"bounds", "zoom", "layers"}:
        raise BadRequestData('a look must be {"bounds": […], "zoom": …, "layers": […]}')
    layers = given["layers"]
    if not isinstance(layers, list) or len(layers) > MOST_LAYERS:
        raise BadRequestData(f"layers must be an array of {MOST_LAYERS} layers at most")
    named = [_layer(one, f"layers[{place}]") for place, one in enumerate(layers)]
    if len({name for name, _ in named}) < len(named):
        raise BadRequestData("each of the layers must have a name of its own")
    return Look(_area(given["bounds"]), _zoom(given["zoom"]), tuple(named))


def _seen(value: object) -> int:
    if type(value) is not int or value < 0:
        raise BadRequestData(f"seen must be a number of messages, not {shown(value)}")
    return value


def _area(value: object) -> Area:
    if not isinstance(value, list) or len(value) != 4 or not all(map(_is_number, value)):
        raise BadRequestData(f"bounds must be [west, south, east, north], not {shown(value)}")
    west, south, east, north = map(float, value)
    if not -90 <= south <= north <= 90:
        raise BadRequestData("bounds must go from south to north, between -90 and 90 degrees")
    if max(abs(west), abs(east)) > _MOST_TURNS:
        raise BadRequestData(
            f"bounds must lie between -{_MOST_TURNS:g} and {_MOST_TURNS:g} degrees"
        )
    return area_of(west, south, east, north)


def _zoom(value: Any) -> float:
    if not _is_number(value) or not 0 <= value <= _HIGHEST_ZOOM:
        raise BadRequestData(f"zoom must be a number from 0 to {_HIGHEST_ZOOM}, not {shown(value)}")
    return float(value)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and isfinite(value)


def _layer(value: object, place: str) -> tuple[str, Asked | NgsiError]:
    if not isinstance(value, dict) or not {"name", "type"} <= value.keys() <= _LONGEST.keys():
        raise BadRequestData(f"{place} must have a name and a type, and may have q and value")
    for member, text in value.items():
        if not isinstance(text, str) or len(text) > _LONGEST[member]:
            raise BadRequestData(
                f"{place}.{member} must be a text of {_LONGEST[member]} characters at most"
            )
    try:
        return value["name"], _asked(value)
    except BadRequestData as error:
        return value["name"], error


def _asked(value: dict[str, str]) -> Asked:
    """Return what a layer shows; its query is parsed here, so that it is known to be one."""
    kind = CORE.expand(value["type"])
    attribute = value.get("value", "")
    asked = Asked(kind, value.get("q", ""), CORE.expand(attribute) if attribute else "")
    asked.condition()
    return asked

"""Profiles at work: a message becomes readings. The hot path, so all is worked out beforehand."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from madang.model import time
from madang.model.attributes import VALUE_MEMBER
from madang.sense.devices import paths
from madang.sense.devices.device import TYPE, Device
from madang.sense.devices.expressions import Expression
from madang.sense.files import cells
from madang.sense.message import Reading, Rejected, Uplink
from madang.sense.quality.limits import ANY, Limits

if TYPE_CHECKING:
    from madang.sense.devices.profile import Attribute, EntityPart, Observed, Profile

_SHOWN = 60
_MILLISECOND = 1000

Fetch = Callable[[Uplink], Any]
Convert = Callable[[Any], Any]
Step = tuple[str, Fetch, Convert | None, dict[str, Any], str]
"""Name of an attribute, what gets its field, what makes the value of it, the attribute without
value and time, and its value member."""


class Problem(NamedTuple):
    """A field that is not as it must be."""

    attribute: str
    detail: str


class Applied(NamedTuple):
    """What a profile made of a message."""

    readings: list[Reading]
    """What is good of it."""
    problems: list[Problem]


class _Part(NamedTuple):
    """One entity of a profile."""

    part: EntityPart | None
    """None: the device itself."""
    steps: list[Step]
    constants: dict[str, Any]
    limits: dict[str, Limits]
    moves: bool
    """Messages say where the device is."""


class _Place(NamedTuple):
    longitude: Fetch
    latitude: Fetch


class Plan:
    """A profile, worked out."""

    def __init__(self, profile: Profile) -> None:
        self._parts = [_part(profile, part, "") for part in profile.parts]
        own = _part(profile, None, "device")
        if own.steps or own.constants:
            self._parts.append(own)
        self._observed = profile.observed
        self._time = None if profile.observed is None else _time(profile.observed)
        place = profile.location
        self._place = (
            None
            if place is None
            else _Place(paths.getter(place.longitude), paths.getter(place.latitude))
        )

    def apply(self, device: Device, uplink: Uplink, received: int) -> Applied:
        """Return readings and problems, as :meth:`.profile.Profile.readings` says."""
        at = self._instant(uplink, received)
        problems: list[Problem] = []
        location = None
        if self._place is not None:
            location = _position(self._place, uplink, at, problems)
        plan = device.plan
        if plan is None or plan[0] is not self:
            plan = device.plan = (self, [_fixed(part, device) for part in self._parts])
        readings = []
        for part, (id, kind, fixed) in zip(self._parts, plan[1], strict=True):
            entity: dict[str, Any] = {"id": id, "type": kind}
            for name, fetch, convert, base, member in part.steps:
                try:
                    value = fetch(uplink)
                    if value is None:
                        continue
                    if convert is not None:
                        value = convert(value)
                except (ValueError, ArithmeticError) as error:
                    problems.append(Problem(name, str(error)))
                    continue
                entity[name] = {**base, member: value, "observedAt": at}
            is_new = fixed and not device.is_introduced
            if len(entity) == 2 and (location is None if part.part else not is_new):
                continue
            if is_new:
                entity |= fixed
            if location is not None and part.part is not None:
                entity["location"] = location
            readings.append(Reading(entity, part.limits, device.name, device.owner))
        return Applied(readings, problems)

    def _instant(self, uplink: Uplink, received: int) -> str:
        """Return when it was measured, as text in UTC with milliseconds."""
        if uplink.observed is not None:
            return _rendered(uplink.observed)
        if self._time is not None:
            found = self._time[0](uplink)
            if found is not None:
                return self._time[1](found)
        return _rendered(received)


def _rendered(at: int) -> str:
    if not 0 <= at <= time.LAST:
        raise Rejected("badValue", f"{at} us since 1970 is no time that a device can measure at")
    return time.render(at // _MILLISECOND * _MILLISECOND)


def _time(observed: Observed) -> tuple[Fetch, Callable[[Any], str]]:
    zone = cells.zone(observed.zone)

    def convert(value: Any) -> str:
        try:
            if isinstance(value, bool) or not isinstance(value, (str, int, float)):
                raise ValueError(f"{_shown(value)} is no time")
            return _rendered(time.parse(cells.instant(value, observed.format, zone)))
        except ValueError as error:
            raise Rejected("badValue", f"the time at {observed.path}: {error}") from None

    return paths.getter(observed.path), convert


def _part(profile: Profile, part: EntityPart | None, target: str) -> _Part:
    """Work out one entity, or (None) what all entities say of the device itself."""
    wanted: dict[str, Attribute] = {}
    for source in profile.parts if part is None else [part]:
        wanted |= {n: a for n, a in source.attributes.items() if a.target == target}
    steps = [_step(name, a) for name, a in wanted.items() if a.value is None]
    constants = {
        name: {**_base(a), VALUE_MEMBER[a.type]: a.value}
        for name, a in wanted.items()
        if a.value is not None
    }
    limits = {name: a.quality for name, a in wanted.items() if a.quality != ANY}
    if part is not None and profile.location is not None and profile.location.quality != ANY:
        limits["location"] = profile.location.quality
    return _Part(part, steps, constants, limits, profile.location is not None)


def _fixed(part: _Part, device: Device) -> tuple[str, str, dict[str, Any]]:
    """Return id, type and the attributes that never change of one entity of a device."""
    if part.part is None:
        return device.id, TYPE, part.constants
    fixed = {**part.constants, "refDevice": {"type": "Relationship", "object": device.id}}
    if device.location is not None and not part.moves:
        fixed["location"] = {"type": "GeoProperty", "value": device.location}
    return part.part.id_for(device.name), part.part.type, fixed


def _step(name: str, attribute: Attribute) -> Step:
    fetch, convert = _source(name, attribute), _converter(attribute)
    return name, fetch, convert, _base(attribute), VALUE_MEMBER[attribute.type]


def _base(attribute: Attribute) -> dict[str, Any]:
    base: dict[str, Any] = {"type": attribute.type, VALUE_MEMBER[attribute.type]: None}
    if attribute.unit is not None:
        base["unitCode"] = attribute.unit
    return base


def _source(name: str, attribute: Attribute) -> Fetch:
    """Return what gets the field, or works out the expression."""
    get = None if attribute.path is None else paths.getter(attribute.path)
    if attribute.expression is None:
        return get or (lambda uplink: uplink.values.get(name))
    expression = Expression(attribute.expression)
    if get is None:
        return expression.of

    def work_out(uplink: Uplink) -> Any:
        value = get(uplink)
        return None if value is None else expression.of(uplink, value)

    return work_out


def _converter(attribute: Attribute) -> Convert | None:
    """Return what makes a value of a field; None: it is the value."""
    if attribute.words:
        return _words(attribute.words)
    kind = attribute.resolved_kind
    if kind == "number":
        return _numbers(attribute)
    if attribute.type == "Relationship":
        return _text
    return {"integer": _integer, "boolean": _switch, "text": _text, "any": None}[kind]


def _words(words: dict[str, Any]) -> Convert:
    def convert(value: Any) -> Any:
        key = str(value).lower() if isinstance(value, bool) else str(value)
        if key in words:
            return words[key]
        raise ValueError(f"{_shown(value)} is not one of {', '.join(words)[:200]}")

    return convert


def _numbers(attribute: Attribute) -> Convert:
    """Return what makes a number: scaled, and rounded to what the sensor can tell."""
    scale, offset, digits = attribute.scale, attribute.offset, attribute.precision
    is_scaled = attribute.is_scaled

    def convert(value: Any) -> int | float:
        kind = type(value)
        if kind is not float and kind is not int:
            value = _number(value)
        if is_scaled:
            value = value * scale + offset
        if value - value != 0.0:
            raise ValueError("the number is not finite; expected one that is")
        if digits is not None:
            value = round(value, digits)
        elif is_scaled:
            value = round(value, 10)  # 235 * 0.1 is 23.5, not 23.500000000000004
        number: int | float = value
        return number

    return convert


def _number(value: Any) -> int | float:
    if isinstance(value, str):
        return cells.number(value[:_SHOWN])
    raise ValueError(f"{_shown(value)} is no number")


def _integer(value: Any) -> int:
    if isinstance(value, (bool, list, dict)):
        raise ValueError(f"{_shown(value)} is no whole number")
    return cells.integer(value)


def _switch(value: Any) -> bool:
    return value if value is True or value is False else cells.boolean(value)


def _text(value: Any) -> str:
    if isinstance(value, (list, dict)):
        raise ValueError(f"{_shown(value)} is no text")
    return cells.text(value)


def _position(
    place: _Place, uplink: Uplink, at: str, problems: list[Problem]
) -> dict[str, Any] | None:
    """Return the location that a message gives, if it does."""
    longitude, latitude = place.longitude(uplink), place.latitude(uplink)
    if longitude is None or latitude is None:
        return None
    try:
        x, y = _degrees(longitude, 180.0, "longitude"), _degrees(latitude, 90.0, "latitude")
    except ValueError as error:
        problems.append(Problem("location", str(error)))
        return None
    point = {"type": "Point", "coordinates": [x, y]}
    return {"type": "GeoProperty", "value": point, "observedAt": at}


def _degrees(value: Any, most: float, what: str) -> float:
    number = value if type(value) is float or type(value) is int else _number(value)
    if not -most <= number <= most:
        raise ValueError(f"{_shown(value)} is no {what}; expected -{most:g} to {most:g}")
    return number


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"

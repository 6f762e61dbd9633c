"""The codec ``sentilo``: observations as clients of Sentilo publish them.

The address names provider and sensor (``/data/rec/RE0012``), or the provider alone, and the body
its sensors. A value may stand in the address as well (``/data/rec/RE0012/12.3``). The device of an
uplink is ``provider.sensor``; its fields are ``value``, as it was sent (most often a text), and
``location``, a GeoJSON point, if the observation says where it was made.

Source: Sentilo 2.0, API documentation, services "data".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import unquote

from madang.sense.codecs.bounds import LONGEST_NAME, MOST_ITEMS, json_of, shown
from madang.sense.message import Decoded, Message, Rejected, Uplink
from madang.sense.sentilo import moments
from madang.sense.sentilo.names import device_of, is_name

PREFIX = "/data/"
LONGEST_VALUE = 65_536
"""Characters of one value."""


class Sentilo:
    """The codec; see the module."""

    name = "sentilo"
    topics: Sequence[str] = ()

    def decode(self, message: Message) -> list[Decoded]:
        device, value = _addressed(message)
        if value is not None:
            return [Uplink(device, {"value": _value(value, "the value in the address")})]
        body = _object(json_of(message), "the body")
        if "." in device:
            return _observations(device, body, "")
        sensors = _list(body, "sensors", "")
        found: list[Decoded] = []
        for place, item in enumerate(sensors, 1):
            where = f"sensor {place}: "
            sensor = _object(item, f"sensor {place}")
            found += _observations(_named(device, sensor.get("sensor"), where), sensor, where)
            if len(found) > MOST_ITEMS:
                raise Rejected("tooLarge", f"a message holds {MOST_ITEMS:,} observations at most")
        return found


def _addressed(message: Message) -> tuple[str, str | None]:
    """Return the sensor (or just the provider) that a message is for, and a value in the path."""
    if not message.address.startswith(PREFIX):
        if message.device:
            return message.device, None
        raise Rejected("badPayload", f"the address must begin with {PREFIX}<provider>")
    provider, *rest = map(unquote, message.address.removeprefix(PREFIX).split("/", 2))
    if not is_name(provider):
        raise Rejected("badPayload", f"{shown(provider)} is no name of a provider")
    if not rest:
        return provider, None
    return _named(provider, rest[0], ""), rest[1] if len(rest) > 1 else None


def _named(provider: str, sensor: object, where: str) -> str:
    if isinstance(sensor, str) and is_name(sensor):
        return device_of(provider, sensor)
    raise Rejected(
        "badPayload",
        f"{where}sensor must be its name, 1 to {LONGEST_NAME} letters, digits, - and _, not"
        f" {shown(sensor)}",
    )


def _observations(device: str, body: dict[str, Any], where: str) -> list[Decoded]:
    """Return what one sensor says."""
    items = _list(body, "observations", where)
    if len(items) > MOST_ITEMS:
        raise Rejected("tooLarge", f"{where}a message holds {MOST_ITEMS:,} observations at most")
    general = _place(body, where)
    return [
        _uplink(device, _object(item, f"{where}observation {number}"), general,
                f"{where}observation {number}: ")
        for number, item in enumerate(items, 1)
    ]  # fmt: skip


def _uplink(
    device: str, observation: dict[str, Any], general: dict[str, Any], where: str
) -> Uplink:
    values = {
        "value": _value(observation.get("value"), f"{where}value"),
        **(_place(observation, where) or general),
    }
    observed, given = None, observation.get("timestamp")
    if given not in (None, ""):
        try:
            observed = moments.parse(str(given))
        except ValueError as error:
            raise Rejected("badPayload", f"{where}timestamp: {error}") from None
    return Uplink(device, values, observed)


def _value(value: Any, what: str) -> Any:
    if value is None:
        raise Rejected("badPayload", f"{what} is missing")
    if isinstance(value, str) and len(value) > LONGEST_VALUE:
        raise Rejected("tooLarge", f"{what} has more than {LONGEST_VALUE:,} characters")
    return value


def _place(holder: dict[str, Any], where: str) -> dict[str, Any]:
    given = holder.get("location")
    if given in (None, ""):
        return {}
    try:
        found = moments.positions(str(given))
        if len(found) > 1:
            raise ValueError("an observation is made in one place, not in several")
    except ValueError as error:
        raise Rejected("badPayload", f"{where}location: {error}") from None
    return {"location": {"type": "Point", "coordinates": found[0]}} if found else {}


def _object(value: Any, what: str) -> dict[str, Any]:
    if isinstance(value, dict):
        return value
    raise Rejected("badPayload", f"{what} must be a JSON object, not {shown(value)}")


def _list(body: dict[str, Any], member: str, where: str) -> list[Any]:
    found = body.get(member)
    if isinstance(found, list) and found:
        return found
    raise Rejected(
        "badPayload", f"{where}{member} must be a list with something in it, not {shown(found)}"
    )


CODEC = Sentilo()

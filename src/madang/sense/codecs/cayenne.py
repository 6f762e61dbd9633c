"""Cayenne Low Power Payload: channels of typed numbers, one after the other, big-endian.

Source: myDevices, "Cayenne LPP 2.0"; types are IPSO Smart Object ids less 3200. Fields are named
as The Things Stack names them: the quantity and the channel (``temperature_3``).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from madang.sense.message import Rejected


class _Kind(NamedTuple):
    name: str
    width: int
    """Of one number. [bytes]"""
    signed: bool
    steps: int
    """How many steps of the number are one unit."""
    parts: tuple[str, ...] = ()
    """Names of the numbers where there are several."""


_AXES = ("x", "y", "z")
_PLACE = ("latitude", "longitude", "altitude")

KINDS: dict[int, _Kind] = {
    0: _Kind("digital_in", 1, False, 1),
    1: _Kind("digital_out", 1, False, 1),
    2: _Kind("analog_in", 2, True, 100),
    3: _Kind("analog_out", 2, True, 100),
    100: _Kind("generic_sensor", 4, False, 1),
    101: _Kind("luminosity", 2, False, 1),  # [lx]
    102: _Kind("presence", 1, False, 1),
    103: _Kind("temperature", 2, True, 10),  # [Cel]
    104: _Kind("relative_humidity", 1, False, 2),  # [%]
    113: _Kind("accelerometer", 2, True, 1000, _AXES),  # [g]
    115: _Kind("barometric_pressure", 2, False, 10),  # [hPa]
    116: _Kind("voltage", 2, False, 100),  # [V]
    117: _Kind("current", 2, False, 1000),  # [A]
    118: _Kind("frequency", 4, False, 1),  # [Hz]
    120: _Kind("percentage", 1, False, 1),  # [%]
    121: _Kind("altitude", 2, True, 1),  # [m]
    125: _Kind("concentration", 2, False, 1),  # [ppm]
    128: _Kind("power", 2, False, 1),  # [W]
    130: _Kind("distance", 4, False, 1000),  # [m]
    131: _Kind("energy", 4, False, 1000),  # [kWh]
    132: _Kind("direction", 2, False, 1),  # [deg]
    133: _Kind("unix_time", 4, False, 1),  # [s]
    134: _Kind("gyrometer", 2, True, 100, _AXES),  # [deg/s]
    135: _Kind("colour", 1, False, 1, ("r", "g", "b")),
    136: _Kind("gps", 3, True, 10_000, _PLACE),  # [deg], altitude [m]
    142: _Kind("switch", 1, False, 1),
}
_ALTITUDE_STEPS = 100  # of one metre, where degrees have 10,000


def decode(payload: bytes) -> dict[str, Any]:
    """Return the fields of a payload.

    Raises:
        Rejected: it ends within a value, or has a type nobody knows; the text says where.

    >>> decode(bytes.fromhex("03670110056700ff"))
    {'temperature_3': 27.2, 'temperature_5': 25.5}
    """
    if not payload:
        raise Rejected("badPayload", "the Cayenne payload is empty")
    found: dict[str, Any] = {}
    place = 0
    while place < len(payload):
        if place + 2 > len(payload):
            raise Rejected("badPayload", f"byte {place}: the payload ends after a channel")
        channel, number = payload[place], payload[place + 1]
        kind = KINDS.get(number)
        if kind is None:
            raise Rejected(
                "badPayload",
                f"byte {place + 1}: {number} is no type of Cayenne LPP; is the device set to it?",
            )
        begin = place + 2
        place = begin + kind.width * max(len(kind.parts), 1)
        if place > len(payload):
            raise Rejected(
                "badPayload",
                f"byte {begin}: {kind.name} has {place - begin} bytes, {len(payload) - begin} left",
            )
        found[f"{kind.name}_{channel}"] = _value(kind, payload[begin:place])
    return found


def _value(kind: _Kind, content: bytes) -> Any:
    numbers = [
        int.from_bytes(content[i : i + kind.width], "big", signed=kind.signed)
        for i in range(0, len(content), kind.width)
    ]
    if not kind.parts:
        return _scaled(numbers[0], kind.steps)
    values = {
        name: _scaled(number, kind.steps) for name, number in zip(kind.parts, numbers, strict=True)
    }
    if kind.parts is _PLACE:
        values["altitude"] = _scaled(numbers[2], _ALTITUDE_STEPS)
    return values


def _scaled(number: int, steps: int) -> float:
    return number if steps == 1 else number / steps

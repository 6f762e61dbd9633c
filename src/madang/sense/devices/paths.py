"""Paths into the fields of a message: ``temp``, ``data.sensors[0].temp``, ``a["odd.name"]``."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from madang.sense.message import Uplink

Step = str | int
Getter = Callable[[Uplink], Any]
"""Returns what is at a path of the fields of a message; None if there is nothing."""

LONGEST = 256
DEEPEST = 16
_STEP = re.compile(r'(?:^|\.)([^.\[\]"]+)|\[(\d{1,6})\]|\["([^"]+)"\]')
_OF_UPLINK = "$"


def steps(path: str) -> tuple[Step, ...]:
    """Return the steps of a path: names of members and numbers of elements.

    Raises:
        ValueError: it is no path.

    >>> steps('data.sensors[0]["odd.name"]')
    ('data', 'sensors', 0, 'odd.name')
    """
    found: list[Step] = []
    at = len(path) if path.startswith(".") else 0
    while at < len(path) <= LONGEST and (match := _STEP.match(path, at)):
        name, number, quoted = match.groups()
        found.append(int(number) if number is not None else name or quoted)
        at = match.end()
    if at < len(path) or not 0 < len(found) <= DEEPEST or isinstance(found[0], int):
        raise ValueError(
            f"{path[:80]!r} is no path; expected names and numbers of elements such as"
            f' temp, data.sensors[0].temp or ["odd.name"], {DEEPEST} steps at most'
        )
    return tuple(found)


def getter(path: str) -> Getter:
    """Return the function that gets what is at a path.

    A path begins at the fields of the message; ``$port`` and ``$radio.rssi`` are what the network
    tells of its way.

    Raises:
        ValueError: it is no path.
    """
    if path.startswith(_OF_UPLINK):
        return _of_uplink(path)
    first, *rest = steps(path)
    name = str(first)
    if not rest:
        return lambda uplink: uplink.values.get(name)
    return lambda uplink: follow(uplink.values.get(name), rest)


def _of_uplink(path: str) -> Getter:
    if path == "$port":
        return lambda uplink: uplink.port
    if path.startswith("$radio."):
        names = steps(path.removeprefix("$radio."))
        return lambda uplink: follow(uplink.radio, names)
    raise ValueError(f"{path[:80]!r} is not known; expected $port, $radio.rssi or $radio.snr")


def follow(value: Any, names: tuple[Step, ...] | list[Step]) -> Any:
    """Return what is at the end of some steps from a value; None if there is nothing."""
    for name in names:
        if isinstance(name, int):
            value = value[name] if isinstance(value, list) and name < len(value) else None
        else:
            value = value.get(name) if isinstance(value, Mapping) else None
        if value is None:
            return None
    return value

"""Passes messages between vehicles and the roadside on to whoever is near, within milliseconds.

A message says where its station is, as a CAM (ETSI EN 302 637-2) or DENM (EN 302 637-3) does, in
JSON. Nothing is kept: a warning is of use now or never, so who reads too slowly loses the oldest.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson

from madang.model.errors import BadRequestData, PayloadTooLarge, TooManyResults
from madang.model.names import shown

LONGEST = 8 * 1024  # [bytes] of a message
USUAL_RADIUS = 300.0  # [m]
LARGEST_RADIUS = 5_000.0  # [m]
MOST_LISTENERS = 20_000
MOST_WAITING = 64
"""Messages that wait for one listener; then the oldest is dropped."""
CELL = 0.005
"""Of the grid. [deg], 556 m from south to north"""
METRE = 111_195.0
"""Of one degree on a great circle. [m], mean radius of the Earth 6,371,009 m"""

Cell = tuple[int, int]


class Place(NamedTuple):
    """A point in WGS 84. [deg]"""

    longitude: float
    latitude: float

    def metres_to(self, other: Place) -> float:
        """Return the distance; within kilometres the Earth is flat. [m]"""
        width = math.cos(math.radians(self.latitude))
        east = (other.longitude - self.longitude + 180.0) % 360.0 - 180.0
        return METRE * math.hypot(east * width, other.latitude - self.latitude)


class Notice(NamedTuple):
    """A message, checked."""

    station: str
    place: Place
    body: bytes
    """As JSON, as it is passed on."""


class Listener:
    """Somebody who hears what happens around a place."""

    def __init__(self, station: str = "") -> None:
        self.station = station
        """Whose own messages it does not hear."""
        self.place = Place(0.0, 0.0)
        self.radius = 0.0
        self.dropped = 0
        """Messages lost because it read too slowly."""
        self._cells: list[Cell] = []
        self._waiting: deque[bytes] = deque()
        self._ready = asyncio.Event()

    def tell(self, body: bytes) -> None:
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(body)
        self._ready.set()

    async def heard(self) -> list[bytes]:
        """Return the messages that wait, after waiting for the first."""
        await self._ready.wait()
        found = list(self._waiting)
        self._waiting.clear()
        self._ready.clear()
        return found


class Relay:
    """The listeners of one tenant, in a grid. Everything runs on the event loop."""

    def __init__(self) -> None:
        self._cells: dict[Cell, set[Listener]] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def join(self, listener: Listener, place: Place, radius: float) -> None:
        """Let somebody hear what happens around a place.

        Raises:
            TooManyResults: there are as many listeners as there can be.
        """
        if self._count >= MOST_LISTENERS:
            raise TooManyResults(f"{MOST_LISTENERS:,} listen already; try again later")
        self._count += 1
        self._settle(listener, place, radius)

    def move(self, listener: Listener, place: Place, radius: float) -> None:
        """Let it hear what happens around another place."""
        self._lift(listener)
        self._settle(listener, place, radius)

    def leave(self, listener: Listener) -> None:
        """Let it hear nothing more."""
        self._lift(listener)
        self._count -= 1

    def pass_on(self, notice: Notice) -> int:
        """Tell everybody who is near enough; return how many."""
        count = 0
        for listener in self._cells.get(_cell(notice.place), ()):
            if listener.station and listener.station == notice.station:
                continue
            if listener.place.metres_to(notice.place) <= listener.radius:
                listener.tell(notice.body)
                count += 1
        return count

    def _settle(self, listener: Listener, place: Place, radius: float) -> None:
        listener.place, listener.radius = place, radius
        listener._cells = list(_cells(place, radius))
        for cell in listener._cells:
            self._cells.setdefault(cell, set()).add(listener)

    def _lift(self, listener: Listener) -> None:
        for cell in listener._cells:
            there = self._cells[cell]
            there.discard(listener)
            if not there:
                del self._cells[cell]
        listener._cells = []


def _cell(place: Place) -> Cell:
    return int((place.longitude + 180.0) % 360.0 / CELL), int((place.latitude + 90.0) / CELL)


def _cells(place: Place, radius: float) -> Iterator[Cell]:
    """Yield every cell that a circle may touch; towards the poles they are narrow."""
    tall = radius / METRE
    width = math.cos(math.radians(min(abs(place.latitude) + tall, 89.0)))
    wide = min(tall / width, 180.0 - CELL)
    columns = round(360.0 / CELL)
    first, low = _floor(place.longitude + 180.0 - wide), _floor(place.latitude + 90.0 - tall)
    last, high = _floor(place.longitude + 180.0 + wide), _floor(place.latitude + 90.0 + tall)
    for x in range(first, last + 1):
        for y in range(max(low, 0), high + 1):
            yield x % columns, y


def _floor(degrees: float) -> int:
    return math.floor(degrees / CELL)


# --- reading what strangers send ----------------------------------------------------------------


def read(body: bytes | str) -> dict[str, Any]:
    """Return the JSON object of a message.

    Raises:
        PayloadTooLarge, BadRequestData: it is none.
    """
    if len(body) > LONGEST:
        raise PayloadTooLarge(f"a message to be relayed has at most {LONGEST:,} bytes")
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequestData(f"the message is no JSON: {error}") from None
    if not isinstance(found, dict):
        raise BadRequestData(f"the message must be a JSON object, not {shown(found)}")
    return found


def notice(message: dict[str, Any]) -> Notice:
    """Return a message of a station, checked.

    Raises:
        BadRequestData: a member is not as it must be; the text names it.
    """
    station = message.get("stationId")
    is_number = isinstance(station, int) and not isinstance(station, bool)
    if not is_number and not (isinstance(station, str) and 0 < len(station) <= 64):
        raise BadRequestData(
            f"stationId must be a number or a text of 1 to 64 characters, not {shown(station)}"
        )
    if "generationTime" not in message:
        raise BadRequestData(
            "generationTime is missing; it is when the station made the message, such as"
            " 2026-01-31T12:00:00.250Z or milliseconds since 1970"
        )
    position = message.get("position")
    if not isinstance(position, dict):
        raise BadRequestData(
            'position must be an object such as {"longitude": 126.98, "latitude": 37.57}, not'
            f" {shown(position)}"
        )
    _within(message, "heading", 0.0, 360.0)
    _within(message, "speed", 0.0, 200.0)
    event = message.get("eventType", "")
    if not isinstance(event, str | int) or isinstance(event, bool) or len(str(event)) > 64:
        raise BadRequestData(f"eventType must be a short text or a number, not {shown(event)}")
    return Notice(str(station), place(position, "position."), orjson.dumps(message))


def place(members: dict[str, Any], where: str = "") -> Place:
    """Return a place from ``longitude`` and ``latitude``.

    Raises:
        BadRequestData: they are none.
    """
    longitude = _number(members.get("longitude"), f"{where}longitude", -180.0, 180.0)
    latitude = _number(members.get("latitude"), f"{where}latitude", -90.0, 90.0)
    return Place(longitude, latitude)


def radius(value: object) -> float:
    """Return how far somebody wants to hear. [m]"""
    return USUAL_RADIUS if value is None else _number(value, "radius", 1.0, LARGEST_RADIUS)


def _within(message: dict[str, Any], member: str, low: float, high: float) -> None:
    if message.get(member) is not None:
        _number(message[member], member, low, high)


def _number(value: object, member: str, low: float, high: float) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high:
        return float(value)
    raise BadRequestData(f"{member} must be a number from {low:g} to {high:g}, not {shown(value)}")

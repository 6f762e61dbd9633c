"""The relay between stations: who is near hears it, nobody else does, and nobody waits."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madang.model.errors import BadRequestData, PayloadTooLarge
from madang.sense.edge import relay
from madang.sense.edge.relay import MOST_WAITING, Listener, Notice, Place, Relay

SEOUL = Place(126.98, 37.57)
CAM: dict[str, Any] = {
    "stationId": 4711,
    "position": {"longitude": 126.98, "latitude": 37.57},
    "heading": 92.5,
    "speed": 13.9,
    "generationTime": "2026-01-31T12:00:00.250Z",
}

longitudes = st.floats(-180.0, 180.0)
latitudes = st.floats(-85.0, 85.0)


def away(place: Place, metres: float, bearing: float) -> Place:
    """Return the place so far away, on the sphere of the same size."""
    angle = metres / (relay.METRE * 180.0 / math.pi)
    lat, turn = math.radians(place.latitude), math.radians(bearing)
    north = math.asin(
        math.sin(lat) * math.cos(angle) + math.cos(lat) * math.sin(angle) * math.cos(turn)
    )
    east = math.atan2(
        math.sin(turn) * math.sin(angle) * math.cos(lat),
        math.cos(angle) - math.sin(lat) * math.sin(north),
    )
    longitude = (place.longitude + math.degrees(east) + 180.0) % 360.0 - 180.0
    return Place(longitude, math.degrees(north))


@given(longitudes, latitudes, st.floats(0.0, 1.9), st.floats(0.0, 360.0), st.floats(5.0, 4000.0))
def test_who_is_within_the_radius_hears_it_and_nobody_else(
    longitude: float, latitude: float, part: float, bearing: float, radius: float
) -> None:
    here = Place(longitude, latitude)
    if 0.98 < part < 1.02:  # a flat Earth is good to a part in hundreds towards the poles
        return
    there, listener = Relay(), Listener()
    there.join(listener, here, radius)
    told = there.pass_on(Notice("1", away(here, part * radius, bearing), b"{}"))
    assert told == (1 if part < 1.0 else 0)


@given(st.lists(st.tuples(longitudes, latitudes, st.floats(1.0, 5000.0)), max_size=6))
def test_nothing_is_left_of_who_has_left(places: list[tuple[float, float, float]]) -> None:
    there, listener = Relay(), Listener()
    there.join(listener, SEOUL, 300.0)
    for longitude, latitude, radius in places:
        there.move(listener, Place(longitude, latitude), radius)
    there.leave(listener)
    assert len(there) == 0
    assert not there._cells


def test_a_station_does_not_hear_itself() -> None:
    there, own, other = Relay(), Listener("4711"), Listener("4712")
    there.join(own, SEOUL, 300.0)
    there.join(other, SEOUL, 300.0)
    assert there.pass_on(relay.notice(CAM)) == 1


async def test_who_reads_slowly_loses_the_oldest_and_holds_up_nobody() -> None:
    there, slow, quick = Relay(), Listener(), Listener()
    there.join(slow, SEOUL, 300.0)
    there.join(quick, SEOUL, 300.0)
    heard = 0
    for number in range(MOST_WAITING + 10):
        there.pass_on(relay.notice({**CAM, "heading": number % 360}))
        heard += len(await quick.heard())
    assert heard == MOST_WAITING + 10
    assert slow.dropped == 10
    found = await slow.heard()
    assert len(found) == MOST_WAITING
    assert orjson.loads(found[0])["heading"] == 10
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(slow.heard(), 0.01)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"stationId": None}, "stationId must be"),
        ({"stationId": True}, "stationId must be"),
        ({"stationId": "x" * 65}, "stationId must be"),
        ({"position": None}, "position must be an object"),
        ({"position": {"longitude": 126.98}}, "position.latitude must be a number"),
        ({"position": {"longitude": 181, "latitude": 0}}, "position.longitude must be a number"),
        ({"heading": 400}, "heading must be a number from 0 to 360"),
        ({"speed": -1}, "speed must be a number from 0 to 200"),
        ({"eventType": ["x"]}, "eventType must be a short text"),
    ],
)
def test_what_is_wrong_with_a_message_is_said(change: dict[str, Any], why: str) -> None:
    with pytest.raises(BadRequestData, match=why):
        relay.notice({**CAM, **change})


def test_a_message_needs_its_time_and_a_size() -> None:
    with pytest.raises(BadRequestData, match="generationTime is missing"):
        relay.notice({name: value for name, value in CAM.items() if name != "generationTime"})
    with pytest.raises(PayloadTooLarge):
        relay.read(b" " * 9000)
    with pytest.raises(BadRequestData, match="must be a JSON object"):
        relay.read(b"[]")
    with pytest.raises(BadRequestData, match="no JSON"):
        relay.read(b"{")


def test_a_warning_is_passed_on_whole() -> None:
    there, listener = Relay(), Listener()
    there.join(listener, SEOUL, 100.0)
    warning = {**CAM, "eventType": "stationaryVehicle", "more": {"lanes": [1, 2]}}
    there.pass_on(relay.notice(warning))
    assert orjson.loads(listener._waiting[0]) == warning
